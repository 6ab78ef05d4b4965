/*
 * One tile of a product: 12 FMAs on 2 vector loads and 6 broadcasts a step of k. What comes
 * next is asked for on the way, a few cache lines every STRIDE steps.
 */
#include "kernels/avx2/product.h"

#include <immintrin.h>

enum { STRIDE = 8, A_AHEAD = 32 * PANEL_ROWS };

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS void
ahead_step(struct ahead *h)
{
    for (int i = 0; i < h->each; i++) {
        _mm_prefetch(h->at, _MM_HINT_T1);
        h->at += 64;
        if (++h->line < h->lines)
            continue;
        h->line = 0;
        h->at += h->skip;
        if (--h->rows == 0)
            h->each = 0;
    }
}

ALWAYS void
tile_step(__m256 sum[TILE_ROWS][2], const float *a, const float *b, int rows)
{
    __m256 b0 = _mm256_load_ps(b), b1 = _mm256_load_ps(b + 8);
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        __m256 x = _mm256_broadcast_ss(a + i);
        sum[i][0] = _mm256_fmadd_ps(x, b0, sum[i][0]);
        sum[i][1] = _mm256_fmadd_ps(x, b1, sum[i][1]);
    }
}

/* The lanes below n: all bits set. */
static inline __m256i
first_of_8(int64_t n)
{
    int lanes = n > 8 ? 8 : n < 0 ? 0 : (int)n;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

ALWAYS void
tile_store(const struct product_tile *t, __m256 sum[TILE_ROWS][2], int rows)
{
    __m256 scale = _mm256_set1_ps(t->scale);
    const float *in = t->in;
    float *out = t->out;
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++, out += t->ld_out) {
        __m256 x0 = sum[i][0], x1 = sum[i][1];
        if (in) {
            x0 = _mm256_add_ps(_mm256_loadu_ps(in), x0);
            x1 = _mm256_add_ps(_mm256_loadu_ps(in + 8), x1);
            in += t->ld_in;
        }
        _mm256_storeu_ps(out, _mm256_mul_ps(x0, scale));
        _mm256_storeu_ps(out + 8, _mm256_mul_ps(x1, scale));
    }
}

/* The same at C's right edge. */
ALWAYS void
tile_store_part(const struct product_tile *t, __m256 sum[TILE_ROWS][2], int rows)
{
    __m256 scale = _mm256_set1_ps(t->scale);
    for (int half = 0; half < 2; half++) {
        __m256i lanes = first_of_8(t->columns - 8 * half);
        for (int i = 0; i < rows; i++) {
            __m256 x = sum[i][half];
            if (t->in)
                x = _mm256_add_ps(_mm256_maskload_ps(t->in + i * t->ld_in + 8 * half, lanes), x);
            _mm256_maskstore_ps(t->out + i * t->ld_out + 8 * half, lanes,
                                _mm256_mul_ps(x, scale));
        }
    }
}

/* `rows` is a constant, so that the sums stay in registers. */
ALWAYS void
tile_run(const struct product_tile *t, int rows)
{
    __m256 sum[TILE_ROWS][2];
    const float *a = t->a, *b = t->b;
    const char *c = (const char *)(t->in ? t->in : t->out);
    int64_t c_row = 4 * (t->in ? t->ld_in : t->ld_out);
    int64_t p = 0;
    int c_rows = rows;
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm256_setzero_ps();
    for (; p + STRIDE <= t->depth; p += STRIDE) {
        if (c_rows > 0) { /* what the end needs */
            _mm_prefetch(c, _MM_HINT_T0);
            _mm_prefetch(c + 63, _MM_HINT_T0);
            c += c_row;
            c_rows--;
        }
        ahead_step(t->ahead);
#pragma GCC unroll 4
        for (int i = 0; i < STRIDE; i += 2)
            _mm_prefetch((const char *)(a + A_AHEAD + i * PANEL_ROWS), _MM_HINT_T0);
#pragma GCC unroll 8
        for (int i = 0; i < STRIDE; i++, a += PANEL_ROWS, b += TILE_COLUMNS)
            tile_step(sum, a, b, rows);
    }
    for (; p < t->depth; p++, a += PANEL_ROWS, b += TILE_COLUMNS)
        tile_step(sum, a, b, rows);
    if (t->columns >= TILE_COLUMNS)
        tile_store(t, sum, rows);
    else
        tile_store_part(t, sum, rows);
}

void
avx2_product_tile(const struct product_tile *t)
{
    switch (t->rows) {
    case 1: tile_run(t, 1); break;
    case 2: tile_run(t, 2); break;
    case 3: tile_run(t, 3); break;
    case 4: tile_run(t, 4); break;
    case 5: tile_run(t, 5); break;
    default: tile_run(t, 6); break;
    }
}
