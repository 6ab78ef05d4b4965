#include <string.h>

#include "model/moe_impl.h"

/* What is done to the rows of experts one by one: copies, weights, nonlinearity, sums. */

struct rows_job {
    const struct decoder *d;
    void *out, *up;
    const void *in, *weight, *other;
    void *d_weight;
    int64_t rows, n;
    int gate;
    bool shared;
};

/* ---- copies ---- */

static int
gather_cell(void *arg, size_t cell, int worker)
{
    const struct rows_job *j = arg;
    const struct decoder *d = j->d;
    const struct moe *m = d->moe;
    int64_t row = (int64_t)cell * ROW_CELL, end = row + rows_of_cell(cell, ROW_CELL, j->rows);

    (void)worker;
    for (; row < end; row++)
        memcpy(act_at(d, j->out, row * d->hidden),
               act_at_const(d, j->in, m->entry[row] / m->per_token * d->hidden),
               (size_t)d->hidden * d->ops->act_size);
    return 0;
}

void
rows_gather(const struct decoder *d, void *sorted, const void *x, int64_t tokens)
{
    struct rows_job job = {.d = d, .out = sorted, .in = x, .rows = tokens * d->moe->per_token};

    run_cells(d, job.rows, ROW_CELL, gather_cell, &job);
}

/* ---- the inner activations and their weights ---- */

/* A line of each kind, a worker's own. */
static void *
line_act(const struct decoder *d, int worker)
{
    return act_at(d, d->moe->line_act, worker * d->moe->line);
}

static void *
line_wide(const struct decoder *d, int worker)
{
    return wide_at(d, d->moe->line_wide, worker * d->moe->line);
}

static void *
line_other(const struct decoder *d, int worker)
{
    return wide_at(d, d->moe->line_other, worker * d->moe->line);
}

static void
scale_wide(const struct decoder *d, void *x, double factor, int64_t n)
{
    double *x64 = x;
    float *x32 = x, factor32 = (float)factor;

    if (d->ops->wide_size == sizeof *x64)
        for (int64_t i = 0; i < n; i++)
            x64[i] *= factor;
    else
        for (int64_t i = 0; i < n; i++)
            x32[i] *= factor32;
}

/* out += factor * x */
static void
add_scaled(const struct decoder *d, void *out, const void *x, double factor, int64_t n)
{
    double *out64 = out;
    float *out32 = out, factor32 = (float)factor;
    const double *x64 = x;
    const float *x32 = x;

    if (d->ops->wide_size == sizeof *x64)
        for (int64_t i = 0; i < n; i++)
            out64[i] += factor * x64[i];
    else
        for (int64_t i = 0; i < n; i++)
            out32[i] += factor32 * x32[i];
}

enum { LANES = 8 };

