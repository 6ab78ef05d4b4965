#ifndef TOKENIZER_PRETOKENIZER_H
#define TOKENIZER_PRETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "json/json.h"
#include "tokenizer/match.h"
#include "tokenizer/pattern.h"

/*
 * The "pre_tokenizer" of tokenizer.json: steps that cut a text into pieces (and some
 * that rewrite them), each applied to the pieces of the one before. A ByteLevel step
 * at the end is not carried out: the model's tables are made for bytes instead.
 */
enum pretokenizer_kind {
    PRETOKENIZE_SCAN,     /* a built-in pattern that leaves no gaps */
    PRETOKENIZE_MATCH,    /* matches of a pattern, and what lies between */
    PRETOKENIZE_CLASS,    /* each code point that is `character` or of `mask` is a match */
    PRETOKENIZE_WORDS,    /* runs of \w and of [^\w\s] are matches */
    PRETOKENIZE_LENGTH,   /* `length` code points each */
    PRETOKENIZE_SCRIPTS,  /* runs of one script; kana counts as Han */
    PRETOKENIZE_SPACE,    /* a space before a piece that has none */
    PRETOKENIZE_BYTE_MAP, /* bytes to characters */
    PRETOKENIZE_METASPACE /* spaces to `character`, one more before the piece */
};

enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS
};

enum prepend_scheme { PREPEND_FIRST, PREPEND_NEVER, PREPEND_ALWAYS };

struct pretokenizer_step {
    enum pretokenizer_kind kind;
    enum split_behavior behavior;
    enum prepend_scheme prepend;
    bool invert;
    const struct pattern *scan;
    int part; /* while loading: of "deepseek3" (pattern.h) */
    struct matcher pattern;
    unsigned mask;
    uint32_t character; /* UINT32_MAX: none */
    size_t length;
};

struct pretokenizer {
    VEC(struct pretokenizer_step) steps;
    bool byte_level; /* pieces are bytes; the model folds the byte map in */
    const uint16_t *classes;
};

enum { PRETOKENIZER_STEPS = 64 };

struct pretokenizer_span {
    size_t begin, end;
    bool match;
};
struct pretokenizer_scratch {
    VEC(struct pretokenizer_span) spans[PRETOKENIZER_STEPS];
    struct str text[PRETOKENIZER_STEPS];
    struct regex_scratch *regex;
};

/* json: the member, may be null. 0 or -1. */
int pretokenizer_load(struct pretokenizer *p, const struct json_doc *doc, const json_t *json);
void pretokenizer_release(struct pretokenizer *p);

/* The model is not made for bytes: a ByteLevel step at the end is carried out after all. */
void pretokenizer_keep_byte_map(struct pretokenizer *p);
void pretokenizer_scratch_release(struct pretokenizer_scratch *s);

/*
 * Gives the pieces of text[0..n) to `piece` in order. origin: how many bytes of it, at
 * its beginning, come from the very first character of the whole document. 0 or -1.
 */
int pretokenizer_run(const struct pretokenizer *p, struct pretokenizer_scratch *s, const char *text,
                     size_t n, size_t origin, void (*piece)(void *arg, const char *text, size_t n),
                     void *arg);

#endif
