#include "kernels/text.h"

#include <immintrin.h>
#include <string.h>

#include "kernels/text_block.h"

/* Two registers of 32 bytes a block. */

static inline uint64_t
mask_of(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

/* Bytes of v in [first, first + count). */
static inline __m256i
in_range(__m256i v, int first, int count)
{
    __m256i from = _mm256_sub_epi8(v, _mm256_set1_epi8((char)first));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(from, _mm256_set1_epi8((char)(count - 1))), from);
}

static inline __m256i
equals(__m256i v, char c)
{
    return _mm256_cmpeq_epi8(v, _mm256_set1_epi8(c));
}

static inline void
classify(const char *s, size_t left, struct block *b)
{
    char rest[64];
    if (left < 64) {
        memset(rest, 0, sizeof rest);
        memcpy(rest, s, left);
        s = rest;
    }
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)s);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(s + 32));
    __m256i fold = _mm256_set1_epi8(0x20);
    b->foreign = mask_of(low, high);
    b->letter = mask_of(in_range(_mm256_or_si256(low, fold), 'a', 26),
                        in_range(_mm256_or_si256(high, fold), 'a', 26));
    b->upper = mask_of(in_range(low, 'A', 26), in_range(high, 'A', 26));
    b->digit = mask_of(in_range(low, '0', 10), in_range(high, '0', 10));
    b->blank = mask_of(equals(low, ' '), equals(high, ' '));
    b->space = b->blank | mask_of(in_range(low, '\t', 5), in_range(high, '\t', 5));
    b->newline = mask_of(_mm256_or_si256(equals(low, '\n'), equals(low, '\r')),
                         _mm256_or_si256(equals(high, '\n'), equals(high, '\r')));
    b->apostrophe = mask_of(equals(low, '\''), equals(high, '\''));
    b->slash = mask_of(equals(low, '/'), equals(high, '/'));
    b->control = mask_of(_mm256_or_si256(in_range(low, 0, ' '), equals(low, 0x7F)),
                         _mm256_or_si256(in_range(high, 0, ' '), equals(high, 0x7F))) &
                 ~b->space;
}

/* Eight places at a time, branching only on how many there are. */
static inline void
flatten(uint64_t bits, uint32_t at, uint32_t *ends)
{
    while (bits) {
        for (int i = 0; i < 8; i++, bits &= bits - 1)
            ends[i] = at + (uint32_t)__builtin_ctzll(bits | (uint64_t)1 << 63);
        ends += 8;
    }
}

#include "kernels/text_keys.inc"
#include "kernels/text_scan.inc"

/* A look-up by the low nibble gives the bits of all high nibbles, one by the high its bit. */
static inline __m256i
in_set(__m256i v, __m256i low, __m256i high, __m256i bit)
{
    __m256i other = _mm256_xor_si256(v, _mm256_set1_epi8((char)0x80));
    /* a shuffle gives 0 for bytes with the top bit: each table sees its half only */
    __m256i bits = _mm256_or_si256(_mm256_shuffle_epi8(low, v), _mm256_shuffle_epi8(high, other));
    __m256i row = _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(7));
    __m256i mine = _mm256_shuffle_epi8(bit, row);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bits, mine), mine);
}

static size_t
find(const struct text_set *set, const char *text, size_t at, size_t n)
{
    const __m128i *tables = (const __m128i *)(const void *)set;
    __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128(tables));
    __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128(tables + 1));
    __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    for (; at + 32 <= n; at += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(text + at));
        uint32_t found = (uint32_t)_mm256_movemask_epi8(in_set(v, low, high, bit));
        if (found)
            return at + (size_t)__builtin_ctz(found);
    }
    while (at < n && !text_set_has(set, (uint8_t)text[at]))
        at++;
    return at;
}

const struct text_kernels text_avx2 = {
    .name = "avx2",
    .scan = TEXT_SCAN_TABLE,
    .find = find,
    .keys = make_keys,
};
