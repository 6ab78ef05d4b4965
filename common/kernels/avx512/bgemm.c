#include "kernels/avx512/product.h"

#include <immintrin.h>

#include "base/float16.h"

typedef bf16 elem;

static inline __m512
load16(const elem *p, __mmask16 in)
{
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(in, p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/* Round to nearest, ties to even; a NaN becomes the one with all bits set. */
static inline void
store16(elem *p, __mmask16 in, __m512 x)
{
    __m512i u = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    __m512i high = _mm512_srli_epi32(_mm512_mask_set1_epi32(sum, nan, -1), 16);
    _mm256_mask_storeu_epi16(p, in, _mm512_cvtepi32_epi16(high));
}

#include "kernels/avx512/pack.inc"

#define PRODUCT_TILE avx512_product_tile
#include "kernels/product.inc"

void
avx512_gemm_bf16(const struct gemm *g)
{
    product(g);
}
