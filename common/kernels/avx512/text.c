#include "kernels/text.h"

#include <immintrin.h>

#include "kernels/text_block.h"

/* 64 bytes a register, compared straight into masks. */

static inline void
classify(const char *s, size_t left, struct block *b)
{
    __mmask64 in = left < 64 ? ((__mmask64)1 << left) - 1 : UINT64_MAX;
    __m512i v = _mm512_maskz_loadu_epi8(in, s);
    __m512i lower = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
#define EQUALS(c) _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c))
#define BELOW(x, first, count) \
    _mm512_cmplt_epu8_mask(_mm512_sub_epi8(x, _mm512_set1_epi8(first)), _mm512_set1_epi8(count))
    b->foreign = _mm512_movepi8_mask(v);
    b->letter = BELOW(lower, 'a', 26);
    b->upper = BELOW(v, 'A', 26);
    b->digit = BELOW(v, '0', 10);
    b->blank = EQUALS(' ');
    b->space = b->blank | BELOW(v, '\t', 5);
    b->newline = EQUALS('\n') | EQUALS('\r');
    b->apostrophe = EQUALS('\'');
    b->slash = EQUALS('/');
    b->control = (BELOW(v, 0, ' ') & ~b->space) | EQUALS(0x7F);
#undef EQUALS
#undef BELOW
}

static inline void
flatten(uint64_t bits, uint32_t at, uint32_t *ends)
{
    __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    places = _mm512_add_epi32(places, _mm512_set1_epi32((int)at));
    for (int i = 0; i < 4; i++, bits >>= 16) {
        __mmask16 some = (__mmask16)bits;
        _mm512_storeu_si512(ends, _mm512_maskz_compress_epi32(some, places));
        ends += __builtin_popcount(some);
        places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
    }
}

#include "kernels/text_scan.inc"

/* A look-up by the low nibble gives the bits of all high nibbles, one by the high its bit. */
static size_t
find(const struct text_set *set, const char *text, size_t at, size_t n)
{
    const __m128i *tables = (const __m128i *)(const void *)set;
    __m512i low = _mm512_broadcast_i32x4(_mm_loadu_si128(tables));
    __m512i high = _mm512_broadcast_i32x4(_mm_loadu_si128(tables + 1));
    __m512i bit = _mm512_set1_epi64((long long)0x8040201008040201);
    __m512i seven = _mm512_set1_epi8(7), top = _mm512_set1_epi8((char)0x80);
    for (; at < n; at += 64) {
        __mmask64 in = n - at < 64 ? ((__mmask64)1 << (n - at)) - 1 : UINT64_MAX;
        __m512i v = _mm512_maskz_loadu_epi8(in, text + at);
        /* a shuffle gives 0 for bytes with the top bit: each table sees its half only */
        __m512i bits = _mm512_or_si512(_mm512_shuffle_epi8(low, v),
                                       _mm512_shuffle_epi8(high, _mm512_xor_si512(v, top)));
        __m512i mine = _mm512_shuffle_epi8(
            bit, _mm512_and_si512(_mm512_srli_epi16(v, 4), seven));
        __mmask64 found = _mm512_mask_test_epi8_mask(in, bits, mine);
        if (found)
            return at + (size_t)__builtin_ctzll(found);
    }
    return n;
}

/* Eight pieces a step; the arrays have room for a whole last step. */
static void
make_keys(const char *text, const uint32_t *ends, size_t count, struct text_keys *keys)
{
    __m512i all = _mm512_set1_epi64(-1), bits64 = _mm512_set1_epi64(64);
    __m512i mix1 = _mm512_set1_epi64((long long)TEXT_KEY_MIX1);
    __m512i mix2 = _mm512_set1_epi64((long long)TEXT_KEY_MIX2);
    for (size_t i = 0; i < count; i += 8) {
        __mmask8 in = count - i < 8 ? (__mmask8)((1u << (count - i)) - 1) : 0xFF;
        __m256i begin = _mm256_maskz_loadu_epi32(in, ends + i);
        __m256i end = _mm256_maskz_loadu_epi32(in, ends + i + 1);
        __m512i at = _mm512_cvtepu32_epi64(begin);
        __m512i length = _mm512_cvtepu32_epi64(_mm256_sub_epi32(end, begin));
        __m512i low = _mm512_mask_i64gather_epi64(all, in, at, text, 1);
        __m512i high = _mm512_mask_i64gather_epi64(all, in, at, text + 8, 1);
        /* shifts by 64 give 0 */
        __m512i bits = _mm512_slli_epi64(length, 3);
        __m512i low_bits = _mm512_min_epu64(bits, bits64);
        __m512i high_bits = _mm512_sub_epi64(bits, low_bits);
        __mmask8 fits = _mm512_cmple_epu64_mask(length, _mm512_set1_epi64(TEXT_KEY_MOST));
        __m512i keep = _mm512_srlv_epi64(all, _mm512_sub_epi64(bits64, low_bits));
        low = _mm512_maskz_and_epi64(fits, low, keep);
        keep = _mm512_srlv_epi64(all, _mm512_sub_epi64(bits64, high_bits));
        high = _mm512_or_si512(_mm512_and_si512(high, keep), _mm512_slli_epi64(length, 56));
        high = _mm512_mask_mov_epi64(all, fits, high);
        __m512i hash = _mm512_xor_si512(low, _mm512_mullo_epi64(high, mix1));
        hash = _mm512_mullo_epi64(hash, mix2);
        _mm512_storeu_si512(keys->low + i, low);
        _mm512_storeu_si512(keys->high + i, high);
        _mm512_storeu_si512(keys->hash + i, hash);
    }
}

const struct text_kernels text_avx512 = {
    .name = "avx512",
    .scan = TEXT_SCAN_TABLE,
    .find = find,
    .keys = make_keys,
};
