#ifndef KERNELS_AVX2_AVX2_H
#define KERNELS_AVX2_AVX2_H

#include "kernels/kernels.h"
#include "kernels/scratch.h"

/*
 * Kernels for AVX2 and FMA (Intel from Haswell, AMD from Zen on). The operations
 * are .inc files over act with the names of those of ref/; fp32.c and bf16.c
 * compile them. Matrix products are our own (product.h).
 */

/* Override entries of *o, which ref/ has filled. */
void avx2_fp32(struct ops *o);
void avx2_bf16(struct ops *o);

double avx2_peak(enum precision p, double seconds);

/*
 * struct ops.gemm for any shape: operands (and C, unless c_wide) in FP32, in BF16. An element is
 * a sum over blocks of SGEMM_DEPTH of k, each one FMA chain.
 */
enum { SGEMM_DEPTH = 256 };
void avx2_gemm_fp32(const struct gemm *g);
void avx2_gemm_bf16(const struct gemm *g);

/* C = op(A) op(B) + beta C in FP32, row-major: beta 0 (C is not read) or 1. */
void avx2_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

#endif
