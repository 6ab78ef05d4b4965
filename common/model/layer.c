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

/* From h1 to inner: all of the layer but its first norm and its last matrix. */
static void
layer_body(const struct decoder *d, int i, const struct tokens *t)
{
    const struct layer_params *p = &d->params->layer[i];
    const struct layer_state *s = &d->layer[i];
    struct norm_at norm2 = layer_norm2(d, i);

    linear_forward(d, s->qkv, s->h1, p->qkv, p->qkv_bias, t->count);
    rotary_apply(d, s->qkv, d->cos_sin, false, t->count);
    attention_all_forward(d, s, t);
    linear_forward(d, d->delta, s->context, p->output, p->output_bias, t->count);

    norm_forward(d, &norm2, s->h2, s->x_mid, s->x, d->delta, t->count);
    linear_forward(d, s->up, s->h2, p->up, p->up_bias, t->count);
    mlp_inner_forward(d, s->inner, s->up, t->count);
}

/* x: the previous layer's x_mid, to which d->delta is added (layer 0: NULL, s->x holds the
 * embeddings). */
void
layer_forward(const struct decoder *d, int i, const void *x, const struct tokens *t)
{
    const struct layer_params *p = &d->params->layer[i];
    const struct layer_state *s = &d->layer[i];
    struct norm_at norm1 = layer_norm1(d, i);

    norm_forward(d, &norm1, s->h1, s->x, x ? x : s->x, x ? d->delta : NULL, t->count);
    layer_body(d, i, t);
    linear_forward(d, d->delta, s->inner, p->down, p->down_bias, t->count);
}

/* Full recomputation: everything the backward pass wants, from s->x. The same bits as before. */
void
layer_again(const struct decoder *d, int i, const struct tokens *t)
{
    const struct layer_state *s = &d->layer[i];
    struct norm_at norm1 = layer_norm1(d, i);

    norm_forward(d, &norm1, s->h1, NULL, s->x, NULL, t->count);
    layer_body(d, i, t);
}

static void
swap_d_x(struct decoder *d)
{
    void *swap = d->d_x;

    d->d_x = d->d_x_other;
    d->d_x_other = swap;
}

void
layer_backward(struct decoder *d, int i, const struct tokens *t, void *grads)
{
    const struct layer_params *p = &d->params->layer[i];
    const struct layer_state *s = &d->layer[i];
    struct norm_at norm1 = layer_norm1(d, i), norm2 = layer_norm2(d, i);
    int64_t n = t->count;

    linear_backward(d, d->d_narrow, d->d_x, s->inner, p->down, p->down_bias, n, grads);
    mlp_inner_backward(d, d->d_broad, s->up, d->d_narrow, n);
    linear_backward(d, d->d_h, d->d_broad, s->h2, p->up, p->up_bias, n, grads);
    norm_backward(d, &norm2, d->d_x_other, d->d_h, d->d_x, s->x_mid, n, grads);
    swap_d_x(d);

    linear_backward(d, d->d_narrow, d->d_x, s->context, p->output, p->output_bias, n, grads);
    attention_all_backward(d, s, t, d->d_narrow, d->d_broad);
    rotary_apply(d, d->d_broad, d->cos_sin, true, n);
    linear_backward(d, d->d_h, d->d_broad, s->h1, p->qkv, p->qkv_bias, n, grads);
    norm_backward(d, &norm1, d->d_x_other, d->d_h, d->d_x, s->x, n, grads);
    swap_d_x(d);
}
