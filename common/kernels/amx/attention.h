#ifndef KERNELS_AMX_ATTENTION_H
#define KERNELS_AMX_ATTENTION_H

#include <float.h>
#include <math.h>

#include "kernels/amx/block.h"
#include "kernels/kernels.h"

/*
 * What both directions of attention share. Scores are kept transposed, S^T = K Q^T, a vector
 * for 16 queries and one key: maxima, sums and the constants of a query are vectors, nothing is
 * added across one. P^T and dS^T then are tiles of A as they come (rows: keys), and tiles of
 * B (pairs of keys) by one shuffle. The head's width and keys are padded by zeros to multiples
 * of 32, so every width runs here; 144 costs as much as 160.
 *
 * Operands of products are BF16: P and dS are rounded, each by at most 2^-8 of itself;
 * everything between the products is FP32.
 */

/* Bytes of backward's scratch. */
size_t amx_backward_scratch(int64_t keys, int64_t head_dim);

/* The next `bytes` of scratch; with no base they are only counted. */
static inline void *
carve(char *base, size_t *used, int64_t bytes)
{
    void *p = base ? base + *used : NULL;
    *used += ((size_t)bytes + 63) / 64 * 64;
    return p;
}

static inline int64_t
padded(int64_t n)
{
    return (n + STRIP - 1) / STRIP * STRIP;
}

/*
 * 2^t, 0 below -126 or so: 2^r on [0, 1) by our own minimax polynomial with p(0) = 1
 * (relative error 1.6e-7), times 2^floor(t). Lanes that are not in `in` give 0. NaN is passed on.
 */
static inline __m512
power2(__mmask16 in, __m512 t)
{
    __m512 r = _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_set1_ps(0.0018671301659196615f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.009017029777169228f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.05579991266131401f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.24016444385051727f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.6931512951850891f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_maskz_scalef_ps(in, p, t);
}

#define LOG2_E 1.44269504088896341

/* Two keys' numbers for 16 queries as a row of a tile of B: [16][2]. */
static inline __m512i
pair_up(__m512 first, __m512 second)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9,
                                           24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1,
                                           16, 0);
    return _mm512_permutexvar_epi16(order, round32(first, second));
}

/*
 * 32 queries' keys: query lane i sees low[i] <= key <= high[i]. Between all_from and all_to
 * every one of them (in each half) does, outside [any_from, any_to] none.
 */
struct sight {
    __m512i low[2], high[2];
    int64_t all_from[2], all_to[2], any_from, any_to;
};

/* Of queries [row, row + 32), those beyond the last see nothing. */
static inline struct sight
sight_of(const struct attention *a, int64_t row)
{
    struct sight s = {.any_from = INT64_MAX, .any_to = -1};
    for (int half = 0; half < 2; half++) {
        int32_t low[16], high[16];
        s.all_from[half] = 0;
        s.all_to[half] = INT64_MAX;
        for (int i = 0; i < 16; i++) {
            int64_t q = row + 16 * half + i;
            low[i] = q < a->queries ? a->first[q] : INT32_MAX;
            high[i] = q < a->queries ? (int32_t)at_most(a->q0 + q, a->keys - 1) : -1;
            s.all_from[half] = low[i] > s.all_from[half] ? low[i] : s.all_from[half];
            s.all_to[half] = at_most(high[i], s.all_to[half]);
            s.any_from = at_most(low[i], s.any_from);
            s.any_to = high[i] > s.any_to ? high[i] : s.any_to;
        }
        s.low[half] = _mm512_loadu_si512(low);
        s.high[half] = _mm512_loadu_si512(high);
    }
    return s;
}

/* Whether all 16 queries of a half see all of keys [key, key + count). */
static inline bool
sees_all(const struct sight *s, int half, int64_t key, int64_t count)
{
    return s->all_from[half] <= key && key + count - 1 <= s->all_to[half];
}

static inline __mmask16
sees(const struct sight *s, int half, int64_t key)
{
    const __m512i k = _mm512_set1_epi32((int)key);
    return _mm512_mask_cmple_epi32_mask(_mm512_cmple_epi32_mask(s->low[half], k), k, s->high[half]);
}

/* Packed forms of x [lines][width], strips one after the other. */
static inline void
pack_rows_along(bf16 *out, const bf16 *x, int64_t ld, int64_t lines, int64_t k)
{
    for (int64_t i = 0; i < lines; i += STRIP, out += steps_of(k) * STEP_NUMBERS)
        strip_rows_along(out, x + i * ld, ld, at_most(lines - i, STRIP), k);
}

static inline void
pack_pairs_along(bf16 *out, const bf16 *x, int64_t ld, int64_t lines, int64_t k)
{
    for (int64_t i = 0; i < lines; i += STRIP, out += steps_of(k) * STEP_NUMBERS)
        strip_pairs_along(out, x + i * ld, ld, at_most(lines - i, STRIP), k);
}

/* x is [k][lines] in memory. */
static inline void
pack_rows_across(bf16 *out, const bf16 *x, int64_t ld, int64_t lines, int64_t k)
{
    for (int64_t i = 0; i < lines; i += STRIP, out += steps_of(k) * STEP_NUMBERS)
        strip_rows_across(out, x + i, ld, at_most(lines - i, STRIP), k);
}

static inline void
pack_pairs_across(bf16 *out, const bf16 *x, int64_t ld, int64_t lines, int64_t k)
{
    for (int64_t i = 0; i < lines; i += STRIP, out += steps_of(k) * STEP_NUMBERS)
        strip_pairs_across(out, x + i, ld, at_most(lines - i, STRIP), k);
}

/* The first `left` of 32 numbers to element `at` of an array of results. */
static inline void
store_result(const struct attention *a, void *out, int64_t at, int64_t left, __m512 low,
             __m512 high)
{
    if (a->part) {
        _mm512_mask_storeu_ps((float *)out + at, first_of_16(left), low);
        _mm512_mask_storeu_ps((float *)out + at + 16, first_of_16(left - 16), high);
    } else {
        _mm512_mask_storeu_epi16((bf16 *)out + at, first_of_32(left), round32(low, high));
    }
}

/*
 * out[query][n] = the blocks' sums [n/32][width of a block row][32 of n][32 queries],
 * transposed, each query times its factor: `rows` queries of one strip, the first at element
 * `at` of out. Blocks are `stride` numbers apart.
 */
static inline void
store_transposed(const struct attention *a, void *out, int64_t at, int64_t ld, float *blocks,
                 int64_t stride, int64_t rows, const __m512 factor[2])
{
    const int64_t n = a->head_dim;
    for (int64_t j = 0; j < n; j += STRIP, blocks += stride)
        for (int half = 0; half < 2; half++) {
            __m512i x[16], y[16];
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++) {
                const float *low = block_row(blocks, i, half);
                const float *high = block_row(blocks, 16 + i, half);
                x[i] = _mm512_castps_si512(_mm512_mul_ps(_mm512_load_ps(low), factor[half]));
                y[i] = _mm512_castps_si512(_mm512_mul_ps(_mm512_load_ps(high), factor[half]));
            }
            transpose16((__m512 *)x);
            transpose16((__m512 *)y);
            for (int i = 0; i < 16 && 16 * half + i < rows; i++)
                store_result(a, out, at + (16 * half + i) * ld + j, n - j,
                             _mm512_castsi512_ps(x[i]), _mm512_castsi512_ps(y[i]));
        }
}

#endif
