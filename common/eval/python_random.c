/* MT19937 and what CPython 3.11's random.py and NumPy's legacy generator draw with it. */
#include "eval/python_random.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { N = 624, M = 397 };

/* The paper's init_genrand: Knuth's linear recurrence. */
void
numpy_random_seed(struct python_random *r, uint32_t seed)
{
    r->state[0] = seed;
    for (uint32_t i = 1; i < N; i++)
        r->state[i] = 1812433253u * (r->state[i - 1] ^ r->state[i - 1] >> 30) + i;
    r->at = N;
}

/* The paper's init_by_array with the seed's 32-bit words, least first. */
void
python_random_seed(struct python_random *r, uint64_t seed)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t length = key[1] ? 2 : 1;
    uint32_t *s = r->state;
    uint32_t i = 1, j = 0;

    numpy_random_seed(r, 19650218);
    for (uint32_t k = 0; k < N; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525u) + key[j] + j;
        if (++i == N) {
            s[0] = s[N - 1];
            i = 1;
        }
        j = (j + 1) % length;
    }
    for (uint32_t k = 1; k < N; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941u) - i;
        if (++i == N) {
            s[0] = s[N - 1];
            i = 1;
        }
    }
    s[0] = 0x80000000u;
    r->at = N;
}

static void
twist(struct python_random *r)
{
    uint32_t *s = r->state;

    for (uint32_t i = 0; i < N; i++) {
        uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % N] & 0x7fffffffu);
        s[i] = s[(i + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    r->at = 0;
}

static uint32_t
next(struct python_random *r)
{
    if (r->at >= N)
        twist(r);
    uint32_t y = r->state[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

uint32_t
python_random_bits(struct python_random *r, int bits)
{
    return next(r) >> (32 - bits);
}

static int
bit_length(uint64_t n)
{
    return n ? 64 - __builtin_clzll(n) : 0;
}

/* getrandbits of more than 32 bits fills words from the least significant one. */
static uint64_t
wide_bits(struct python_random *r, int bits)
{
    if (bits <= 32)
        return python_random_bits(r, bits);
    uint64_t low = next(r);
    return low | (uint64_t)python_random_bits(r, bits - 32) << 32;
}

uint64_t
python_random_below(struct python_random *r, uint64_t n)
{
    int bits = bit_length(n);
    uint64_t x;

    do
        x = wide_bits(r, bits);
    while (x >= n);
    return x;
}

double
python_random_uniform(struct python_random *r)
{
    uint32_t a = next(r) >> 5, b = next(r) >> 6;
    return (a * 67108864.0 + b) / 9007199254740992.0;
}

/* Random.sample: beyond this many it keeps a set of what was drawn instead of a pool. */
static size_t
pool_limit(size_t k)
{
    double limit = 21;
    if (k > 5)
        limit += pow(4, ceil(log((double)k * 3) / log(4)));
    return limit < 1e15 ? (size_t)limit : (size_t)1 << 50;
}

static void
sample_from_pool(struct python_random *r, size_t n, size_t k, size_t *out)
{
    size_t *pool = mem_array(n ? n : 1, sizeof *pool);

    for (size_t i = 0; i < n; i++)
        pool[i] = i;
    for (size_t i = 0; i < k; i++) {
        size_t j = (size_t)python_random_below(r, n - i);
        out[i] = pool[j];
        pool[j] = pool[n - i - 1];
    }
    free(pool);
}

static void
sample_without_repeats(struct python_random *r, size_t n, size_t k, size_t *out)
{
    unsigned char *drawn = mem_zalloc(n / 8 + 1);

    for (size_t i = 0; i < k; i++) {
        size_t j;

        do
            j = (size_t)python_random_below(r, n);
        while (drawn[j / 8] >> j % 8 & 1);
        drawn[j / 8] |= (unsigned char)(1 << j % 8);
        out[i] = j;
    }
    free(drawn);
}

void
python_random_sample(struct python_random *r, size_t n, size_t k, size_t *out)
{
    if (n <= pool_limit(k))
        sample_from_pool(r, n, k, out);
    else
        sample_without_repeats(r, n, k, out);
}

void
python_random_shuffle(struct python_random *r, size_t *list, size_t n)
{
    for (size_t i = n; i-- > 1;) {
        size_t j = (size_t)python_random_below(r, i + 1), held = list[i];
        list[i] = list[j];
        list[j] = held;
    }
}

void
python_random_choices(struct python_random *r, size_t n, size_t k, size_t *out)
{
    for (size_t i = 0; i < k; i++)
        out[i] = (size_t)floor(python_random_uniform(r) * (double)n);
}

/* RandomState's masked rejection: 32-bit draws while n fits, and none at all for n == 1. */
void
numpy_random_choice(struct python_random *r, size_t n, size_t k, size_t *out)
{
    uint64_t greatest = n - 1;
    int bits = bit_length(greatest);
    uint64_t mask = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;

    for (size_t i = 0; i < k; i++) {
        uint64_t x = 0;

        if (greatest)
            do {
                x = next(r);
                if (greatest > UINT32_MAX)
                    x = x << 32 | next(r);
                x &= mask;
            } while (x > greatest);
        out[i] = (size_t)x;
    }
}
