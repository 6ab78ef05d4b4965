#include "kernels/avx2/product.h"

#include <immintrin.h>

typedef float elem;

static inline __m256
load8(const elem *p)
{
    return _mm256_loadu_ps(p);
}

static inline void
store8(elem *p, __m256 x)
{
    _mm256_storeu_ps(p, x);
}

#include "kernels/avx2/pack.inc"

#define PRODUCT_TILE avx2_product_tile
#include "kernels/product.inc"

void
avx2_gemm_fp32(const struct gemm *g)
{
    product(g);
}

void
avx2_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
           const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    struct gemm g = {.ta = ta,
                     .tb = tb,
                     .m = m,
                     .n = n,
                     .k = k,
                     .a = a,
                     .lda = lda,
                     .b = b,
                     .ldb = ldb,
                     .c = c,
                     .ldc = ldc,
                     .c_wide = true,
                     .accumulate = beta != 0.0f};
    product(&g);
}
