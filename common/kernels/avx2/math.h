#ifndef KERNELS_AVX2_MATH_H
#define KERNELS_AVX2_MATH_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

/* Vectors of eight floats: loops with short ends, sums, and functions. */

/*
 * Runs the block that follows for i = 0, 8, 16 … below n. `left` is the constant 8 in the
 * loop over whole vectors and what remains in a last, shorter round: the functions
 * below that take it then are plain loads and stores in the loop.
 */
#define VECTORS(i, left, n, ...)        \
    do {                                \
        int64_t i = 0;                  \
        for (; i + 8 <= (n); i += 8) {  \
            enum { left = 8 };          \
            __VA_ARGS__                 \
        }                               \
        if (i < (n)) {                  \
            const int64_t left = (n)-i; \
            __VA_ARGS__                 \
        }                               \
    } while (0)

static inline __m256
float_at(const float *p, int64_t left)
{
    if (left >= 8)
        return _mm256_loadu_ps(p);
    float part[8] = {0};
    memcpy(part, p, (size_t)left * sizeof *p);
    return _mm256_loadu_ps(part);
}

static inline void
float_store_at(float *p, int64_t left, __m256 x)
{
    if (left >= 8) {
        _mm256_storeu_ps(p, x);
        return;
    }
    float part[8];
    _mm256_storeu_ps(part, x);
    memcpy(p, part, (size_t)left * sizeof *p);
}

/* x in the first `left` lanes, `other` in the rest. */
static inline __m256
first_lanes(__m256 x, int64_t left, float other)
{
    if (left >= 8)
        return x;
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i in = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)left), lane);
    return _mm256_blendv_ps(_mm256_set1_ps(other), x, _mm256_castsi256_ps(in));
}

/* The sum of the lanes in double, lane 0 to 7. */
static inline double
lanes_sum(__m256 x)
{
    float lane[8];
    double sum = 0;
    _mm256_storeu_ps(lane, x);
    for (int i = 0; i < 8; i++)
        sum += (double)lane[i];
    return sum;
}

/* Their maximum; lanes that are NaN are passed over. */
static inline float
lanes_max(__m256 x)
{
    float lane[8];
    _mm256_storeu_ps(lane, x);
    float max = lane[0];
    for (int i = 1; i < 8; i++)
        max = lane[i] > max || max != max ? lane[i] : max;
    return max;
}

/*
 * e^x: x = n log 2 + r; e^r is 1 + r + r^2 q(r) with our own minimax q, r from log 2 in two
 * parts (as Cephes' expf, Moshier). Within 1 ulp from -87 to 88.3; 0 below, the value at 88.3
 * above.
 */
static inline __m256
exp8(__m256 x)
{
    /* Adding 1.5 2^23 rounds to an integer and leaves it in the low bits. */
    const __m256 magic = _mm256_set1_ps(0x1.8p23f);
    /* The second operand is the one that passes a NaN on; so does "not less than". */
    x = _mm256_min_ps(_mm256_set1_ps(88.3f), x);
    __m256 normal = _mm256_cmp_ps(x, _mm256_set1_ps(-87.0f), _CMP_NLT_UQ);
    __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(1.44269504088896341f), magic);
    __m256 n = _mm256_sub_ps(shifted, magic);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 p = _mm256_set1_ps(0.0013814432313665748f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.008368796668946743f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.041668396443128586f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.1666651964187622f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.4999999403953552f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    p = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
    return _mm256_and_ps(p, normal);
}

static inline __m256
sigmoid8(__m256 x)
{
    const __m256 one = _mm256_set1_ps(1.0f), sign = _mm256_set1_ps(-0.0f);
    return _mm256_div_ps(one, _mm256_add_ps(one, exp8(_mm256_xor_ps(x, sign))));
}

/*
 * The normal distribution function and, in *density, its derivative. The tail is
 * e^(-a^2/2) t q(t), t = 1/(1 + a/2), a = |x|: q is our own fit (relative error 6e-8 for a <= 14).
 */
static inline __m256
normal8(__m256 x, __m256 *density)
{
    const __m256 one = _mm256_set1_ps(1.0f), half = _mm256_set1_ps(0.5f);
    __m256 a = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
    __m256 e = exp8(_mm256_mul_ps(_mm256_mul_ps(a, a), _mm256_set1_ps(-0.5f)));
    __m256 t = _mm256_div_ps(one, _mm256_fmadd_ps(a, half, one));
    __m256 q = _mm256_set1_ps(-0.02597678266465664f);
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(0.1948043406009674f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(-0.5959259867668152f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(0.9364705681800842f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(-0.7325150966644287f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(0.1727144718170166f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(-0.005401900969445705f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(0.15748940408229828f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(0.19884918630123138f));
    q = _mm256_fmadd_ps(q, t, _mm256_set1_ps(0.19949181377887726f));
    __m256 tail = _mm256_mul_ps(_mm256_mul_ps(q, t), e);
    *density = _mm256_mul_ps(e, _mm256_set1_ps(0.39894228040143267794f));
    /* The sign bit of x chooses between the tail and the rest. */
    return _mm256_blendv_ps(_mm256_sub_ps(one, tail), tail, x);
}

#endif
