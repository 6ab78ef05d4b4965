#ifndef KERNELS_AVX2_MATH_H
#define KERNELS_AVX2_MATH_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/each.h"

/* Vectors of eight floats: loops with short ends, and sums. */

#define VECTORS(i, left, n, ...) EACH_OF(8, i, left, n, __VA_ARGS__)

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

#endif
