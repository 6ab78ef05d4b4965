#ifndef TOKENIZER_SPAN_CACHE_H
#define TOKENIZER_SPAN_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/vec.h"
#include "kernels/text.h"

/*
 * The ids of pieces seen before, of one thread: a fixed amount of memory, whatever the
 * text. Pieces of up to 15 bytes and 4 ids stand in slots of half a cache line; longer ones
 * in two lines. What is kept is what the encoder
 * gave: the cache never changes ids.
 */
enum {
    SPAN_SHORT = TEXT_KEY_MOST,
    SPAN_SHORT_IDS = 4,
    SPAN_LINE_BITS = 19, /* lines of two slots: 32 MiB */
    SPAN_WAYS = 4, /* slots that a key may take: its line, then the neighbour */
    SPAN_LONG = 62,
    SPAN_LONG_IDS = 16,
    SPAN_LONG_BITS = 15 /* 4 MiB */
};

/* A key (kernels/text.h), how many ids in the top four bits of it, the ids. */
struct span_slot {
    uint64_t low, high;
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

/* The only line that a piece may stand in, by number; that line, or NULL when it holds another. */
static inline uint32_t
span_line_of(const char *piece, size_t n)
{
    return (uint32_t)(hash64(piece, n) >> (64 - SPAN_LONG_BITS));
}
const struct span_line *span_cache_long(const struct span_cache *c, uint32_t line,
                                        const char *piece, size_t n);

/* The first slot of the line that a key's hash names. */
static inline uint32_t
span_slot_of(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - SPAN_LINE_BITS)) << 1;
}

/* 0 when the slot holds the key. */
static inline uint64_t
span_differs(const struct span_slot *slot, uint64_t low, uint64_t high)
{
    return (slot->low ^ low) | (slot->high ^ high) << 4;
}

static inline size_t
span_count(const struct span_slot *slot)
{
    return slot->high >> 60;
}

#endif
