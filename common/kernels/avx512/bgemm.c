#include "kernels/avx512/avx512.h"

#include <immintrin.h>

typedef bf16 elem;

static inline __m512
load16(const elem *p, __mmask16 in)
{
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(in, p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

#include "kernels/avx512/product.inc"

void
avx512_bgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const bf16 *a, int64_t lda,
             const bf16 *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    product(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
}
