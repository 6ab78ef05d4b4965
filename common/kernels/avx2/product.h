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
    PRODUCT_DEPTH = SGEMM_DEPTH
};

/* On tiles of TILE_ROWS x TILE_COLUMNS. */
void avx2_product_tile(const struct product_tile *t);

#endif
