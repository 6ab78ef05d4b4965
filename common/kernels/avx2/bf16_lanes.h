#ifndef KERNELS_AVX2_BF16_LANES_H
#define KERNELS_AVX2_BF16_LANES_H

#include <immintrin.h>

#include "base/float16.h"

/* Eight BF16 numbers to and from FP32. */
typedef bf16 act;

static inline __m256
load8(const act *p)
{
    __m128i half = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/* Round to nearest, ties to even; a NaN becomes the one with all bits set. */
static inline void
store8(act *p, __m256 x)
{
    __m256i u = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    __m256i high = _mm256_srli_epi32(_mm256_or_si256(sum, nan), 16);
    __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(high),
                                      _mm256_extracti128_si256(high, 1));
    _mm_storeu_si128((__m128i *)(void *)p, packed);
}

#endif
