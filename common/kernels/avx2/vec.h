#ifndef KERNELS_AVX2_VEC_H
#define KERNELS_AVX2_VEC_H

#include "kernels/avx2/math.h"

/*
 * The vectors that elementwise operations are written in, here of eight floats; avx512/vec.h
 * has them of sixteen. Plain + - * / work on them.
 */
typedef __m256 vec;
enum { VEC_LANES = 8 };

/* The loop of kernels/each.h over vectors of VEC_LANES. */
#define EACH(i, left, n, ...) VECTORS(i, left, n, __VA_ARGS__)

static inline vec
vec_at(const float *p, int64_t left)
{
    return float_at(p, left);
}

static inline void
vec_put(float *p, int64_t left, vec x)
{
    float_store_at(p, left, x);
}

static inline vec
vec_set(float x)
{
    return _mm256_set1_ps(x);
}

/* a b + c, c - a b, a b - c. */
static inline vec
vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vec
vec_fnma(vec a, vec b, vec c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

static inline vec
vec_fms(vec a, vec b, vec c)
{
    return _mm256_fmsub_ps(a, b, c);
}

/* Of two numbers the second when one is NaN. */
static inline vec
vec_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

static inline vec
vec_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

static inline vec
vec_abs(vec x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

/* a where x is negative or -0, b elsewhere. */
static inline vec
vec_by_sign(vec x, vec a, vec b)
{
    return _mm256_blendv_ps(b, a, x);
}

/* 1/x. */
static inline vec
vec_inverse(vec x)
{
    return _mm256_div_ps(_mm256_set1_ps(1.0f), x);
}

static inline vec
vec_first(vec x, int64_t left, float other)
{
    return first_lanes(x, left, other);
}

static inline double
vec_sum(vec x)
{
    return lanes_sum(x);
}

static inline float
vec_most(vec x)
{
    return lanes_max(x);
}

/* p 2^n for an integer n, also in the low bits of `shifted`; 0 where x < least. */
static inline vec
vec_scale(vec p, vec shifted, vec n, vec x, float least)
{
    (void)n;
    __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    __m256 in = _mm256_cmp_ps(x, _mm256_set1_ps(least), _CMP_NLT_UQ);
    p = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
    return _mm256_and_ps(p, in);
}

#include "kernels/avx2/functions.inc"

#endif
