#ifndef EVAL_NORMALISE_H
#define EVAL_NORMALISE_H

#include "eval/pyregex.h"
#include "eval/pystr.h"
#include "json/json.h"

/* The "normalise" of a task file: steps over answers and targets, as scores.h describes them. */
enum normalise_step {
    NORMALISE_NFKC,
    NORMALISE_LOWER,
    NORMALISE_STRIP,
    NORMALISE_SQUEEZE,
    NORMALISE_ASCII_PUNCT,
    NORMALISE_NO_EMOJI,
    NORMALISE_NEOLOGDN,
    NORMALISE_DELETE
};

struct normaliser_step {
    enum normalise_step step;
    struct python_pattern *pattern; /* delete */
};
typedef VEC(struct normaliser_step) normaliser;

/* Reads "normalise" of `root` (absent: no steps). 0, or -1: the place is named. */
int normaliser_read(const struct json_doc *doc, const json_t *root, normaliser *out);
void normaliser_release(normaliser *n);

/*
 * The text behind all steps, appended to *out. 0, or -1: STATUS_INPUT (a search that takes too
 * long).
 */
int normalise(const normaliser *n, struct piece text, struct str *out);

/*
 * The emoji removal of Stability's jp-stable: characters that the package emoji counts as emoji by
 * themselves, and its five ranges.
 */
void remove_emoji(struct piece s, struct str *out);

/* neologdn.normalize of the Python package: full and half width, dashes, tildes, blanks. */
void neologdn(struct piece s, struct str *out);

#endif
