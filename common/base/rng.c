#include "base/rng.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"

/* The constants of the paper's table 2: multipliers and the key's Weyl increments. */
enum { ROUNDS = 10 };
static const uint32_t mul0 = 0xd2511f53, mul1 = 0xcd9e8d57;
static const uint32_t weyl0 = 0x9e3779b9, weyl1 = 0xbb67ae85;

void
rng_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)mul0 * c0, p1 = (uint64_t)mul1 * c2;

        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += weyl0;
        k1 += weyl1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint64_t
rng_key(uint64_t seed, const char *meaning)
{
    return hash64_seeded(meaning, strlen(meaning), hash_mix(seed));
}

/* `use` keeps the kinds of numbers drawn from one stream apart. */
static void
draw(uint64_t key, uint64_t index, uint32_t use, uint64_t out[2])
{
    uint32_t words[4];
    const uint32_t k[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), use, 0};

    rng_philox(k, counter, words);
    out[0] = (uint64_t)words[1] << 32 | words[0];
    out[1] = (uint64_t)words[3] << 32 | words[2];
}

uint64_t
rng_u64(uint64_t key, uint64_t index)
{
    uint64_t both[2];

    draw(key, index / 2, 0, both);
    return both[index % 2];
}

double
rng_uniform(uint64_t key, uint64_t index)
{
    return (double)(rng_u64(key, index) >> 11) * 0x1p-53;
}

/* Box and Muller 1958; an even index takes the cosine, the odd one after it the sine. */
void
rng_normal_pair(uint64_t key, uint64_t pair, double out[2])
{
    uint64_t both[2];
    double radius, angle;

    draw(key, pair, 1, both);
    radius = sqrt(-2.0 * log((double)((both[0] >> 11) + 1) * 0x1p-53)); /* of (0, 1] */
    angle = 2.0 * M_PI * ((double)(both[1] >> 11) * 0x1p-53);
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

double
rng_normal(uint64_t key, uint64_t index)
{
    double both[2];

    rng_normal_pair(key, index / 2, both);
    return both[index % 2];
}
