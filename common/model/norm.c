#include "model/decoder_impl.h"

/* RMS norm and layer norm over the residual stream, the addition to it folded in. */

struct norm_job {
    const struct decoder *d;
    const struct norm_at *at;
    void *y, *x_out;
    const void *x, *delta; /* forward; x also backward */
    void *dx;
    const void *dy, *d_residual; /* backward */
    int64_t tokens;
};

static int
forward_rows(void *arg, size_t cell, int worker)
{
    const struct norm_job *j = arg;
    const struct decoder *d = j->d;
    int64_t row = (int64_t)cell * ROW_CELL, n = d->hidden, at = row * n;
    int64_t rows = rows_of_cell(cell, ROW_CELL, j->tokens);
    double eps = d->config->norm_eps;
    const void *weight = weight_wide(d, j->at->weight), *bias = weight_wide(d, j->at->bias);
    void *y = act_at(d, j->y, at), *rstd = wide_at(d, j->at->rstd, row);
    void *x_out = j->delta ? act_at(d, j->x_out, at) : NULL;
    const void *x = act_at_const(d, j->x, at),
               *delta = j->delta ? act_at_const(d, j->delta, at) : NULL;

    (void)worker;
    if (d->config->norm == NORM_RMS)
        d->ops->rms_norm_forward(y, x_out, rstd, x, delta, weight, rows, n, eps);
    else
        d->ops->layer_norm_forward(y, x_out, wide_at(d, j->at->mean, row), rstd, x, delta, weight,
                                   bias, rows, n, eps);
    return 0;
}

void
norm_forward(const struct decoder *d, const struct norm_at *at, void *y, void *x_out, const void *x,
             const void *delta, int64_t tokens)
{
    struct norm_job job = {
        .d = d, .at = at, .y = y, .x_out = x_out, .x = x, .delta = delta, .tokens = tokens};

    run_cells(d, tokens, ROW_CELL, forward_rows, &job);
}

/* One reduction block: its rows of dx, its partial sums of the weight's (and bias's) gradient. */
static int
backward_block(void *arg, size_t cell, int worker)
{
    const struct norm_job *j = arg;
    const struct decoder *d = j->d;
    int64_t row = (int64_t)cell * REDUCE_ROWS, n = d->hidden, at = row * n;
    int64_t rows = rows_of_cell(cell, REDUCE_ROWS, j->tokens), blocks = reduce_blocks(j->tokens);
    const void *weight = weight_wide(d, j->at->weight);
    void *dx = act_at(d, j->dx, at), *d_weight = wide_at(d, d->partials, (int64_t)cell * n);
    void *d_bias = wide_at(d, d->partials, (blocks + (int64_t)cell) * n);
    const void *dy = act_at_const(d, j->dy, at), *x = act_at_const(d, j->x, at);
    const void *d_residual = j->d_residual ? act_at_const(d, j->d_residual, at) : NULL;
    const void *rstd = wide_at(d, j->at->rstd, row);

    (void)worker;
    if (d->config->norm == NORM_RMS)
        d->ops->rms_norm_backward(dx, d_weight, dy, d_residual, x, rstd, weight, rows, n);
    else
        d->ops->layer_norm_backward(dx, d_weight, d_bias, dy, d_residual, x,
                                    wide_at(d, j->at->mean, row), rstd, weight, rows, n);
    return 0;
}

/* dx = the gradient through the norm + d_residual (NULL: none); the weight's and bias's are added. */
void
norm_backward(const struct decoder *d, const struct norm_at *at, void *dx, const void *dy,
              const void *d_residual, const void *x, int64_t tokens)
{
    struct norm_job job = {
        .d = d, .at = at, .x = x, .dx = dx, .dy = dy, .d_residual = d_residual, .tokens = tokens};
    int64_t blocks = reduce_blocks(tokens);

    run_cells(d, tokens, REDUCE_ROWS, backward_block, &job);
    if (has_gradient(d, at->weight))
        reduce_partials(d, gradient_at(d, at->weight, NULL), d->partials, blocks, d->hidden);
    if (at->bias >= 0 && has_gradient(d, at->bias))
        reduce_partials(d, gradient_at(d, at->bias, NULL),
                        wide_at(d, d->partials, blocks * d->hidden), blocks, d->hidden);
}
