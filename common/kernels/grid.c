#include "kernels/grid.h"

/*
 * Cells of at most about 512 x 768: a cell packs both its operands, and packing an element costs
 * as much as a dozen or two of the products it is used in. Where that gives few cells they are cut
 * finer, so that several threads find work: to eight of at least 512 x 384 (3 % slower on
 * one thread than 512 x 768), and to an even number of at least 128 x 192.
 */
enum { CELL_M = 512, CELL_N = 768 };

/* The length of a cell when n is cut into `parts` of nearly equal length, a multiple of `unit`. */
static int64_t
part_length(int64_t n, int64_t parts, int64_t unit)
{
    int64_t length = (n + parts - 1) / parts;
    return (length + unit - 1) / unit * unit;
}

static int64_t
parts_of(int64_t n, int64_t length)
{
    return n <= 0 ? 1 : (n + length - 1) / length;
}

/* Cuts on, to `wanted` cells at most, while none gets shorter than min_m or min_n. */
static void
cut(const struct gemm *g, int64_t wanted, int64_t min_m, int64_t min_n, int64_t *rows,
    int64_t *columns)
{
    while (*rows * *columns < wanted) {
        int64_t m = g->m / (*rows + 1), n = g->n / (*columns + 1);
        bool can_m = m >= min_m, can_n = n >= min_n;
        if (!can_m && !can_n)
            break;
        /* The side whose cells are longer, measured by the least lengths. */
        if (can_n && (!can_m || n * min_m >= m * min_n))
            ++*columns;
        else
            ++*rows;
    }
}

void
gemm_grid(const struct gemm *g, int64_t *cell_m, int64_t *cell_n)
{
    int64_t rows = parts_of(g->m, CELL_M), columns = parts_of(g->n, CELL_N);
    cut(g, 8, 512, 384, &rows, &columns);
    if (rows * columns % 2)
        cut(g, rows * columns + 1, 128, 192, &rows, &columns);
    *cell_m = part_length(g->m, rows, 16);
    *cell_n = part_length(g->n, columns, 64);
}

struct gemm_work {
    const struct ops *ops;
    const struct gemm *whole;
    int64_t cell_m, cell_n, columns;
};

/* The element of x at (row, column) of op(X). */
static const void *
operand_at(const void *x, int64_t ld, bool transposed, int64_t row, int64_t column, size_t size)
{
    int64_t at = transposed ? column * ld + row : row * ld + column;
    return (const char *)x + at * (int64_t)size;
}

static int
gemm_cell(void *arg, size_t index, int worker)
{
    (void)worker;
    const struct gemm_work *w = arg;
    const struct gemm *g = w->whole;
    const struct ops *ops = w->ops;
    int64_t row = (int64_t)index / w->columns * w->cell_m,
            column = (int64_t)index % w->columns * w->cell_n;
    struct gemm cell = *g;
    cell.m = g->m - row < w->cell_m ? g->m - row : w->cell_m;
    cell.n = g->n - column < w->cell_n ? g->n - column : w->cell_n;
    cell.a = operand_at(g->a, g->lda, g->ta, row, 0, ops->act_size);
    cell.b = operand_at(g->b, g->ldb, g->tb, 0, column, ops->act_size);
    cell.b_column = g->b_column + column;
    size_t c_size = g->c_wide ? ops->wide_size : ops->act_size;
    cell.c = (char *)g->c + (row * g->ldc + column) * (int64_t)c_size;
    if (g->bias)
        cell.bias = (const char *)g->bias + column * (int64_t)ops->wide_size;
    ops->gemm(&cell);
    return 0;
}

void
gemm_run(struct threads *pool, const struct ops *ops, const struct gemm *g)
{
    if (g->m <= 0 || g->n <= 0)
        return;
    struct gemm_work w = {.ops = ops, .whole = g};
    gemm_grid(g, &w.cell_m, &w.cell_n);
    w.columns = (g->n + w.cell_n - 1) / w.cell_n;
    int64_t rows = (g->m + w.cell_m - 1) / w.cell_m;
    threads_run(pool, (size_t)(rows * w.columns), gemm_cell, &w);
}
