#ifndef TOKENIZER_RANKS_H
#define TOKENIZER_RANKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "tokenizer/vocab.h"

/*
 * A byte-level BPE as tiktoken and tekken files describe it: tokens in order of rank,
 * no merges. tiktoken joins the adjacent pair whose joined bytes have the lowest rank.
 * It is rewritten as a tokenizer.json that gives the same ids, with merges.
 */
struct ranks_special {
    uint32_t id;
    const char *text; /* in `texts`, see ranks_add_special */
};
struct ranks {
    struct vocab tokens; /* bytes by id, ids in order of rank */
    const char *regex;   /* what cuts a text into pieces; borrowed */
    VEC(struct ranks_special) specials; /* their texts are freed by ranks_release */
};

void ranks_release(struct ranks *r);

/* name: for messages. 0 or -1: the id is taken (STATUS_INPUT). */
int ranks_add_special(struct ranks *r, const char *name, uint32_t id, const char *text, size_t n);

/*
 * Appends the tokenizer.json. 0 or -1: a byte without a token, a token that is empty,
 * too long or stands twice (STATUS_INPUT).
 */
int ranks_to_json(struct ranks *r, const char *name, struct str *json);

#endif
