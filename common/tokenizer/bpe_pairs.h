#ifndef TOKENIZER_BPE_PAIRS_H
#define TOKENIZER_BPE_PAIRS_H

#include <string.h>

#include "tokenizer/bpe.h"

/* Look-up of a pair's rank, shared by the files that build and that use the tables. */

#define NO_RANK INT32_MAX /* so that ranks compare as signed numbers, too */
#define NO_UNIT UINT32_MAX

static inline uint64_t
pair_key(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 32 | right;
}

static inline uint32_t
pair_hash(uint64_t key)
{
    return (uint32_t)((key * 0x9E3779B97F4A7C15u) >> 32);
}

static inline const struct pair_slot *
pair_find(const struct bpe *b, uint32_t left, uint32_t right)
{
    uint64_t key = pair_key(left, right);
    uint32_t i = pair_hash(key) & b->pair_mask;
    while (b->pairs[i].key != key && b->pairs[i].key != UINT64_MAX)
        i = (i + 1) & b->pair_mask;
    return &b->pairs[i];
}

/* The filter takes other bits of the hash than the table. */
static inline uint32_t
filter_bit(const struct bpe *b, uint64_t key)
{
    return (uint32_t)((key * 0x9E3779B97F4A7C15u) >> 20) & b->filter_mask;
}

static inline uint32_t
pair_rank(const struct bpe *b, uint32_t left, uint32_t right)
{
    uint32_t bit = filter_bit(b, pair_key(left, right));
    if (!(b->pair_filter[bit / 64] >> bit % 64 & 1))
        return NO_RANK;
    return pair_find(b, left, right)->rank; /* NO_RANK in an empty slot */
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
