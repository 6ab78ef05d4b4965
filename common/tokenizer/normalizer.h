#ifndef TOKENIZER_NORMALIZER_H
#define TOKENIZER_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/vec.h"
#include "json/json.h"
#include "text/normalize.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/match.h"

/* The "normalizer" of tokenizer.json: steps that rewrite the text, one after another. */
enum normalizer_kind {
    NORMALIZE_FORM, /* NFC, NFD, NFKC, NFKD */
    NORMALIZE_LOWERCASE,
    NORMALIZE_STRIP,         /* white space at the ends */
    NORMALIZE_STRIP_ACCENTS, /* marks */
    NORMALIZE_NMT,           /* control characters away, others to spaces */
    NORMALIZE_REPLACE,
    NORMALIZE_PREPEND,
    NORMALIZE_BYTE_LEVEL,
    NORMALIZE_BERT_CLEAN,
    NORMALIZE_BERT_CHINESE,
    NORMALIZE_BERT_ACCENTS, /* NFD, then Mn away */
    NORMALIZE_PRECOMPILED   /* a charsmap, for each grapheme cluster */
};

struct normalizer_step {
    enum normalizer_kind kind;
    enum text_form form;
    bool left, right;
    struct matcher pattern;
    char *content; /* Replace, Prepend */
    size_t length;
    struct charsmap *map; /* Precompiled; owned */
};

struct normalizer {
    VEC(struct normalizer_step) steps;
};

/* Two buffers that the steps write in turn, and what patterns need. */
struct normalizer_scratch {
    struct str buffer[2];
    struct regex_scratch *regex;
};

/* json: the member, may be null. 0 or -1. */
int normalizer_load(struct normalizer *z, const struct json_doc *doc, const json_t *json);
void normalizer_release(struct normalizer *z);
void normalizer_scratch_release(struct normalizer_scratch *s);

/*
 * *text, *n become the normalized text, which lives in s (or is the old one). *origin
 * (NULL: of no interest): how many bytes of the text, at its beginning, come from the
 * very first character of the whole document; kept up with. 0 or -1.
 */
int normalizer_run(const struct normalizer *z, struct normalizer_scratch *s, const char **text,
                   size_t *n, size_t *origin);

#endif
