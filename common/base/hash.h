#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH3, unseeded unless said. Stored as SHARD.md says: 128 bits = low u64, high u64. */
struct hash128 {
    uint64_t low, high;
};

uint64_t hash64(const void *data, size_t n);
uint64_t hash64_seeded(const void *data, size_t n, uint64_t seed);
struct hash128 hash128(const void *data, size_t n);

/* A running hash; the state is allocated 64-byte aligned. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_reset(struct hasher *h);
void hasher_add(struct hasher *h, const void *data, size_t n);
void hasher_add_u64(struct hasher *h, uint64_t v); /* little endian on every machine */
uint64_t hasher_64(const struct hasher *h);
struct hash128 hasher_128(const struct hasher *h);
void hasher_free(struct hasher *h);

/* 32 lower-case hex digits, high half first, and NUL into out; returns out. */
char *hash128_hex(struct hash128 h, char out[33]);

/* SplitMix64's finalizer: a bijection that spreads every bit. */
uint64_t hash_mix(uint64_t x);

#endif
