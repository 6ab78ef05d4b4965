/*
 * FP32 matrix product for machines without a (right) BLAS: operands packed into
 * panels, a 6 x 16 block of C in twelve registers (Goto and van de Geijn, "Anatomy of
 * high-performance matrix multiplication", 2008; the block is that of BLIS for Haswell).
 */
#include "kernels/avx2/avx2.h"

#include <immintrin.h>
#include <string.h>

#include "kernels/blas.h"

enum { TILE_ROWS = 6, TILE_COLUMNS = 16 };

static inline int64_t
at_most(int64_t n, int64_t limit)
{
    return n < limit ? n : limit;
}

/*
 * Panels of `width` lines of op(X): out[panel][depth][width], zero where lines end.
 * A line is a row of op(A) or a column of op(B); `along` steps in k, `across` between lines.
 */
static inline void
pack(float *out, const float *x, int64_t across, int64_t along, int64_t lines, int64_t depth,
     int width)
{
    for (int64_t first = 0; first < lines; first += width) {
        int count = (int)at_most(lines - first, width);
        const float *panel = x + first * across;
        for (int64_t p = 0; p < depth; p++, out += width) {
            int i = 0;
            for (; i < count; i++)
                out[i] = panel[i * across + p * along];
            for (; i < width; i++)
                out[i] = 0;
        }
    }
}

/* tile[6][16] = a b over `depth`, a [depth][6], b [depth][16]. */
static inline void
tile_product(__m256 tile[TILE_ROWS][2], int64_t depth, const float *a, const float *b)
{
    for (int i = 0; i < TILE_ROWS; i++)
        tile[i][0] = tile[i][1] = _mm256_setzero_ps();
    for (int64_t p = 0; p < depth; p++, a += TILE_ROWS, b += TILE_COLUMNS) {
        __m256 b0 = _mm256_load_ps(b), b1 = _mm256_load_ps(b + 8);
#pragma GCC unroll 6
        for (int i = 0; i < TILE_ROWS; i++) {
            __m256 x = _mm256_broadcast_ss(a + i);
            tile[i][0] = _mm256_fmadd_ps(x, b0, tile[i][0]);
            tile[i][1] = _mm256_fmadd_ps(x, b1, tile[i][1]);
        }
    }
}

static void
tile_run(int64_t depth, const float *a, const float *b, bool add, float *c, int64_t ldc, int rows,
         int columns)
{
    __m256 tile[TILE_ROWS][2];
    tile_product(tile, depth, a, b);
    if (rows == TILE_ROWS && columns == TILE_COLUMNS) {
#pragma GCC unroll 6
        for (int i = 0; i < TILE_ROWS; i++, c += ldc) {
            _mm256_storeu_ps(c, add ? _mm256_add_ps(_mm256_loadu_ps(c), tile[i][0]) : tile[i][0]);
            _mm256_storeu_ps(c + 8,
                             add ? _mm256_add_ps(_mm256_loadu_ps(c + 8), tile[i][1]) : tile[i][1]);
        }
        return;
    }
    float part[TILE_ROWS][TILE_COLUMNS];
    memcpy(part, tile, sizeof part);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            c[i * ldc + j] = add ? c[i * ldc + j] + part[i][j] : part[i][j];
}

static void
block_run(const struct avx2_scratch *s, int64_t rows, int64_t columns, int64_t depth, bool add,
          float *c, int64_t ldc)
{
    for (int64_t j = 0; j < columns; j += TILE_COLUMNS)
        for (int64_t i = 0; i < rows; i += TILE_ROWS)
            tile_run(depth, s->packed_a + i * depth, s->packed_b + j * depth, add, c + i * ldc + j,
                     ldc, (int)at_most(rows - i, TILE_ROWS),
                     (int)at_most(columns - j, TILE_COLUMNS));
}

static void
clear(float *c, int64_t ldc, int64_t m, int64_t n)
{
    for (int64_t i = 0; i < m; i++)
        memset(c + i * ldc, 0, (size_t)n * sizeof *c);
}

void
avx2_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
           const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    struct avx2_scratch *s = avx2_scratch();
    int64_t a_row = ta ? 1 : lda, a_k = ta ? lda : 1, b_column = tb ? ldb : 1, b_k = tb ? 1 : ldb;
    if (k <= 0 && beta == 0.0f)
        clear(c, ldc, m, n);
    for (int64_t j = 0; j < n; j += SGEMM_COLUMNS)
        for (int64_t p = 0; p < k; p += SGEMM_DEPTH) {
            int64_t columns = at_most(n - j, SGEMM_COLUMNS), depth = at_most(k - p, SGEMM_DEPTH);
            pack(s->packed_b, b + j * b_column + p * b_k, b_column, b_k, columns, depth,
                 TILE_COLUMNS);
            for (int64_t i = 0; i < m; i += SGEMM_ROWS) {
                int64_t rows = at_most(m - i, SGEMM_ROWS);
                pack(s->packed_a, a + i * a_row + p * a_k, a_row, a_k, rows, depth, TILE_ROWS);
                block_run(s, rows, columns, depth, p > 0 || beta != 0.0f, c + i * ldc + j, ldc);
            }
        }
}

void
avx2_multiply(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
              const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    if (blas_loaded())
        blas_sgemm(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
    else
        avx2_sgemm(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
}
