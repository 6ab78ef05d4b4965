#ifndef TOKENIZER_BULK_H
#define TOKENIZER_BULK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "tokenizer/vocab.h"

/*
 * The two members of a tokenizer.json that make up nearly all of its bytes,
 * model.vocab and model.merges, read straight from the text. What is odd in any way
 * (malformed, doubled, out of range) is not read at all: then a JSON document of the
 * whole text finds the place of the fault.
 */
struct bulk_merge {
    const char *left, *right; /* in the text, or in `texts` */
    uint32_t left_n, right_n;
};
struct bulk {
    struct str rest; /* the text with both members empty */
    bool has_vocab, has_merges;
    struct vocab vocab; /* indexed; may be moved away */
    VEC(struct bulk_merge) merges;
    struct str texts; /* strings that had escapes; never moves */
};

/* false: read the whole text another way. The text must outlive b. */
bool bulk_read(struct bulk *b, const char *text, size_t n);
void bulk_release(struct bulk *b);

#endif
