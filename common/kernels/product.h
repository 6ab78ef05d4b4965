#ifndef KERNELS_PRODUCT_H
#define KERNELS_PRODUCT_H

#include "kernels/kernels.h"
#include "kernels/scratch.h"

/*
 * What the matrix products of all instruction sets share (product.inc). A panel of B
 * [PRODUCT_DEPTH][TILE_COLUMNS] stays in the L1 cache while the packed block of A streams
 * through it from L2, with the block of C, and the next panel's source comes from memory.
 */
static inline int64_t
at_most(int64_t n, int64_t limit)
{
    return n < limit ? n : limit;
}

/* The panels of a block of A: nearly equal numbers of rows, so that no tile is narrow. */
struct panels {
    int64_t rows, count;
};

static inline struct panels
panels_of(int64_t rows, int64_t most)
{
    return (struct panels){rows, (rows + most - 1) / most};
}

static inline int64_t
panel_row(const struct panels *s, int64_t i)
{
    int64_t each = s->rows / s->count, more = s->rows % s->count;
    return i * each + at_most(i, more);
}

static inline int64_t
panel_rows(const struct panels *s, int64_t i)
{
    return s->rows / s->count + (i < s->rows % s->count);
}

/* Memory that is needed soon: `rows` runs of `lines` cache lines, `skip` bytes between runs. */
struct ahead {
    const char *at;
    int64_t line, lines, skip, rows;
    int each; /* lines to ask for at a time */
};

/*
 * One tile, up to the instruction set's TILE_ROWS x TILE_COLUMNS: out = scale (a b (+ in)) with a
 * panel of A [depth][PANEL_ROWS] and one of B [depth][TILE_COLUMNS], both 64-byte aligned.
 * Columns beyond `columns` are not touched. in may be out, or NULL.
 */
struct product_tile {
    int64_t depth, columns;
    int rows;
    float scale;
    const float *a, *b, *in;
    float *out;
    int64_t ld_in, ld_out;
    struct ahead *ahead;
};

/* Where one block of the product stands: C's rows and columns, and k. */
struct block {
    const struct gemm *g;
    struct product_scratch *s; /* the instruction set's */
    struct panels panels;
    int64_t row, column, columns, p, depth;
    bool first, last; /* of the blocks of k */
    bool in_place;    /* C is FP32 and holds the sums over k */
};

#endif
