/* Tile products in registers: what MFU is measured against in BF16. */
#include "kernels/amx/amx.h"

#include "kernels/amx/tile.h"
#include "kernels/avx512/avx512.h"
#include "kernels/peak.h"

enum { CHAINS = 6, ROUNDS = 5000 };

/*
 * CHAINS independent sums: a product takes the unit 16 cycles, its result about 52. Zeros, so
 * that no round differs from another.
 */
static float
chains(float start)
{
    tile_begin();
    for (int i = 0; i < ROUNDS; i++) {
        tile_dot(0, 6, 7);
        tile_dot(1, 6, 7);
        tile_dot(2, 6, 7);
        tile_dot(3, 6, 7);
        tile_dot(4, 6, 7);
        tile_dot(5, 6, 7);
    }
    tile_end();
    return start;
}

double
amx_peak(enum precision p, double seconds)
{
    if (p != PRECISION_BF16)
        return avx512_peak(p, seconds);
    const double flops = 2.0 * TILE_SIDE * TILE_SIDE * TILE_DEPTH;
    return peak_rate(chains, flops * CHAINS * ROUNDS, seconds);
}
