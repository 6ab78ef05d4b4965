#ifndef TOKENIZER_SPAN_CACHE_H
#define TOKENIZER_SPAN_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/vec.h"

/*
 * The ids of pieces seen before, of one thread: a fixed amount of memory, whatever the
 * text. Pieces of up to 15 bytes and 4 ids stand in slots of half a cache line, two of
 * which a piece may take; longer ones in whole lines. What is kept is what the encoder
 * gave: the cache never changes ids.
 */
enum {
    SPAN_SHORT = 15,     /* bytes of a key in a half line */
    SPAN_SHORT_IDS = 4,
    SPAN_LINE_BITS = 19, /* lines of two slots: 8 MiB */
    SPAN_WAYS = 4, /* slots that a key may take: its line, then the neighbour */
    SPAN_LONG = 30,
    SPAN_LONG_IDS = 8,
    SPAN_LONG_BITS = 15 /* 2 MiB */
};

/* The bytes of a piece, then zeros; the last byte is length and, in a slot, ids << 4. */
struct span_key {
    uint64_t low, high;
};
struct span_slot {
    struct span_key key;
    uint32_t ids[SPAN_SHORT_IDS];
};
struct span_line {
    uint8_t length, count; /* length 0: empty */
    char key[SPAN_LONG];
    uint32_t ids[SPAN_LONG_IDS];
};

struct span_cache {
    struct span_slot *slots; /* two a line */
    struct span_line *lines;
    uint32_t turn; /* which slot of a full line goes next */
    void *memory;
};

void span_cache_init(struct span_cache *c);
void span_cache_release(struct span_cache *c);

/* Keeps the ids of a piece where there is room for its size. */
void span_cache_put(struct span_cache *c, const char *piece, size_t n, const uint32_t *ids,
                    size_t count);

/* The line of a piece of n <= SPAN_LONG bytes that has no slot, or NULL. */
const struct span_line *span_cache_long(const struct span_cache *c, const char *piece, size_t n);

/*
 * The key of piece[0..n), n > 0, of which `left` >= n bytes may be read. One that no slot has
 * when n > SPAN_SHORT.
 */
static inline struct span_key
span_key(const char *piece, size_t n, size_t left)
{
    /* what stays of the 16 bytes there, and the length; the last entry is for longer pieces */
    static const struct {
        uint64_t low, high, length;
    } keep[SPAN_SHORT + 2] = {
        {0, 0, 0},
        {0xFF, 0, (uint64_t)1 << 56},
        {0xFFFF, 0, (uint64_t)2 << 56},
        {0xFFFFFF, 0, (uint64_t)3 << 56},
        {0xFFFFFFFF, 0, (uint64_t)4 << 56},
        {0xFFFFFFFFFF, 0, (uint64_t)5 << 56},
        {0xFFFFFFFFFFFF, 0, (uint64_t)6 << 56},
        {0xFFFFFFFFFFFFFF, 0, (uint64_t)7 << 56},
        {UINT64_MAX, 0, (uint64_t)8 << 56},
        {UINT64_MAX, 0xFF, (uint64_t)9 << 56},
        {UINT64_MAX, 0xFFFF, (uint64_t)10 << 56},
        {UINT64_MAX, 0xFFFFFF, (uint64_t)11 << 56},
        {UINT64_MAX, 0xFFFFFFFF, (uint64_t)12 << 56},
        {UINT64_MAX, 0xFFFFFFFFFF, (uint64_t)13 << 56},
        {UINT64_MAX, 0xFFFFFFFFFFFF, (uint64_t)14 << 56},
        {UINT64_MAX, 0xFFFFFFFFFFFFFF, (uint64_t)15 << 56},
        {0, 0, UINT64_MAX}, /* a byte 0xFF is in no UTF-8 */
    };
    unsigned char tail[16];
    struct span_key key;
    if (left < sizeof tail) {
        memset(tail, 0, sizeof tail);
        memcpy(tail, piece, left);
        piece = (const char *)tail;
    }
    memcpy(&key.low, piece, 8);
    memcpy(&key.high, piece + 8, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    key.low = __builtin_bswap64(key.low);
    key.high = __builtin_bswap64(key.high);
#endif
    n = n <= SPAN_SHORT ? n : SPAN_SHORT + 1;
    key.low &= keep[n].low;
    key.high = (key.high & keep[n].high) | keep[n].length;
    return key;
}

/* The first slot of the key's line. */
static inline uint32_t
span_line_of(struct span_key key)
{
    uint64_t h = (key.low ^ key.high * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
    return (uint32_t)(h >> (64 - SPAN_LINE_BITS)) << 1;
}

/* 0 when the slot holds the key. */
static inline uint64_t
span_differs(const struct span_slot *slot, struct span_key key)
{
    return (slot->key.low ^ key.low) | (slot->key.high ^ key.high) << 4;
}

static inline size_t
span_count(const struct span_slot *slot)
{
    return slot->key.high >> 60;
}

#endif
