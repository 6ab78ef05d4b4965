#ifndef KERNELS_AVX512_PRODUCT_H
#define KERNELS_AVX512_PRODUCT_H

#include <stdint.h>

#include "kernels/avx512/avx512.h"
#include "kernels/product.h"

/* Matrix products for AVX-512: their sizes. */

/*
 * A tile of C is at most TILE_ROWS x TILE_COLUMNS: 28 of the 32 registers hold sums. A panel of
 * B [PRODUCT_DEPTH][TILE_COLUMNS] stays in the L1 cache while the packed block of A streams
 * through it from L2, where the block of C is, too.
 */
enum {
    TILE_ROWS = 14,
    TILE_COLUMNS = 32,
    PANEL_ROWS = 16 /* a panel of A is padded to whole registers */
};

/* On tiles of TILE_ROWS x TILE_COLUMNS. */
void avx512_product_tile(const struct product_tile *t);

#endif
