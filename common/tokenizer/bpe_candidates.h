#ifndef TOKENIZER_BPE_CANDIDATES_H
#define TOKENIZER_BPE_CANDIDATES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/vec.h"

/*
 * The pairs that may be merged next: found by their tokens, taken by their counts.
 * A heap holds counts that may be out of date; an entry is checked against the pair's
 * count when it comes up.
 */
struct bpe_pair {
    uint32_t left, right;
    int64_t count;
    uint32_t *places; /* rising; some may have been merged away */
    uint32_t place_count;
    bool merged; /* is a merge already */
};
struct bpe_candidate {
    int64_t count;
    uint32_t pair;
};
struct bpe_candidates {
    VEC(struct bpe_pair) pairs;
    uint32_t *slots; /* pair index + 1 */
    uint32_t mask;
    VEC(struct bpe_candidate) heap;
};

void bpe_candidates_init(struct bpe_candidates *c);
void bpe_candidates_release(struct bpe_candidates *c);

/* The index of a pair; UINT32_MAX: there is none. */
uint32_t bpe_pair_find(const struct bpe_candidates *c, uint32_t left, uint32_t right);

/* The same; a new one without count and places when there is none. */
uint32_t bpe_pair_index(struct bpe_candidates *c, uint32_t left, uint32_t right);

/* Enters a pair's count into the heap. */
void bpe_pair_push(struct bpe_candidates *c, uint32_t index);

/* The most frequent pair, of equals the one of smaller ids; UINT32_MAX: none is left. */
uint32_t bpe_pair_pop(struct bpe_candidates *c);

#endif
