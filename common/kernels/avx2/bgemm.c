#include "kernels/avx2/product.h"

#include "kernels/avx2/bf16_lanes.h"

typedef act elem;

#include "kernels/avx2/pack.inc"

#define PRODUCT_TILE avx2_product_tile
#include "kernels/product.inc"

void
avx2_gemm_bf16(const struct gemm *g)
{
    product(g);
}
