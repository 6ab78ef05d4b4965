#include "model/decoder_impl.h"

/*
 * Linear maps with weights W [out][in]. Forward 2 T out in flops, backward twice that.
 */

/* y [T][out] = x [T][in] W^T + b. */
void
linear_forward(const struct decoder *d, void *y, const void *x, int weight, int bias,
               int64_t tokens)
{
    const struct param *w = &d->params->param[weight];
    int input = fp8_tensor(d, weight, FP8_INPUT);
    struct gemm g = {
        .tb = true,
        .m = tokens,
        .n = w->rows,
        .k = w->columns,
        .a = fp8_operand(d, d->fp8_x, x, tokens * w->columns, input, false),
        .lda = w->columns,
        .b = weight_act(d, weight),
        .ldb = w->columns,
        .b_packed = packed_weight(d, weight, true, tokens),
        .b_arranged = is_arranged(d, weight),
        .c = y,
        .ldc = w->rows,
        .bias = weight_wide(d, bias),
        .scale = fp8_unscale(d, input, fp8_tensor(d, weight, FP8_WEIGHT)),
    };

    gemm_run(d->pool, d->ops, &g);
    adapters_forward(d, y, x, weight, tokens);
}

void
linear_forward_wide(const struct decoder *d, void *y, const void *x, int weight, int64_t tokens)
{
    const struct param *w = &d->params->param[weight];
    struct gemm g = {
        .tb = true,
        .m = tokens,
        .n = w->rows,
        .k = w->columns,
        .a = x,
        .lda = w->columns,
        .b = weight_act(d, weight),
        .ldb = w->columns,
        .b_packed = packed_weight(d, weight, true, tokens),
        .b_arranged = is_arranged(d, weight),
        .c = y,
        .ldc = w->rows,
        .c_wide = true,
    };

    gemm_run(d->pool, d->ops, &g);
}

struct bias_job {
    const struct decoder *d;
    const void *dy;
    int64_t tokens, n, chunks;
};

enum { BIAS_COLUMNS = 1024 };

/* One block of tokens, one chunk of columns. */
static int
bias_block(void *arg, size_t cell, int worker)
{
    const struct bias_job *job = arg;
    const struct decoder *d = job->d;
    size_t block = cell / (size_t)job->chunks, chunk = cell % (size_t)job->chunks;
    int64_t row = (int64_t)block * REDUCE_ROWS, column = (int64_t)chunk * BIAS_COLUMNS;

    (void)worker;
    d->ops->column_sum(wide_at(d, d->partials, (int64_t)block * job->n + column),
                       act_at_const(d, job->dy, row * job->n + column), job->n,
                       rows_of_cell(block, REDUCE_ROWS, job->tokens),
                       rows_of_cell(chunk, BIAS_COLUMNS, job->n));
    return 0;
}

/* db += the sum of dy's rows. */
static void
bias_backward(const struct decoder *d, const void *dy, int bias, int64_t tokens)
{
    int64_t n = d->params->param[bias].size, blocks = reduce_blocks(tokens);
    struct bias_job job = {d, dy, tokens, n, (n + BIAS_COLUMNS - 1) / BIAS_COLUMNS};

    run_cells(d, blocks * job.chunks, 1, bias_block, &job);
    reduce_partials(d, gradient_at(d, bias, NULL), d->partials, blocks, n);
}

/*
 * dW [out][in] += dy^T x (or = , see struct gradients); db [out] += sum of dy. rounded: dy as the product
 * takes it.
 */
static void
backward_weight(const struct decoder *d, const void *dy, const void *rounded, const void *x,
                int weight, int bias, int64_t tokens)
{
    const struct param *w = &d->params->param[weight];
    int input = fp8_tensor(d, weight, FP8_INPUT);
    bool fresh = false;

    if (bias >= 0 && has_gradient(d, bias))
        bias_backward(d, dy, bias, tokens);
    if (!has_gradient(d, weight))
        return;
    void *gradient = gradient_at(d, weight, &fresh);
    struct gemm g = {
        .ta = true,
        .m = w->rows,
        .n = w->columns,
        .k = tokens,
        .a = rounded,
        .lda = w->rows,
        .b = fp8_operand(d, d->fp8_x, x, tokens * w->columns, input, true),
        .ldb = w->columns,
        .c = gradient,
        .ldc = w->columns,
        .c_wide = true,
        .accumulate = !fresh,
        .scale = fp8_unscale(d, fp8_tensor(d, weight, FP8_GRADIENT), input),
    };

    gemm_run(d->pool, d->ops, &g);
}

/* dx [T][in] = dy W. */
static void
backward_input(const struct decoder *d, void *dx, const void *rounded, int weight, int64_t tokens)
{
    const struct param *w = &d->params->param[weight];
    struct gemm g = {
        .m = tokens,
        .n = w->columns,
        .k = w->rows,
        .a = rounded,
        .lda = w->rows,
        .b = weight_act(d, weight),
        .ldb = w->columns,
        .b_packed = packed_weight(d, weight, false, tokens),
        .c = dx,
        .ldc = w->columns,
        .scale = fp8_unscale(d, fp8_tensor(d, weight, FP8_GRADIENT),
                             fp8_tensor(d, weight, FP8_WEIGHT)),
    };

    gemm_run(d->pool, d->ops, &g);
}

static const void *
rounded_gradient(const struct decoder *d, const void *dy, int weight, int64_t tokens, bool again)
{
    return fp8_operand(d, d->fp8_dy, dy, tokens * d->params->param[weight].rows,
                       fp8_tensor(d, weight, FP8_GRADIENT), again);
}

void
linear_backward_input(const struct decoder *d, void *dx, const void *dy, int weight, int64_t tokens)
{
    backward_input(d, dx, rounded_gradient(d, dy, weight, tokens, false), weight, tokens);
    adapters_backward_input(d, dx, dy, weight, tokens, false);
}

void
linear_backward_weight(const struct decoder *d, const void *dy, const void *x, int weight, int bias,
                       int64_t tokens)
{
    backward_weight(d, dy, rounded_gradient(d, dy, weight, tokens, true), x, weight, bias, tokens);
    adapters_backward_weight(d, dy, x, weight, tokens);
}

void
linear_backward(const struct decoder *d, void *dx, const void *dy, const void *x, int weight,
                int bias, int64_t tokens)
{
    const void *rounded = rounded_gradient(d, dy, weight, tokens, false);

    backward_weight(d, dy, rounded, x, weight, bias, tokens);
    adapters_backward_weight(d, dy, x, weight, tokens);
    backward_input(d, dx, rounded, weight, tokens);
    adapters_backward_input(d, dx, dy, weight, tokens, true);
}
