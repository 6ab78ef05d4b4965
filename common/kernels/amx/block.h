#ifndef KERNELS_AMX_BLOCK_H
#define KERNELS_AMX_BLOCK_H

#include <stdbool.h>

#include "kernels/amx/pack.h"

/*
 * 32 x 32 sums: four tiles, 0 and 1 above 2 and 3, in memory one after the other. Step by step:
 * four tiles loaded (4 and 5 of A, 6 and 7 of B), four tile products.
 */
enum { BLOCK_NUMBERS = STRIP * STRIP, TILE_NUMBERS = TILE_SIDE * TILE_SIDE };

/* Row `row` of the block's columns 16 half … 16 half + 15. */
static inline float *
block_row(float *block, int64_t row, int half)
{
    return block + (row / TILE_SIDE * 2 + half) * TILE_NUMBERS + row % TILE_SIDE * TILE_SIDE;
}

/* Begins the sums of the block at 0, or goes on with those in memory. */
static inline void
block_begin(const float *sum, bool add)
{
    if (add) {
        tile_load(0, sum);
        tile_load(1, sum + TILE_NUMBERS);
        tile_load(2, sum + 2 * TILE_NUMBERS);
        tile_load(3, sum + 3 * TILE_NUMBERS);
    } else {
        tile_zero(0);
        tile_zero(1);
        tile_zero(2);
        tile_zero(3);
    }
}

static inline void
block_step(const bf16 *a, const bf16 *b)
{
    tile_load(6, b);
    tile_load(4, a);
    tile_dot(0, 4, 6);
    tile_load(7, b + STEP_NUMBERS / 2);
    tile_dot(1, 4, 7);
    tile_load(5, a + STEP_NUMBERS / 2);
    tile_dot(2, 5, 6);
    tile_dot(3, 5, 7);
}

static inline void
block_end(float *sum)
{
    tile_store(sum, 0);
    tile_store(sum + TILE_NUMBERS, 1);
    tile_store(sum + 2 * TILE_NUMBERS, 2);
    tile_store(sum + 3 * TILE_NUMBERS, 3);
}

/* sum = a b (+ sum) over `steps` steps of both strips. */
static inline void
block_multiply(float *sum, const bf16 *a, const bf16 *b, int64_t steps, bool add)
{
    block_begin(sum, add);
    for (int64_t s = 0; s < steps; s++)
        block_step(a + s * STEP_NUMBERS, b + s * STEP_NUMBERS);
    block_end(sum);
}

#endif
