#include "model/decoder_impl.h"

/*
 * Low-rank adapters beside a linear map (Hu et al., 2021, "LoRA", section 4.1): with low = s x A^T
 *
 *   y += low B^T      dlow = s dy B      dB += dy^T low      dA += dlow^T x      dx += dlow A
 *
 * The targets of one weight of ours (query, key, value) have the rows of A one below the other, so
 * that x and dx are met once, and each its own columns of low. low is cheaper made again in the
 * backward pass than kept. Forward 2 T rank (in + out) flops a target, backward twice that and
 * low again.
 */

static double
scale_of(const struct decoder *d)
{
    return d->config->lora.alpha / (double)d->config->lora.rank;
}

static int64_t
width_of(const struct decoder *d, const struct adapters *l)
{
    return l->parts * d->config->lora.rank;
}

void
adapters_carve(struct decoder *d)
{
    int64_t most = 0;

    for (int i = 0; i < d->params->count; i++) {
        int64_t width = width_of(d, &d->params->param[i].adapters);
        most = width > most ? width : most;
    }
    d->low = d->d_low = NULL;
    if (most == 0)
        return;
    d->low = take_act(d, d->capacity, most);
    if (d->options.training)
        d->d_low = take_act(d, d->capacity, most);
}

/* low = s x A^T. */
static void
project(const struct decoder *d, const struct adapters *l, const void *x, int64_t tokens)
{
    const struct param *a = &d->params->param[l->a];
    struct gemm g = {
        .tb = true,
        .m = tokens,
        .n = a->rows,
        .k = a->columns,
        .a = x,
        .lda = a->columns,
        .b = weight_act(d, l->a),
        .ldb = a->columns,
        .c = d->low,
        .ldc = a->rows,
        .scale = scale_of(d),
    };

    gemm_run(d->pool, d->ops, &g);
}

void
adapters_forward(const struct decoder *d, void *y, const void *x, int weight, int64_t tokens)
{
    const struct adapters *l = &d->params->param[weight].adapters;
    int64_t rank = d->config->lora.rank;

    if (l->parts == 0)
        return;
    project(d, l, x, tokens);
    for (int k = 0; k < l->parts; k++) {
        struct gemm g = {
            .tb = true,
            .m = tokens,
            .n = l->part[k].rows,
            .k = rank,
            .a = act_at_const(d, d->low, k * rank),
            .lda = width_of(d, l),
            .b = act_at_const(d, weight_act(d, l->b), l->part[k].at * rank),
            .ldb = rank,
            .c = act_at(d, y, l->part[k].row),
            .ldc = d->params->param[weight].rows,
            .accumulate = true,
        };

        gemm_run(d->pool, d->ops, &g);
    }
}

/* dlow = s dy B, each target's columns. */
static void
project_back(const struct decoder *d, const struct adapters *l, const void *dy, int weight,
             int64_t tokens)
{
    int64_t rank = d->config->lora.rank;

    for (int k = 0; k < l->parts; k++) {
        struct gemm g = {
            .m = tokens,
            .n = rank,
            .k = l->part[k].rows,
            .a = act_at_const(d, dy, l->part[k].row),
            .lda = d->params->param[weight].rows,
            .b = act_at_const(d, weight_act(d, l->b), l->part[k].at * rank),
            .ldb = rank,
            .c = act_at(d, d->d_low, k * rank),
            .ldc = width_of(d, l),
            .scale = scale_of(d),
        };

        gemm_run(d->pool, d->ops, &g);
    }
}

void
adapters_backward_input(const struct decoder *d, void *dx, const void *dy, int weight,
                        int64_t tokens, bool again)
{
    const struct adapters *l = &d->params->param[weight].adapters;

    if (l->parts == 0)
        return;
    const struct param *a = &d->params->param[l->a];
    struct gemm g = {
        .m = tokens,
        .n = a->columns,
        .k = a->rows,
        .a = d->d_low,
        .lda = a->rows,
        .b = weight_act(d, l->a),
        .ldb = a->columns,
        .c = dx,
        .ldc = a->columns,
        .accumulate = true,
    };

    if (!again)
        project_back(d, l, dy, weight, tokens);
    gemm_run(d->pool, d->ops, &g);
}

/* dB += dy^T low, each target's rows. */
static void
add_to_b(const struct decoder *d, const struct adapters *l, const void *dy, int weight,
         int64_t tokens)
{
    int64_t rank = d->config->lora.rank;
    bool fresh = false;
    void *gradient = gradient_at(d, l->b, &fresh);

    for (int k = 0; k < l->parts; k++) {
        struct gemm g = {
            .ta = true,
            .m = l->part[k].rows,
            .n = rank,
            .k = tokens,
            .a = act_at_const(d, dy, l->part[k].row),
            .lda = d->params->param[weight].rows,
            .b = act_at_const(d, d->low, k * rank),
            .ldb = width_of(d, l),
            .c = wide_at(d, gradient, l->part[k].at * rank),
            .ldc = rank,
            .c_wide = true,
            .accumulate = !fresh,
        };

        gemm_run(d->pool, d->ops, &g);
    }
}

/* dA += dlow^T x. */
static void
add_to_a(const struct decoder *d, const struct adapters *l, const void *x, int64_t tokens)
{
    const struct param *a = &d->params->param[l->a];
    bool fresh = false;
    void *gradient = gradient_at(d, l->a, &fresh);
    struct gemm g = {
        .ta = true,
        .m = a->rows,
        .n = a->columns,
        .k = tokens,
        .a = d->d_low,
        .lda = a->rows,
        .b = x,
        .ldb = a->columns,
        .c = gradient,
        .ldc = a->columns,
        .c_wide = true,
        .accumulate = !fresh,
    };

    gemm_run(d->pool, d->ops, &g);
}

void
adapters_backward_weight(const struct decoder *d, const void *dy, const void *x, int weight,
                         int64_t tokens)
{
    const struct adapters *l = &d->params->param[weight].adapters;

    if (l->parts == 0)
        return;
    project(d, l, x, tokens);
    project_back(d, l, dy, weight, tokens);
    add_to_b(d, l, dy, weight, tokens);
    add_to_a(d, l, x, tokens);
}
