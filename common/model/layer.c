#include "model/decoder_impl.h"

/* One layer: x_mid = x + attention(norm(x)); the next x = x_mid + mlp(norm(x_mid)). */

struct norm_at
layer_norm1(const struct decoder *d, int i)
{
    const struct layer_params *p = &d->params->layer[i];
    const struct layer_state *s = &d->layer[i];

    return (struct norm_at){p->attention_norm, p->attention_norm_bias, s->mean1, s->rstd1};
}

struct norm_at
layer_norm2(const struct decoder *d, int i)
{
    const struct layer_params *p = &d->params->layer[i];
    const struct layer_state *s = &d->layer[i];

    return (struct norm_at){p->mlp_norm, p->mlp_norm_bias, s->mean2, s->rstd2};
}

/* From the norm's output in d->h to d->delta. */
static void
attention_forward(const struct decoder *d, int i, const struct tokens *t)
{
    const struct layer_params *p = &d->params->layer[i];
    const struct layer_state *s = &d->layer[i];

    linear_forward(d, s->qkv, d->h, p->qkv, p->qkv_bias, t->count);
    rotary_apply(d, s->qkv, d->cos_sin, false, t->count);
    attention_all_forward(d, s, t);
    linear_forward(d, d->delta, s->context, p->output, p->output_bias, t->count);
}

/* x: the previous layer's x_mid, to which d->delta is added (layer 0: NULL, s->x holds the
 * embeddings). */
void
layer_forward(const struct decoder *d, int i, const void *x, const struct tokens *t)
{
    const struct layer_params *p = &d->params->layer[i];
    const struct layer_state *s = &d->layer[i];
    struct norm_at norm1 = layer_norm1(d, i), norm2 = layer_norm2(d, i);

    norm_forward(d, &norm1, d->h, s->x, x ? x : s->x, x ? d->delta : NULL, t->count);
    attention_forward(d, i, t);
    norm_forward(d, &norm2, d->h, s->x_mid, s->x, d->delta, t->count);
    linear_forward(d, s->up, d->h, p->up, p->up_bias, t->count);
    mlp_inner_forward(d, d->inner, s->up, t->count);
    linear_forward(d, d->delta, d->inner, p->down, p->down_bias, t->count);
}

/*
 * Everything that the backward pass wants and the layer did not keep; leaves the second norm's
 * output in d->h. The same bits as before.
 */
static void
layer_again(const struct decoder *d, int i, const struct tokens *t)
{
    const struct layer_params *p = &d->params->layer[i];
    const struct layer_state *s = &d->layer[i];
    struct norm_at norm1 = layer_norm1(d, i), norm2 = layer_norm2(d, i);
    bool full = d->options.recompute == RECOMPUTE_FULL;

    if (full) {
        norm_forward(d, &norm1, d->h, NULL, s->x, NULL, t->count);
        attention_forward(d, i, t);
    }
    norm_forward(d, &norm2, d->h, s->x_mid, full ? s->x : s->x_mid, full ? d->delta : NULL,
                 t->count);
    if (d->options.recompute != RECOMPUTE_NONE)
        linear_forward(d, s->up, d->h, p->up, p->up_bias, t->count);
}

static void
swap_d_x(struct decoder *d)
{
    void *swap = d->d_x;

    d->d_x = d->d_x_other;
    d->d_x_other = swap;
}

/* A norm's output is redone in d_h just before the product that wants it, whose result then
 * takes its place. */
void
layer_backward(struct decoder *d, int i, const struct tokens *t, void *grads)
{
    const struct layer_params *p = &d->params->layer[i];
    const struct layer_state *s = &d->layer[i];
    struct norm_at norm1 = layer_norm1(d, i), norm2 = layer_norm2(d, i);
    int64_t n = t->count;

    layer_again(d, i, t);
    linear_backward_input(d, d->d_narrow, d->d_x, p->down, n);
    mlp_inner_backward(d, s->up, d->d_narrow, s->up, d->d_narrow, n);
    linear_backward_weight(d, d->d_x, d->d_narrow, p->down, p->down_bias, n, grads);
    linear_backward(d, d->d_h, s->up, d->d_h, p->up, p->up_bias, n, grads);
    norm_backward(d, &norm2, d->d_x_other, d->d_h, d->d_x, s->x_mid, n, grads);
    swap_d_x(d);

    linear_backward(d, d->d_narrow, d->d_x, s->context, p->output, p->output_bias, n, grads);
    attention_all_backward(d, s, t, d->d_narrow, d->d_qkv);
    rotary_apply(d, d->d_qkv, d->cos_sin, true, n);
    norm_forward(d, &norm1, d->d_h, NULL, s->x, NULL, n);
    linear_backward(d, d->d_h, d->d_qkv, d->d_h, p->qkv, p->qkv_bias, n, grads);
    norm_backward(d, &norm1, d->d_x_other, d->d_h, d->d_x, s->x, n, grads);
    swap_d_x(d);
}
