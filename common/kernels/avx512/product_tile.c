/*
 * One tile of a product: 28 FMAs on 2 vector loads and 14 broadcasts a step of k. What comes
 * next is asked for on the way, a few cache lines every STRIDE steps.
 */
#include "kernels/avx512/product.h"

#include <immintrin.h>

enum { STRIDE = 8, A_AHEAD = 16 * PANEL_ROWS };

#define ALWAYS static inline __attribute__((always_inline))

static inline __mmask16
first_of_16(int64_t n)
{
    return n >= 16 ? 0xFFFF : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

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
tile_step(__m512 sum[TILE_ROWS][2], const float *a, const float *b, int rows)
{
    __m512 b0 = _mm512_load_ps(b), b1 = _mm512_load_ps(b + 16);
    _mm_prefetch((const char *)(a + A_AHEAD), _MM_HINT_T0);
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        __m512 x = _mm512_set1_ps(a[i]);
        sum[i][0] = _mm512_fmadd_ps(x, b0, sum[i][0]);
        sum[i][1] = _mm512_fmadd_ps(x, b1, sum[i][1]);
    }
}

ALWAYS void
tile_store(const struct product_tile *t, __m512 sum[TILE_ROWS][2], int rows)
{
    __mmask16 m0 = first_of_16(t->columns), m1 = first_of_16(t->columns - 16);
    __m512 scale = _mm512_set1_ps(t->scale);
    const float *in = t->in;
    float *out = t->out;
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++, out += t->ld_out) {
        __m512 x0 = sum[i][0], x1 = sum[i][1];
        if (in) {
            x0 = _mm512_add_ps(_mm512_maskz_loadu_ps(m0, in), x0);
            x1 = _mm512_add_ps(_mm512_maskz_loadu_ps(m1, in + 16), x1);
            in += t->ld_in;
        }
        _mm512_mask_storeu_ps(out, m0, _mm512_mul_ps(x0, scale));
        _mm512_mask_storeu_ps(out + 16, m1, _mm512_mul_ps(x1, scale));
    }
}

/* `rows` is a constant, so that the sums stay in registers. */
ALWAYS void
tile_run(const struct product_tile *t, int rows)
{
    __m512 sum[TILE_ROWS][2];
    const float *a = t->a, *b = t->b;
    const char *c = (const char *)(t->in ? t->in : t->out);
    int64_t c_row = 4 * (t->in ? t->ld_in : t->ld_out) - 64;
    int64_t p = 0;
    int c_rows = rows;
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (; p + STRIDE <= t->depth; p += STRIDE) {
        if (c_rows > 0) { /* what the end needs */
            _mm_prefetch(c, _MM_HINT_T0);
            if (p / STRIDE % 2 == 0) {
                c += 64;
            } else {
                c += c_row;
                c_rows--;
            }
        }
        ahead_step(t->ahead);
#pragma GCC unroll 8
        for (int i = 0; i < STRIDE; i++, a += PANEL_ROWS, b += TILE_COLUMNS)
            tile_step(sum, a, b, rows);
    }
    for (; p < t->depth; p++, a += PANEL_ROWS, b += TILE_COLUMNS)
        tile_step(sum, a, b, rows);
    tile_store(t, sum, rows);
}

void
avx512_product_tile(const struct product_tile *t)
{
    switch (t->rows) {
    case 1: tile_run(t, 1); break;
    case 2: tile_run(t, 2); break;
    case 3: tile_run(t, 3); break;
    case 4: tile_run(t, 4); break;
    case 5: tile_run(t, 5); break;
    case 6: tile_run(t, 6); break;
    case 7: tile_run(t, 7); break;
    case 8: tile_run(t, 8); break;
    case 9: tile_run(t, 9); break;
    case 10: tile_run(t, 10); break;
    case 11: tile_run(t, 11); break;
    case 12: tile_run(t, 12); break;
    case 13: tile_run(t, 13); break;
    default: tile_run(t, 14); break;
    }
}
