#ifndef TOKENIZER_PIECES_H
#define TOKENIZER_PIECES_H

#include <stddef.h>

#include "tokenizer/added.h"
#include "tokenizer/internal.h"

/*
 * The first half of encoding by itself, for trainers: what a tokenizer's model would be
 * given of a text. Special and other added tokens part pieces and are left out.
 */
struct pieces_scratch { /* {0} is empty; one a thread */
    struct normalizer_scratch normalizer;
    struct pretokenizer_scratch pretokenizer;
    struct added_spans raw, normal;
};
void pieces_scratch_release(struct pieces_scratch *s);

/* Gives the pieces of text[0..n), checked here to be UTF-8, in order to `piece`. 0 or -1. */
int tokenizer_pieces(const struct tokenizer *t, struct pieces_scratch *s, const char *text,
                     size_t n, void (*piece)(void *arg, const char *text, size_t n), void *arg);

#endif