/* In FP64, in lanes, so that the sum's order does not depend on the compiler. */
static double
dot(const struct decoder *d, const void *a, const void *b, int64_t n)
{
    double lane[LANES] = {0}, sum = 0;
    int64_t i = 0;

    if (d->ops->wide_size == sizeof(double)) {
        for (; i < n; i++)
            lane[i % LANES] += ((const double *)a)[i] * ((const double *)b)[i];
    } else {
        const float *a32 = a, *b32 = b;

        for (; i + LANES <= n; i += LANES)
            for (int k = 0; k < LANES; k++)
                lane[k] += (double)a32[i + k] * (double)b32[i + k];
        for (; i < n; i++)
            lane[i % LANES] += (double)a32[i] * (double)b32[i];
    }
    for (int k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

/* x [n] in act, times factor. */
static void
scale_act(const struct decoder *d, void *x, double factor, int64_t n, void *line)
{
    d->ops->to_wide(line, x, n);
    scale_wide(d, line, factor, n);
    d->ops->to_act(x, line, n);
}

static int
inner_cell(void *arg, size_t cell, int worker)
{
    const struct rows_job *j = arg;
    const struct decoder *d = j->d;
    int64_t row = (int64_t)cell * ROW_CELL, rows = rows_of_cell(cell, ROW_CELL, j->rows);

    d->ops->swiglu_forward(act_at(d, j->out, row * j->n), act_at_const(d, j->in, row * 2 * j->n),
                           rows, j->n);
    for (int64_t r = row; r < row + rows; r++)
        scale_act(d, act_at(d, j->out, r * j->n), wide_get(d, j->weight, r), j->n,
                  line_wide(d, worker));
    return 0;
}

void
rows_inner(const struct decoder *d, void *inner, const void *up, const void *weight, int64_t rows,
           int64_t n)
{
    struct rows_job job = {.d = d, .out = inner, .in = up, .weight = weight, .rows = rows, .n = n};

    run_cells(d, rows, ROW_CELL, inner_cell, &job);
}

/* d_inner is that of the weighed row: its product with the row is the weight's gradient. */
static void
backward_row(const struct rows_job *j, int64_t r, int worker)
{
    const struct decoder *d = j->d;
    void *inner = act_at(d, j->out, r * j->n), *up = act_at(d, j->up, r * 2 * j->n);
    void *again = line_act(d, worker), *a = line_wide(d, worker), *b = line_other(d, worker);
    double weight = wide_get(d, j->weight, r);

    d->ops->swiglu_backward(up, again, up, inner, 1, j->n);
    d->ops->to_wide(a, again, j->n);
    d->ops->to_wide(b, inner, j->n);
    wide_put(d, j->d_weight, r, dot(d, a, b, j->n));
    scale_wide(d, a, weight, j->n);
    d->ops->to_act(inner, a, j->n);
    scale_act(d, up, weight, 2 * j->n, a);
}

static int
inner_backward_cell(void *arg, size_t cell, int worker)
{
    const struct rows_job *j = arg;
    int64_t row = (int64_t)cell * ROW_CELL, end = row + rows_of_cell(cell, ROW_CELL, j->rows);

    for (; row < end; row++)
        backward_row(j, row, worker);
    return 0;
}

void
rows_inner_backward(const struct decoder *d, void *inner, void *up, const void *weight,
                    void *d_weight, int64_t rows, int64_t n)
{
    struct rows_job job = {.d = d,
                           .out = inner,
                           .up = up,
                           .weight = weight,
                           .d_weight = d_weight,
                           .rows = rows,
                           .n = n};

    run_cells(d, rows, ROW_CELL, inner_backward_cell, &job);
}

/* ---- sums ---- */

static void
combine(const struct rows_job *j, int64_t t, int worker)
{
    const struct decoder *d = j->d;
    const struct moe *m = d->moe;
    void *sum = line_wide(d, worker), *y = act_at(d, j->out, t * d->hidden);

    memset(sum, 0, (size_t)d->hidden * d->ops->wide_size);
    for (int64_t k = 0; k < m->per_token; k++)
        d->ops->add_act_to_wide(
            sum, act_at_const(d, j->in, m->row[t * m->per_token + k] * d->hidden), d->hidden);
    if (j->shared)
        d->ops->add_act_to_wide(sum, y, d->hidden);
    if (j->other)
        d->ops->add_act_to_wide(sum, act_at_const(d, j->other, t * d->hidden), d->hidden);
    if (j->gate >= 0) {
        void *line = line_other(d, worker);

        d->ops->to_wide(line, weight_act(d, j->gate), d->hidden);
        add_scaled(d, sum, line, wide_get(d, m->d_gate, t), d->hidden);
    }
    d->ops->to_act(y, sum, d->hidden);
}

static int
combine_cell(void *arg, size_t cell, int worker)
{
    const struct rows_job *j = arg;
    int64_t row = (int64_t)cell * ROW_CELL, end = row + rows_of_cell(cell, ROW_CELL, j->rows);

    for (; row < end; row++)
        combine(j, row, worker);
    return 0;
}

void
rows_combine(const struct decoder *d, void *y, const void *sorted, bool shared, const void *other,
             int gate, int64_t tokens)
{
    struct rows_job job = {.d = d,
                           .out = y,
                           .in = sorted,
                           .shared = shared,
                           .other = other,
                           .gate = gate,
                           .rows = tokens};

    run_cells(d, tokens, ROW_CELL, combine_cell, &job);
}
