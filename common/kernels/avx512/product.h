#ifndef KERNELS_AVX512_PRODUCT_H
#define KERNELS_AVX512_PRODUCT_H

#include <stdint.h>

#include "kernels/avx512/avx512.h"
#include "kernels/product.h"

/* Matrix products for AVX-512: their sizes and scratch. */

/*
 * A tile of C is at most TILE_ROWS x TILE_COLUMNS: 28 of the 32 registers hold sums. A panel of
 * B [PRODUCT_DEPTH][TILE_COLUMNS] stays in the L1 cache while the packed block of A streams
 * through it from L2, where the block of C is, too.
 */
enum {
    TILE_ROWS = 14,
    TILE_COLUMNS = 32,
    PANEL_ROWS = 16, /* a panel of A is padded to whole registers */
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
void avx512_product_tile(const struct product_tile *t);

#endif
