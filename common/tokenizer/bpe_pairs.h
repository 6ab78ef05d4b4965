#ifndef TOKENIZER_BPE_PAIRS_H
#define TOKENIZER_BPE_PAIRS_H

#include <string.h>

#include "tokenizer/bpe.h"

/*
 * Look-up of a pair's rank, shared by the files that build and that use the tables.
 *
 * The two ids of a pair, 24 bits each, go through a bijection of 48 bits. Its highest
 * bits are the home slot, its lowest 40 stand in the slot, above the rank of 24 bits.
 * That is exact: the bits that the slot lacks are the eight highest of the home, and homes
 * that differ in these alone are at least PAIR_REACH apart, more than any look-up goes on.
 */

enum {
    NO_RANK = 0xFFFFFF, /* more than any rank */
    PAIR_BITS = 48,
    PAIR_TAG = 40,
    PAIR_LEAST_LOG = PAIR_BITS - PAIR_TAG + 8, /* slots, as a power of two */
    PAIR_REACH = 1 << 8 /* no run of taken slots is as long */
};
#define NO_UNIT UINT32_MAX
#define PAIR_EMPTY UINT64_MAX

static inline uint64_t
pair_mix(const struct bpe *b, uint32_t left, uint32_t right)
{
    const uint64_t bits = ((uint64_t)1 << PAIR_BITS) - 1;
    uint64_t h = ((uint64_t)left << 24 | right) * b->pair_factor & bits;
    h = (h ^ h >> 25) * 0xC2B2AE3D27D5 & bits;
    return h ^ h >> 27;
}

static inline uint32_t
pair_find(const struct bpe *b, uint64_t h)
{
    uint64_t tag = h << (64 - PAIR_TAG); /* as it stands in a slot */
    const uint64_t *slot = b->pairs + (h >> b->pair_shift);
    while ((*slot ^ tag) >> (64 - PAIR_TAG) && *slot != PAIR_EMPTY)
        slot++;
    return *slot & NO_RANK; /* the rank of an empty slot, too */
}

/* The filter takes other bits than the table: most pairs are none, found out cheaply. */
static inline uint32_t
filter_bit(const struct bpe *b, uint64_t h)
{
    return (uint32_t)h & b->filter_mask;
}

static inline uint32_t
pair_rank_at(const struct bpe *b, uint64_t h)
{
    uint32_t bit = filter_bit(b, h);
    if (!(b->pair_filter[bit / 64] >> bit % 64 & 1))
        return NO_RANK;
    return pair_find(b, h);
}

static inline uint32_t
pair_rank(const struct bpe *b, uint32_t left, uint32_t right)
{
    return pair_rank_at(b, pair_mix(b, left, right));
}

/* Asks for what pair_rank_at will need. */
static inline void
pair_prefetch(const struct bpe *b, uint64_t h)
{
    __builtin_prefetch(b->pairs + (h >> b->pair_shift));
}

/* ---- words for ignore_merges ---- */

enum { WORD_BITS = 1 << 16 };

/* A word's bit in the filter, from its length and up to eight of its bytes; n > 0. */
static inline uint32_t
word_bit(const char *s, size_t n)
{
    uint32_t head = (unsigned char)s[0], tail = (unsigned char)s[n - 1];
    if (n >= 4) {
        memcpy(&head, s, 4);
        memcpy(&tail, s + n - 4, 4);
    }
    return (uint32_t)(((uint64_t)head << 32 ^ tail ^ n << 28) * 0x9E3779B97F4A7C15u >> 48);
}

#endif
