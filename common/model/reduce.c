#include "model/decoder_impl.h"

/* Sums over tokens: blocks of REDUCE_ROWS apart, then block by block in order. */

enum { FOLD_COLUMNS = 1024 };

int64_t
reduce_blocks(int64_t tokens)
{
    return (tokens + REDUCE_ROWS - 1) / REDUCE_ROWS;
}

struct fold {
    const struct decoder *d;
    void *out, *partials;
    int64_t blocks, n;
};

static int
fold_columns(void *arg, size_t cell, int worker)
{
    const struct fold *f = arg;
    const struct decoder *d = f->d;
    int64_t at = (int64_t)cell * FOLD_COLUMNS, n = rows_of_cell(cell, FOLD_COLUMNS, f->n);
    void *sum = wide_at(d, f->partials, at);

    (void)worker;
    for (int64_t b = 1; b < f->blocks; b++)
        d->ops->add_wide(sum, wide_at(d, f->partials, b * f->n + at), n);
    d->ops->add_wide(wide_at(d, f->out, at), sum, n);
    return 0;
}

void
reduce_partials(const struct decoder *d, void *out, void *partials, int64_t blocks, int64_t n)
{
    struct fold f = {d, out, partials, blocks, n};

    run_cells(d, n, FOLD_COLUMNS, fold_columns, &f);
}
