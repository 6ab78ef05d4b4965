#ifndef KERNELS_AMX_PACK_H
#define KERNELS_AMX_PACK_H

#include <immintrin.h>
#include <stdint.h>

#include "base/float16.h"
#include "kernels/amx/tile.h"
#include "kernels/avx512/transpose.h"

/*
 * Operands in the order in which tiles are loaded. A strip is 32 lines (rows of A, columns of
 * B) over all of k: for each 32 of k two tiles, lines 0-15 and 16-31, 2 KiB:
 *
 *   rows   (A)  [k/32][2][16 lines][32 k]
 *   pairs  (B)  [k/32][2][16 pairs of k][16 lines][2]
 *
 * What lies beyond the last line or k is zero. "Along": in memory a line is contiguous over
 * k; "across": it has a stride, and neighbouring lines are contiguous. Costs a tile of 512 numbers:
 * rows along 16 loads and stores, pairs across 32 shuffles beside them, pairs along 64, rows
 * across 80; a tile product takes 16 cycles.
 */
enum { STRIP = 32, STEP_BYTES = 2 * TILE_BYTES, STEP_NUMBERS = STEP_BYTES / 2 };

static inline int64_t
steps_of(int64_t k)
{
    return (k + TILE_DEPTH - 1) / TILE_DEPTH;
}

static inline int64_t
at_most(int64_t n, int64_t limit)
{
    return n < limit ? n : limit;
}

static inline __mmask32
first_of_32(int64_t n)
{
    return n >= 32 ? UINT32_MAX : n <= 0 ? 0 : (__mmask32)((1u << n) - 1);
}

static inline __mmask16
first_of_16(int64_t n)
{
    return (__mmask16)first_of_32(n);
}

/* Lines `first` … `first` + 15 of x, 32 of k from p on, as rows; zero beyond `lines` and k. */
static inline void
load_lines(__m512i r[16], const bf16 *x, int64_t ld, int64_t first, int64_t lines, int64_t p,
           int64_t k)
{
    __mmask32 in = first_of_32(k - p);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        r[i] = first + i < lines ? _mm512_maskz_loadu_epi16(in, x + (first + i) * ld + p)
                                 : _mm512_setzero_si512();
}

/*
 * Of lines that lie across: [k] rows of 32 lines. The next strip's line is asked for: rows are
 * too far apart for the CPU to guess it.
 */
static inline __m512i
load_across(const bf16 *x, int64_t ld, __mmask32 in, int64_t p, int64_t k)
{
    _mm_prefetch((const char *)(x + p * ld + STRIP), _MM_HINT_T1);
    return p < k ? _mm512_maskz_loadu_epi16(in, x + p * ld) : _mm512_setzero_si512();
}

/* One strip of up to 32 lines; the four functions differ in x alone. Line by line, as x lies. */
static inline void
strip_rows_along(bf16 *out, const bf16 *x, int64_t ld, int64_t lines, int64_t k)
{
    for (int64_t i = 0; i < STRIP; i++, out += TILE_DEPTH) {
        bf16 *to = out;
        for (int64_t p = 0; p < k; p += TILE_DEPTH, to += STEP_NUMBERS) {
            __m512i row = _mm512_setzero_si512();
            if (i < lines)
                row = _mm512_maskz_loadu_epi16(first_of_32(k - p), x + i * ld + p);
            _mm512_store_si512(to, row);
        }
    }
}

static inline void
strip_pairs_along(bf16 *out, const bf16 *x, int64_t ld, int64_t lines, int64_t k)
{
    for (int64_t p = 0; p < k; p += TILE_DEPTH)
        for (int64_t first = 0; first < STRIP; first += TILE_SIDE) {
            __m512i r[16];
            load_lines(r, x, ld, first, lines, p, k);
            transpose16((__m512 *)r);
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++, out += 32)
                _mm512_store_si512(out, r[i]);
        }
}

static inline void
strip_pairs_across(bf16 *out, const bf16 *x, int64_t ld, int64_t lines, int64_t k)
{
    const __mmask32 in = first_of_32(lines);
    /* 64-bit pieces of the two unpacked halves, in the order of lines */
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    for (int64_t p = 0; p < k; p += TILE_DEPTH, out += STEP_NUMBERS)
        for (int i = 0; i < 16; i++) {
            __m512i even = load_across(x, ld, in, p + 2 * i, k);
            __m512i odd = load_across(x, ld, in, p + 2 * i + 1, k);
            __m512i a = _mm512_unpacklo_epi16(even, odd), b = _mm512_unpackhi_epi16(even, odd);
            _mm512_store_si512(out + 32 * i, _mm512_permutex2var_epi64(a, low, b));
            _mm512_store_si512(out + 512 + 32 * i, _mm512_permutex2var_epi64(a, high, b));
        }
}

/*
 * Unpacking within quarters leaves lines 0-3, 8-11, 16-19, 24-27 in one half and the
 * others in the other: transposed, they are rows, which can be stored anywhere.
 */
static inline void
store_rows_of_half(bf16 *out, const __m512i r[16], int half)
{
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        _mm512_store_si512(out + (i / 4 * 8 + i % 4 + 4 * half) * TILE_DEPTH, r[i]);
}

static inline void
strip_rows_across(bf16 *out, const bf16 *x, int64_t ld, int64_t lines, int64_t k)
{
    const __mmask32 in = first_of_32(lines);
    for (int64_t p = 0; p < k; p += TILE_DEPTH, out += STEP_NUMBERS) {
        __m512i a[16], b[16];
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            __m512i even = load_across(x, ld, in, p + 2 * i, k);
            __m512i odd = load_across(x, ld, in, p + 2 * i + 1, k);
            a[i] = _mm512_unpacklo_epi16(even, odd);
            b[i] = _mm512_unpackhi_epi16(even, odd);
        }
        transpose16((__m512 *)a);
        store_rows_of_half(out, a, 0);
        transpose16((__m512 *)b);
        store_rows_of_half(out, b, 1);
    }
}

/* Sixteen FP32 numbers each, rounded to nearest even: 32 BF16, x's first. */
static inline __m512i
round32(__m512 x, __m512 y)
{
    return (__m512i)_mm512_cvtne2ps_pbh(y, x);
}

#endif
