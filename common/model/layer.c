#include <string.h>

#include "model/decoder_impl.h"

/*
 * One layer: x_mid = x + attention(norm(x)); the next x = x_mid + mlp(norm(x_mid)). With a parallel
 * residual (Black et al., 2022, section 2.1.2) the MLP reads norm(x) of its own norm instead.
 */

struct norm_at
layer_norm1(const struct decoder *d, const struct layer_state *s, int i)
{
    const struct layer_params *p = &d->params->layer[i];

    return (struct norm_at){p->attention_norm, p->attention_norm_bias, s->mean1, s->rstd1};
}

struct norm_at
layer_norm2(const struct decoder *d, const struct layer_state *s, int i)
{
    const struct layer_params *p = &d->params->layer[i];

    return (struct norm_at){p->mlp_norm, p->mlp_norm_bias, s->mean2, s->rstd2};
}

struct norm_at
final_norm_at(const struct decoder *d, const struct slot *s)
{
    const struct params *p = d->params;

    return (struct norm_at){p->final_norm, p->final_norm_bias, s->mean_final, s->rstd_final};
}

/* A norm's output of all tokens in y [T][hidden]; x_out, x and delta are own rows. */
static void
norm_all(struct decoder *d, const struct norm_at *at, void *y, void *x_out, const void *x,
         const void *delta, const struct tokens *t)
{
    norm_forward(d, at, own_rows(d, y, t), x_out, x, delta, t->rows);
    gather_rows(d, y, t);
}

/* What the norm before the MLP reads. */
static const void *
norm2_input(const struct decoder *d, const struct layer_state *s, const void *x_mid)
{
    return d->config->parallel_residual ? s->x : x_mid;
}

struct add_job {
    const struct decoder *d;
    void *out;
    const void *a, *b;
    int64_t rows;
};

static int
add_cell(void *arg, size_t cell, int worker)
{
    const struct add_job *j = arg;
    const struct decoder *d = j->d;
    int64_t n = d->hidden, at = (int64_t)cell * ROW_CELL * n;

    (void)worker;
    d->ops->add(act_at(d, j->out, at), act_at_const(d, j->a, at), act_at_const(d, j->b, at),
                rows_of_cell(cell, ROW_CELL, j->rows) * n);
    return 0;
}

void
layer_middle(struct decoder *d, const struct layer_state *s, int i, const struct tokens *t)
{
    struct norm_at norm2 = layer_norm2(d, s, i);
    struct add_job job = {d, s->x_mid, s->x, d->delta, t->rows};

    if (!d->config->parallel_residual) {
        norm_all(d, &norm2, d->h, s->x_mid, s->x, d->delta, t);
        return;
    }
    run_cells(d, t->rows, ROW_CELL, add_cell, &job);
    norm_all(d, &norm2, d->h, NULL, s->x, NULL, t);
}

/* dx = the gradient through the norm + d_x; dy [T][hidden] is this rank's part of all tokens'. */
static void
norm_all_backward(struct decoder *d, const struct norm_at *at, void *dx, void *dy,
                  const void *d_residual, const void *x, const struct tokens *t)
{
    void *own = own_rows(d, dy, t);

    sum_rows(d, own, dy, t);
    norm_backward(d, at, dx, own, d_residual, x, t->rows);
}

/* From the norm's output in d->h to d->delta. */
static void
attention_forward(struct decoder *d, const struct layer_state *s, int i,
                  const struct tokens *t)
{
    const struct layer_params *p = &d->params->layer[i];

    linear_forward(d, s->qkv, d->h, p->qkv, p->qkv_bias, t->count);
    qk_norm_forward(d, s, i, t->count);
    rotary_apply(d, s->qkv, false, t->count);
    attention_all_forward(d, s, i, t);
    linear_forward_sum(d, d->delta, s->context, p->output, p->output_bias, t);
}

/* From the norm's output in d->h to d->delta. */
void
mlp_forward(struct decoder *d, const struct layer_state *s, int i, const struct tokens *t)
{
    const struct layer_params *p = &d->params->layer[i];

    if (p->router >= 0) {
        void *partial = partial_of(d, d->delta);

        moe_forward(d, &s->moe, i, partial, d->h, t->count);
        sum_rows(d, d->delta, partial, t);
        return;
    }
    linear_forward(d, s->up, d->h, p->up, p->up_bias, t->count);
    mlp_inner_forward(d, d->inner, s->up, t->count);
    linear_forward_sum(d, d->delta, d->inner, p->down, p->down_bias, t);
}

void
layer_forward(struct decoder *d, const struct layer_state *s, int i, const void *x,
              const struct tokens *t)
{
    struct norm_at norm1 = layer_norm1(d, s, i);

    d->first = d->first_of[config_windowed(d->config, i)];
    norm_all(d, &norm1, d->h, s->x, x ? x : s->x, x ? d->delta : NULL, t);
    attention_forward(d, s, i, t);
    layer_middle(d, s, i, t);
    mlp_forward(d, s, i, t);
}

/*
 * Everything that the backward pass wants and the layer did not keep; leaves the second norm's
 * output in d->h. The same bits as before.
 */
static void
layer_again(struct decoder *d, const struct layer_state *s, int i, const struct tokens *t)
{
    const struct layer_params *p = &d->params->layer[i];
    struct norm_at norm1 = layer_norm1(d, s, i), norm2 = layer_norm2(d, s, i);
    bool full = d->options.recompute == RECOMPUTE_FULL;

    if (full) {
        norm_all(d, &norm1, d->h, NULL, s->x, NULL, t);
        attention_forward(d, s, i, t);
    }
    if (full)
        layer_middle(d, s, i, t);
    else
        norm_all(d, &norm2, d->h, NULL, norm2_input(d, s, s->x_mid), NULL, t);
    if (p->router >= 0)
        moe_again(d, &s->moe, i, d->h, t->count);
    else if (d->options.recompute != RECOMPUTE_NONE)
        linear_forward(d, s->up, d->h, p->up, p->up_bias, t->count);
}

