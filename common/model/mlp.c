#include "model/decoder_impl.h"

/* The MLP's nonlinearity between its two matrices: SwiGLU (Shazeer, 2020) or GELU. */

struct mlp_job {
    const struct decoder *d;
    void *inner;
    const void *up, *d_inner;
    void *d_up;
    int64_t tokens;
};

static int
forward_rows(void *arg, size_t cell, int worker)
{
    const struct mlp_job *j = arg;
    const struct decoder *d = j->d;
    int64_t row = (int64_t)cell * ROW_CELL, rows = rows_of_cell(cell, ROW_CELL, j->tokens);
    void *inner = act_at(d, j->inner, row * d->intermediate);
    const void *up = act_at_const(d, j->up, row * d->up);

    (void)worker;
    if (d->config->mlp == MLP_SWIGLU)
        d->ops->swiglu_forward(inner, up, rows, d->intermediate);
    else
        d->ops->gelu_forward(inner, up, rows * d->intermediate, d->config->gelu);
    return 0;
}

static int
backward_rows(void *arg, size_t cell, int worker)
{
    const struct mlp_job *j = arg;
    const struct decoder *d = j->d;
    int64_t row = (int64_t)cell * ROW_CELL, rows = rows_of_cell(cell, ROW_CELL, j->tokens);
    void *d_up = act_at(d, j->d_up, row * d->up);
    const void *up = act_at_const(d, j->up, row * d->up);
    const void *d_inner = act_at_const(d, j->d_inner, row * d->intermediate);
    void *inner = act_at(d, j->inner, row * d->intermediate);

    (void)worker;
    if (d->config->mlp == MLP_SWIGLU)
        d->ops->swiglu_backward(d_up, inner, up, d_inner, rows, d->intermediate);
    else
        d->ops->gelu_backward(d_up, inner, up, d_inner, rows * d->intermediate,
                              d->config->gelu);
    return 0;
}

void
mlp_inner_forward(const struct decoder *d, void *inner, const void *up, int64_t tokens)
{
    struct mlp_job job = {.d = d, .inner = inner, .up = up, .tokens = tokens};

    run_cells(d, tokens, ROW_CELL, forward_rows, &job);
}

void
mlp_inner_backward(const struct decoder *d, void *d_up, void *inner, const void *up,
                   const void *d_inner, int64_t tokens)
{
    struct mlp_job job = {
        .d = d, .inner = inner, .up = up, .d_inner = d_inner, .d_up = d_up, .tokens = tokens};

    run_cells(d, tokens, ROW_CELL, backward_rows, &job);
}
