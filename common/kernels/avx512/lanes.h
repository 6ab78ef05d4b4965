#ifndef KERNELS_AVX512_LANES_H
#define KERNELS_AVX512_LANES_H

#include <immintrin.h>
#include <stdint.h>

#include "base/float16.h"

/* Vectors of sixteen floats: parts of them, and powers of two. */

static inline __mmask16
first_lanes16(int64_t n)
{
    return n >= 16 ? 0xFFFF : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

/* A mask that the compiler sees to be full: plain loads and stores can be used. */
#define WHOLE16(in) (__builtin_constant_p(in) && (in) == 0xFFFF)

/* Lanes outside of `in` are not touched in memory, and loaded as 0. */
static inline __m512
load_float16(const float *p, __mmask16 in)
{
    if (WHOLE16(in))
        return _mm512_loadu_ps(p);
    return _mm512_maskz_loadu_ps(in, p);
}

static inline void
store_float16(float *p, __mmask16 in, __m512 x)
{
    if (WHOLE16(in)) {
        _mm512_storeu_ps(p, x);
        return;
    }
    _mm512_mask_storeu_ps(p, in, x);
}

static inline __m512
load_bf16(const bf16 *p, __mmask16 in)
{
    __m256i half = WHOLE16(in) ? _mm256_loadu_si256((const __m256i *)(const void *)p)
                               : _mm256_maskz_loadu_epi16(in, p);
    __m512i wide = _mm512_cvtepu16_epi32(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/* Round to nearest, ties to even; a NaN becomes the one with all bits set. */
static inline void
store_bf16(bf16 *p, __mmask16 in, __m512 x)
{
    __m512i u = _mm512_castps_si512(x), ones = _mm512_set1_epi32(-1);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
    sum = _mm512_mask_mov_epi32(sum, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), ones);
    __m256i half = _mm512_cvtepi32_epi16(_mm512_srli_epi32(sum, 16));
    if (WHOLE16(in))
        _mm256_storeu_si256((__m256i *)(void *)p, half);
    else
        _mm256_mask_storeu_epi16(p, in, half);
}

/*
 * 2^t in the lanes of `in`, 0 in the others and below 2^-126: 2^f of the fraction f = t - floor t
 * is 1 + f q(f) with our own minimax q (relative error 2e-9 before rounding). A NaN is passed on.
 */
static inline __m512
exp2_16(__m512 t, __mmask16 in)
{
    __mmask16 normal = _mm512_mask_cmp_ps_mask(in, t, _mm512_set1_ps(-126.0f), _CMP_NLT_UQ);
    __m512 f = _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_set1_ps(0.00021612916f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.0012467846f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.009675452f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.055485282f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.24022931f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.69314706f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
    return _mm512_maskz_scalef_ps(normal, p, t);
}

#endif
