#include "kernels/avx512/avx512.h"

#include <immintrin.h>

typedef float elem;

static inline __m512
load16(const elem *p, __mmask16 in)
{
    return _mm512_maskz_loadu_ps(in, p);
}

#include "kernels/avx512/product.inc"

void
avx512_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
             const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    product(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
}
