#ifndef TOKENIZER_BPE_LEARN_H
#define TOKENIZER_BPE_LEARN_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "tokenizer/bpe.h"
#include "tokenizer/piece_counts.h"
#include "tokenizer/vocab.h"

/*
 * Learns merges from counted pieces: the most frequent adjacent pair becomes a token,
 * again and again; of equally frequent ones the pair of smaller ids, as in Hugging
 * Face's trainer.
 */
struct bpe_learned {
    struct vocab tokens; /* bytes of each token; ids 0..255 are the bytes, in their order */
    VEC(struct bpe_merge) merges;
};

struct bpe_learn_options {
    uint32_t tokens; /* stop at so many */
    uint64_t min_frequency;
    size_t max_piece_bytes;    /* 0: no limit */
    const uint8_t *byte_ids;   /* [256]: the id of each byte */
    const struct vocab *taken; /* texts (bytes) that no token may have; NULL: none */
    void (*progress)(uint32_t merges_done, uint32_t merges_all);
};

/* The pieces are used up. */
void
bpe_learn(struct piece_counts *pieces, const struct bpe_learn_options *o, struct bpe_learned *out);
void bpe_learned_release(struct bpe_learned *l);

#endif
