#ifndef KERNELS_BLAS_H
#define KERNELS_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * OpenBLAS's sgemm and dgemm, loaded at run time with the right core type: older builds take
 * new processors for old ones and run at a fraction of their speed, so
 * OPENBLAS_CORETYPE (AVX-512: SKYLAKEX, AVX2: HASWELL) and OPENBLAS_NUM_THREADS=1
 * are set, each only if unset, before the library is opened (DESIGN.md section 7).
 */

struct ops;

/* Loads it once, before any thread starts. false: not there (blas_describe says why). */
bool blas_load(void);
bool blas_loaded(void);

/* "OpenBLAS 0.3.21 SkylakeX", or why there is none. */
const char *blas_describe(void);

/* Stops using it: the self-check found wrong results. */
void blas_disable(const char *why);

/* C = alpha-less op(A) op(B) + beta C, row-major, one thread. Only when blas_loaded(). */
void blas_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/*
 * Overrides the FP32 product of *o, ref's table, by OpenBLAS's: for processors that have no
 * table of their own. Without OpenBLAS (any more) it is ref's again.
 */
void blas_fp32(struct ops *o);

#endif
