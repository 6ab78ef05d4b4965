#ifndef KERNELS_AVX512_AVX512_H
#define KERNELS_AVX512_AVX512_H

#include "kernels/kernels.h"
#include "kernels/scratch.h"

/*
 * Kernels for AVX-512 (F, BW, DQ, VL: Intel from Skylake-SP, AMD from Zen 4 on). Matrix
 * products are our own (product.h): an element is a sum over blocks of PRODUCT_DEPTH of k, each
 * one FMA chain, whatever the shape around it. What memory bounds is AVX2's source, compiled
 * for AVX-512.
 */

/* Override entries of *o, which avx2/ has filled. */
void avx512_fp32(struct ops *o);
void avx512_bf16(struct ops *o);

double avx512_peak(enum precision p, double seconds);

enum { PRODUCT_DEPTH = 256 };

/* struct ops.gemm for any shape: operands (and C, unless c_wide) in FP32, in BF16. */
void avx512_gemm_fp32(const struct gemm *g);
void avx512_gemm_bf16(const struct gemm *g);

#endif
