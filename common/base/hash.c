#include "base/hash.h"

#include <stdio.h>

/* Compiled in, so that short inputs cost no call. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/bytes.h"
#include "base/mem.h"

uint64_t
hash64(const void *data, size_t n)
{
    return XXH3_64bits(data, n);
}

uint64_t
hash64_seeded(const void *data, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, n, seed);
}

static struct hash128
from_xxh(XXH128_hash_t h)
{
    return (struct hash128){.low = h.low64, .high = h.high64};
}

struct hash128
hash128(const void *data, size_t n)
{
    return from_xxh(XXH3_128bits(data, n));
}

/* One state serves both widths: XXH3's accumulators are the same. */
struct hasher {
    XXH3_state_t state;
};

struct hasher *
hasher_new(void)
{
    struct hasher *h = mem_aligned(sizeof *h);

    hasher_reset(h);
    return h;
}

void
hasher_reset(struct hasher *h)
{
    XXH3_INITSTATE(&h->state);
    XXH3_128bits_reset(&h->state);
}

void
hasher_add(struct hasher *h, const void *data, size_t n)
{
    XXH3_128bits_update(&h->state, data, n);
}

void
hasher_add_u64(struct hasher *h, uint64_t v)
{
    uint8_t bytes[8];

    store_u64(bytes, v);
    hasher_add(h, bytes, sizeof bytes);
}

uint64_t
hasher_64(const struct hasher *h)
{
    return XXH3_64bits_digest(&h->state);
}

struct hash128
hasher_128(const struct hasher *h)
{
    return from_xxh(XXH3_128bits_digest(&h->state));
}

void
hasher_free(struct hasher *h)
{
    free(h);
}

char *
hash128_hex(struct hash128 h, char out[33])
{
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)h.high, (unsigned long long)h.low);
    return out;
}

/* Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014 (variant 13). */
uint64_t
hash_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}
