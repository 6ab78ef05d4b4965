#ifndef LLM_SHUFFLE_BINS_H
#define LLM_SHUFFLE_BINS_H

#include <stdint.h>

/*
 * Best-fit decreasing bin packing (Johnson 1973; for training sequences Ding et al.
 * 2024, "Fewer Truncations Improve Language Modeling"): pieces by falling length,
 * each into the bin with the least room that it fits in, else into a new bin. It
 * takes at most 11/9 of the fewest bins and 6/9 of a bin.
 *
 * Pieces of one length cannot be told apart, and neither can bins that were filled
 * alike: so it works on counts, and its memory grows with the capacity but not with
 * the number of pieces.
 */
struct bins;

/* Room for lengths 0 .. capacity; capacity >= 1. */
struct bins *bins_new(uint32_t capacity);
void bins_free(struct bins *b);

/* `pieces` more of this length are to come. Before bins_fill. */
void bins_count(struct bins *b, uint32_t length, uint64_t pieces);

/* Packs what was counted. */
void bins_fill(struct bins *b);

/*
 * The bin, from 0, of the next piece of this length, of which not more than counted
 * may be asked for. Pieces of length 0 need no room and go into bin 0.
 */
uint64_t bins_take(struct bins *b, uint32_t length);

#endif
