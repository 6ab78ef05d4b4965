#ifndef KERNELS_AVX2_AVX2_H
#define KERNELS_AVX2_AVX2_H

#include "kernels/kernels.h"
#include "kernels/scratch.h"

/*
 * Kernels for AVX2 and FMA (Intel from Haswell, AMD from Zen on). The operations
 * are .inc files over act with the names of those of ref/; fp32.c and bf16.c
 * compile them. Matrix products run on OpenBLAS when it is loaded, else on sgemm.c.
 */

/* Override entries of *o, which ref/ has filled. */
void avx2_fp32(struct ops *o);
void avx2_bf16(struct ops *o);

double avx2_peak(enum precision p, double seconds);

/*
 * As blas_sgemm, with beta 0 (C is not read) or 1: an element is one FMA chain over k in
 * blocks of SGEMM_DEPTH.
 */
void avx2_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/* The better of the two: BLAS when it is loaded. */
void avx2_multiply(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                   const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/* Block sizes of sgemm.c (packed) and of products whose operands are converted first. */
enum {
    SGEMM_ROWS = 192,
    SGEMM_COLUMNS = 768,
    SGEMM_DEPTH = 256,
    CONVERT_ROWS = 512,
    CONVERT_COLUMNS = 768,
    CONVERT_DEPTH = 384
};

/* What a thread needs for them; taken at its first product, released at its end. */
struct avx2_scratch {
    float packed_a[SGEMM_ROWS * SGEMM_DEPTH];
    float packed_b[SGEMM_DEPTH * SGEMM_COLUMNS];
    float a[CONVERT_ROWS * CONVERT_DEPTH];
    float b[CONVERT_DEPTH * CONVERT_COLUMNS];
    float c[CONVERT_ROWS * CONVERT_COLUMNS];
};
static inline struct avx2_scratch *
avx2_scratch(void)
{
    return kernel_scratch(sizeof(struct avx2_scratch));
}

#endif
