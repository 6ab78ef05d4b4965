#ifndef KERNELS_AVX512_VEC_H
#define KERNELS_AVX512_VEC_H

#include "kernels/avx512/lanes.h"
#include "kernels/each.h"

/* The vectors of avx2/vec.h, of sixteen floats. */
typedef __m512 vec;
enum { VEC_LANES = 16 };

#define EACH(i, left, n, ...) EACH_OF(16, i, left, n, __VA_ARGS__)

static inline vec
vec_at(const float *p, int64_t left)
{
    return load_float16(p, first_lanes16(left));
}

static inline void
vec_put(float *p, int64_t left, vec x)
{
    store_float16(p, first_lanes16(left), x);
}

static inline vec
vec_set(float x)
{
    return _mm512_set1_ps(x);
}

static inline vec
vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vec
vec_fnma(vec a, vec b, vec c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

static inline vec
vec_fms(vec a, vec b, vec c)
{
    return _mm512_fmsub_ps(a, b, c);
}

static inline vec
vec_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

static inline vec
vec_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

static inline vec
vec_abs(vec x)
{
    return _mm512_abs_ps(x);
}

static inline vec
vec_by_sign(vec x, vec a, vec b)
{
    return _mm512_mask_mov_ps(b, _mm512_movepi32_mask(_mm512_castps_si512(x)), a);
}

/* A step of Newton's method from 14 bits; a division takes 16 cycles. Not for 0 and infinity. */
static inline vec
vec_inverse(vec x)
{
    vec y = _mm512_rcp14_ps(x);
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(x, y, _mm512_set1_ps(1.0f)), y, y);
}

static inline vec
vec_first(vec x, int64_t left, float other)
{
    return left >= 16 ? x : _mm512_mask_mov_ps(_mm512_set1_ps(other), first_lanes16(left), x);
}

static inline double
vec_sum(vec x)
{
    __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    return _mm512_reduce_add_pd(_mm512_add_pd(low, _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1))));
}

/* As lanes_max, NaN is passed over. */
static inline float
vec_most(vec x)
{
    __mmask16 number = _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q);
    return number ? _mm512_mask_reduce_max_ps(number, x) : _mm512_cvtss_f32(x);
}

static inline vec
vec_scale(vec p, vec shifted, vec n, vec x, float least)
{
    (void)shifted;
    return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(least), _CMP_NLT_UQ), p, n);
}

#include "kernels/avx2/functions.inc"

#endif