static void
swap_d_x(struct decoder *d)
{
    void *swap = d->d_x;

    d->d_x = d->d_x_other;
    d->d_x_other = swap;
}

/* Puts `from` aside, [rows][columns] in act. */
static void
set_aside(const struct decoder *d, void *to, const void *from, int64_t rows, int64_t columns)
{
    if (to && to != from)
        memcpy(to, from, (size_t)(rows * columns) * d->ops->act_size);
}

/* Experts do their weights at once: they have no place to be put aside in. */
static void
experts_backward(struct decoder *d, const struct layer_state *s, int i, const struct tokens *t)
{
    struct norm_at norm2 = layer_norm2(d, s, i);

    moe_backward(d, &s->moe, i, gathered(d, d->d_x, t), d->d_h,
                 t->rows < t->count ? d->gathered : d->d_x_other, t->count);
    norm_all_backward(d, &norm2, d->d_x_other, d->d_h, d->d_x, norm2_input(d, s, s->x_mid), t);
    swap_d_x(d);
}

/* A norm's output is redone in d_h just before the product that wants it, whose result then takes
 * its place. */
static void
mlp_backward(struct decoder *d, const struct layer_state *s, int i, const struct tokens *t,
             const struct weight_state *w)
{
    const struct layer_params *p = &d->params->layer[i];
    struct norm_at norm2 = layer_norm2(d, s, i);
    void *inner = w ? w->inner : d->d_narrow, *d_up = w && w->d_up ? w->d_up : s->up;
    const void *dy = gathered(d, d->d_x, t);
    int64_t n = t->count;

    linear_backward_input(d, d->d_narrow, dy, p->down, n);
    mlp_inner_backward(d, d_up, inner, s->up, d->d_narrow, n);
    if (w) {
        set_aside(d, w->d_down, d->d_x, t->rows, d->hidden);
        set_aside(d, w->x_mid, s->x_mid, t->rows, d->hidden);
        linear_backward_input(d, d->d_h, d_up, p->up, n);
    } else {
        linear_backward_weight(d, dy, inner, p->down, p->down_bias, n);
        linear_backward(d, d->d_h, d_up, d->d_h, p->up, p->up_bias, n);
    }
    norm_all_backward(d, &norm2, d->d_x_other, d->d_h, d->d_x, norm2_input(d, s, s->x_mid), t);
    swap_d_x(d);
}

/* The gradient of attention's output: that of x_mid, or with a parallel residual that of the layer's. */

static void
attention_backward(struct decoder *d, const struct layer_state *s, int i, const struct tokens *t,
                   const struct weight_state *w)
{
    const struct layer_params *p = &d->params->layer[i];
    struct norm_at norm1 = layer_norm1(d, s, i);
    void *d_qkv = w ? w->d_qkv : d->d_qkv;
    const void *d_out = d->config->parallel_residual ? d->d_x_other : d->d_x;
    const void *dy = gathered(d, d_out, t);
    int64_t n = t->count;

    if (w) {
        set_aside(d, w->d_out, d_out, t->rows, d->hidden);
        set_aside(d, w->context, s->context, n, d->query);
        linear_backward_input(d, d->d_narrow, dy, p->output, n);
    } else {
        linear_backward(d, d->d_narrow, dy, s->context, p->output, p->output_bias, n);
    }
    attention_all_backward(d, s, t, d->d_narrow, d_qkv);
    rotary_apply(d, d_qkv, true, n);
    qk_norm_backward(d, s, i, d_qkv, n);
    if (w) {
        linear_backward_input(d, d->d_h, d_qkv, p->qkv, n);
    } else {
        norm_all(d, &norm1, d->d_h, NULL, s->x, NULL, t);
        linear_backward(d, d->d_h, d_qkv, d->d_h, p->qkv, p->qkv_bias, n);
    }
    norm_all_backward(d, &norm1, d->d_x_other, d->d_h, d->d_x, s->x, t);
    swap_d_x(d);
}

void
layer_backward(struct decoder *d, const struct layer_state *s, int i, const struct tokens *t,
               const struct weight_state *w)
{
    d->first = d->first_of[config_windowed(d->config, i)];
    layer_again(d, s, i, t);
    if (d->params->layer[i].router >= 0)
        experts_backward(d, s, i, t);
    else
        mlp_backward(d, s, i, t, w);
    attention_backward(d, s, i, t, w);
}

/* The products that layer_backward left out, in its order. */
void
layer_backward_weight(struct decoder *d, const struct layer_state *s, int i,
                      const struct tokens *t, const struct weight_state *w)
{
    const struct layer_params *p = &d->params->layer[i];
    struct norm_at norm1 = layer_norm1(d, s, i), norm2 = layer_norm2(d, s, i);
    int64_t n = t->count;

    if (p->router < 0) {
        linear_backward_weight(d, gathered(d, w->d_down, t), w->inner, p->down, p->down_bias, n);
        norm_all(d, &norm2, d->d_h, NULL, norm2_input(d, s, w->x_mid ? w->x_mid : s->x_mid), NULL, t);
        linear_backward_weight(d, w->d_up ? w->d_up : s->up, d->d_h, p->up, p->up_bias, n);
    }
    linear_backward_weight(d, gathered(d, w->d_out, t), w->context ? w->context : s->context,
                           p->output, p->output_bias, n);
    norm_all(d, &norm1, d->d_h, NULL, s->x, NULL, t);
    linear_backward_weight(d, w->d_qkv, d->d_h, p->qkv, p->qkv_bias, n);
}
