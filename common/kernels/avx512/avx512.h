#ifndef KERNELS_AVX512_AVX512_H
#define KERNELS_AVX512_AVX512_H

#include "base/float16.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"

/*
 * Kernels for AVX-512 (F, BW, DQ, VL: Intel from Skylake-SP, AMD from Zen 4 on). Matrix
 * products are our own (product.inc): an element is one FMA chain over k in blocks of
 * PRODUCT_DEPTH, whatever the shape around it. What memory bounds is AVX2's source, compiled
 * for AVX-512.
 */

/* Override entries of *o, which avx2/ has filled. */
void avx512_fp32(struct ops *o);
void avx512_bf16(struct ops *o);

double avx512_peak(enum precision p, double seconds);

/* As blas_sgemm, with beta 0 (C is not read) or 1. */
void avx512_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                  const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/* The same with operands in BF16. */
void avx512_bgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const bf16 *a, int64_t lda,
                  const bf16 *b, int64_t ldb, float beta, float *c, int64_t ldc);

/*
 * A tile of C is TILE_ROWS x TILE_COLUMNS: 28 of the 32 registers hold sums. A panel of B
 * [PRODUCT_DEPTH][TILE_COLUMNS] streams through the L1 cache, the packed blocks of A and B
 * stay in L2.
 */
enum {
    TILE_ROWS = 14,
    TILE_COLUMNS = 32,
    PANEL_ROWS = 16, /* a panel of A is padded to whole registers */
    PRODUCT_DEPTH = 384,
    PRODUCT_ROWS = 8 * TILE_ROWS,
    PRODUCT_COLUMNS = 768,
    SUM_ROWS = 512, /* a product whose C is not FP32 is summed in blocks of so many */
    SUM_COLUMNS = 768
};

/* What a thread needs for them; taken at its first product, released at its end. */
struct avx512_scratch {
    float a[PRODUCT_ROWS / TILE_ROWS * PANEL_ROWS * PRODUCT_DEPTH];
    float b[PRODUCT_DEPTH * PRODUCT_COLUMNS];
    float c[SUM_ROWS * SUM_COLUMNS];
};
static inline struct avx512_scratch *
avx512_scratch(void)
{
    return kernel_scratch(sizeof(struct avx512_scratch));
}

#endif
