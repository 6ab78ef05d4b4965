#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/*
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011). The value is a pure function of (key,
 * counter), so that it never depends on a rank, a thread or an order of calls.
 */
void rng_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* A key from a seed and a meaning, such as a tensor's name. */
uint64_t rng_key(uint64_t seed, const char *meaning);

/* The index-th value of the stream `key`. */
uint64_t rng_u64(uint64_t key, uint64_t index);
double rng_uniform(uint64_t key, uint64_t index); /* [0, 1), 53 bits */
double rng_normal(uint64_t key, uint64_t index);  /* Box-Muller, mean 0, deviation 1 */
void rng_normal_pair(uint64_t key, uint64_t pair, double out[2]); /* indices 2 pair, 2 pair + 1 */

#endif
