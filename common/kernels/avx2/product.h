#ifndef KERNELS_AVX2_PRODUCT_H
#define KERNELS_AVX2_PRODUCT_H

#include "kernels/avx2/avx2.h"
#include "kernels/product.h"

/*
 * Matrix products for AVX2. A tile of C is at most TILE_ROWS x TILE_COLUMNS: 12 of the 16
 * registers hold sums (the tile of BLIS for Haswell). A panel of B is 16 KiB of L1's 32.
 */
enum {
    TILE_ROWS = 6,
    TILE_COLUMNS = 16,
    PANEL_ROWS = 8, /* a panel of A is padded to whole registers */
    PRODUCT_DEPTH = SGEMM_DEPTH,
    PRODUCT_ROWS = 512,
    PRODUCT_COLUMNS = 768,
    PRODUCT_PANELS = (PRODUCT_ROWS + TILE_ROWS - 1) / TILE_ROWS
};

/* What a thread needs for them; taken at its first product, released at its end. */
struct product_scratch {
    float b[PRODUCT_DEPTH * TILE_COLUMNS];
    float tile[TILE_ROWS * TILE_COLUMNS];
    float a[PRODUCT_PANELS * PANEL_ROWS * PRODUCT_DEPTH];
    float sum[PRODUCT_ROWS * PRODUCT_COLUMNS]; /* of a C that is not FP32 */
};
static inline struct product_scratch *
product_scratch(void)
{
    return kernel_scratch(sizeof(struct product_scratch));
}

/* On tiles of TILE_ROWS x TILE_COLUMNS. */
void avx2_product_tile(const struct product_tile *t);

#endif
