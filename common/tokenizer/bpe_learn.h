#ifndef TOKENIZER_BPE_LEARN_H
#define TOKENIZER_BPE_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "tokenizer/bpe.h"
#include "tokenizer/bpe_cells.h"
#include "tokenizer/vocab.h"

/*
 * Learns merges from counted words: the most frequent adjacent pair becomes a token,
 * again and again; of equally frequent ones the pair of smaller ids, as in Hugging
 * Face's trainer. The caller puts the tokens to start from into `tokens` (all ids
 * from 0 on; texts as the vocabulary has them, or bytes): no merge makes one of their texts anew.
 */
struct bpe_learned {
    struct vocab tokens;          /* text of each token */
    VEC(struct bpe_merge) merges; /* in order of learning */
};

struct bpe_learn_options {
    uint32_t tokens; /* stop at so many, those at the start included */
    uint64_t min_frequency;
    size_t max_length; /* of a merged token; 0: no limit */
    bool characters;   /* max_length counts characters, else bytes */
    bool any_split;    /* a new token is made of every pair that has its text (and min_frequency),
                          as in SentencePiece; else of the pair learned */
    const struct vocab *taken; /* texts that no token may have; NULL: none */
    void (*progress)(uint32_t tokens_done, uint32_t tokens_all);
};

/* The words are used up. */
void
bpe_learn(struct bpe_cells *words, const struct bpe_learn_options *o, struct bpe_learned *out);
void bpe_learned_release(struct bpe_learned *l);

#endif
