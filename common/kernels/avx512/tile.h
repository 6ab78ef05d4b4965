#ifndef KERNELS_AVX512_TILE_H
#define KERNELS_AVX512_TILE_H

#include <immintrin.h>
#include <stdint.h>

/*
 * Products of small FP32 matrices that lie in the L1 and L2 caches, for attention:
 * TILE_HIGH rows by up to three vectors of C in registers. An element is one FMA chain over
 * depth, begun with C's value. For 24 FMAs there are 3 vector loads and 8 broadcasts.
 */
enum { TILE_HIGH = 8, TILE_VECTORS = 3 };

struct tile {
    float *c;
    int64_t ldc;
    const float *a; /* element (r, p) at a + r row + p step */
    int64_t row, step;
    const float *b; /* row p at b + p ldb */
    int64_t ldb;
    int64_t depth;
};

#define TILE_INLINE static inline __attribute__((always_inline))

TILE_INLINE void
tile_clear(__m512 sum[TILE_HIGH][TILE_VECTORS], int vectors)
{
#pragma GCC unroll 8
    for (int r = 0; r < TILE_HIGH; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            sum[r][v] = _mm512_setzero_ps();
}

TILE_INLINE void
tile_load(__m512 sum[TILE_HIGH][TILE_VECTORS], const struct tile *t, int vectors)
{
#pragma GCC unroll 8
    for (int r = 0; r < TILE_HIGH; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            sum[r][v] = _mm512_loadu_ps(t->c + r * t->ldc + 16 * v);
}

TILE_INLINE void
tile_scale(__m512 sum[TILE_HIGH][TILE_VECTORS], const float *factor, int vectors)
{
#pragma GCC unroll 3
    for (int v = 0; v < vectors; v++) {
        __m512 f = _mm512_loadu_ps(factor + 16 * v);
#pragma GCC unroll 8
        for (int r = 0; r < TILE_HIGH; r++)
            sum[r][v] = _mm512_mul_ps(sum[r][v], f);
    }
}

TILE_INLINE void
tile_store(__m512 sum[TILE_HIGH][TILE_VECTORS], const struct tile *t, int vectors)
{
#pragma GCC unroll 8
    for (int r = 0; r < TILE_HIGH; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(t->c + r * t->ldc + 16 * v, sum[r][v]);
}

TILE_INLINE void
tile_add(__m512 sum[TILE_HIGH][TILE_VECTORS], const struct tile *t, int vectors)
{
    const float *a = t->a, *b = t->b;
    for (int64_t p = 0; p < t->depth; p++, a += t->step, b += t->ldb) {
        __m512 x[TILE_VECTORS];
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            x[v] = _mm512_loadu_ps(b + 16 * v);
#pragma GCC unroll 8
        for (int r = 0; r < TILE_HIGH; r++) {
            __m512 y = _mm512_set1_ps(a[r * t->row]);
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++)
                sum[r][v] = _mm512_fmadd_ps(y, x[v], sum[r][v]);
        }
    }
}

/* Calls `work` with the number of vectors as a constant, so that the sums stay in registers. */
#define TILE_SWITCH(vectors, work, ...)       \
    do {                                      \
        switch (vectors) {                    \
        case 1: work(__VA_ARGS__, 1); break;  \
        case 2: work(__VA_ARGS__, 2); break;  \
        default: work(__VA_ARGS__, 3); break; \
        }                                     \
    } while (0)

#endif
