#ifndef KERNELS_AVX512_TRANSPOSE_H
#define KERNELS_AVX512_TRANSPOSE_H

#include <immintrin.h>
#include <string.h>

/* Rows become columns, of numbers of 32 bits whatever they mean. */
static inline __attribute__((always_inline)) void
transpose16(__m512 r[16])
{
    __m512 t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        for (int j = 0; j < 2; j++) {
            __m512d low = _mm512_castps_pd(t[i + j]), high = _mm512_castps_pd(t[i + j + 2]);
            r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
    /* r[4i + j] has, in its quarter q, rows 4i … 4i + 3 of column 4q + j */
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        __m512 even_a = _mm512_shuffle_f32x4(r[j], r[4 + j], 0x88);
        __m512 even_b = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0x88);
        __m512 odd_a = _mm512_shuffle_f32x4(r[j], r[4 + j], 0xDD);
        __m512 odd_b = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0xDD);
        t[j] = _mm512_shuffle_f32x4(even_a, even_b, 0x88);
        t[4 + j] = _mm512_shuffle_f32x4(odd_a, odd_b, 0x88);
        t[8 + j] = _mm512_shuffle_f32x4(even_a, even_b, 0xDD);
        t[12 + j] = _mm512_shuffle_f32x4(odd_a, odd_b, 0xDD);
    }
    memcpy(r, t, sizeof t);
}

#endif
