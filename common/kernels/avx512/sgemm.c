#include "kernels/avx512/product.h"

#include <immintrin.h>

typedef float elem;

static inline __m512
load16(const elem *p, __mmask16 in)
{
    return _mm512_maskz_loadu_ps(in, p);
}

static inline void
store16(elem *p, __mmask16 in, __m512 x)
{
    _mm512_mask_storeu_ps(p, in, x);
}

#include "kernels/avx512/pack.inc"

#define PRODUCT_TILE avx512_product_tile
#include "kernels/product.inc"

void
avx512_gemm_fp32(const struct gemm *g)
{
    product(g);
}
