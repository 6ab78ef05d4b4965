#include "model/params.h"

/* Blocks of a parameter table, and where they lie in the whole model. */

/* Elements of what a run of rows counts in. */
static int64_t
unit_of(const struct param *t)
{
    return params_is_vector(t) ? 1 : t->columns;
}

static int64_t
run_size(const struct param *t, int run)
{
    return t->whole.run[run].count * unit_of(t);
}

static int64_t
run_blocks(const struct param *t, int run)
{
    return (run_size(t, run) + NORM_BLOCK - 1) / NORM_BLOCK;
}

static int64_t
param_blocks(const struct param *t)
{
    int64_t n = 0;

    for (int i = 0; i < t->whole.runs; i++)
        n += run_blocks(t, i);
    return n;
}

void
params_number_blocks(struct params *p)
{
    int64_t n = 0;

    for (int i = 0; i < p->count; i++) {
        p->param[i].block = n;
        n += param_blocks(&p->param[i]);
    }
}

int64_t
params_blocks(const struct params *p)
{
    if (p->count == 0)
        return 0;
    const struct param *last = &p->param[p->count - 1];
    return last->block + param_blocks(last);
}

/* The tensor with a block, by bisection. */
static int
param_with(const struct params *p, int64_t block)
{
    int low = 0, high = p->count - 1;

    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (p->param[middle].block <= block)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

void
params_block(const struct params *p, int64_t block, struct param_block *out)
{
    int i = param_with(p, block), run = 0;
    const struct param *t = &p->param[i];

    block -= t->block;
    for (int64_t n; block >= (n = run_blocks(t, run)); run++)
        block -= n;
    int64_t begin = block * NORM_BLOCK, left = run_size(t, run) - begin;
    *out = (struct param_block){
        .param = i,
        .run = run,
        .offset = t->offset + t->whole.run[run].local * unit_of(t) + begin,
        .size = left < NORM_BLOCK ? left : NORM_BLOCK,
        .number = block,
    };
}

/* Elements [begin, end) of a run whose rows stand `columns` apart: begin of a row, rows, rest. */
static int
strided_extents(const struct param *t, const struct row_run *run, int64_t begin, int64_t end,
                struct extent out[BLOCK_EXTENTS])
{
    int64_t width = t->columns, at = begin;
    int n = 0;

    while (at < end) {
        int64_t row = at / width, in = at % width, rows = (end - at) / width;
        int64_t count = in || rows == 0 ? width - in : width;
        count = count < end - at ? count : end - at;
        int64_t repeat = in || rows == 0 ? 1 : rows;
        out[n++] = (struct extent){
            .param = t->whole.index,
            .offset = (run->whole + row) * t->whole.columns + t->whole.column + in,
            .count = count,
            .repeat = repeat,
            .stride = t->whole.columns,
            .local = t->offset + run->local * width + at,
        };
        at += count * repeat;
    }
    return n;
}

int
params_block_extents(const struct params *p, int64_t block, struct extent out[BLOCK_EXTENTS])
{
    struct param_block b;

    params_block(p, block, &b);
    const struct param *t = &p->param[b.param];
    const struct row_run *run = &t->whole.run[b.run];
    int64_t unit = unit_of(t), begin = b.number * NORM_BLOCK;
    if (!params_is_vector(t) && t->columns != t->whole.columns)
        return strided_extents(t, run, begin, begin + b.size, out);
    out[0] = (struct extent){
        .param = t->whole.index,
        .offset = run->whole * unit + begin,
        .count = b.size,
        .repeat = 1,
        .stride = b.size,
        .local = b.offset,
    };
    return 1;
}
