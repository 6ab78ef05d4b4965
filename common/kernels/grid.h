#ifndef KERNELS_GRID_H
#define KERNELS_GRID_H

#include "base/threads.h"
#include "kernels/kernels.h"

/*
 * Cutting work into cells by shape alone, and running the cells on a pool.
 */

/*
 * Rows and columns of a GEMM's cells: a function of the full shape and transposes. K is never
 * cut.
 */
void gemm_grid(const struct gemm *g, int64_t *cell_m, int64_t *cell_n);

/* The whole GEMM, cell by cell, on the pool (NULL: this thread). */
void gemm_run(struct threads *pool, const struct ops *ops, const struct gemm *g);

/* Tokens in one block of a reduction over tokens (norm weights, biases). */
enum { REDUCE_ROWS = 128 };

#endif
