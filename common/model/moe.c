#include <math.h>
#include <string.h>

#include "model/moe_impl.h"

/*
 * A layer of experts: each token's k experts, added by their weights, and the shared expert, by
 * its gate. 6 T (k inner + shared) hidden flops forward, twice that backward.
 */

/* ---- experts one by one ---- */

static int
gate_up_of(const struct decoder *d, int layer, int64_t expert)
{
    return d->params->layer[layer].experts + 2 * (int)expert;
}

/* y rows = x rows W^T, each held expert its own. `down`: of its second matrix. */
static void
experts_forward(const struct decoder *d, int layer, bool down, void *y, const void *x)
{
    const struct moe *m = d->moe;

    for (int64_t e = 0; e < m->held; e++) {
        int weight = gate_up_of(d, layer, e) + down;
        int64_t row = m->held_begin[e], n = m->held_begin[e + 1] - row;
        const struct param *w = &d->params->param[weight];

        if (n > 0)
            linear_forward(d, act_at(d, y, row * w->rows), act_at_const(d, x, row * w->columns),
                           weight, -1, n);
    }
}

static void
experts_backward_input(const struct decoder *d, int layer, void *dx, const void *dy)
{
    const struct moe *m = d->moe;

    for (int64_t e = 0; e < m->held; e++) {
        int weight = gate_up_of(d, layer, e) + 1;
        int64_t row = m->held_begin[e], n = m->held_begin[e + 1] - row;
        const struct param *w = &d->params->param[weight];

        if (n > 0)
            linear_backward_input(d, act_at(d, dx, row * w->columns),
                                  act_at_const(d, dy, row * w->rows), weight, n);
    }
}

/* An expert without a token: a gradient that is to be written first is zero. */
static void
no_gradient(const struct decoder *d, int weight)
{
    bool fresh = false;

    if (!has_gradient(d, weight))
        return;
    void *gradient = gradient_at(d, weight, &fresh);
    if (fresh)
        memset(gradient, 0, (size_t)d->params->param[weight].size * d->ops->wide_size);
}

/* The weights' gradients and, when dx is wanted (not NULL; may be x), the inputs'. */
static void
experts_backward(const struct decoder *d, int layer, bool down, void *dx, const void *dy,
                 const void *x)
{
    const struct moe *m = d->moe;

    for (int64_t e = 0; e < m->held; e++) {
        int weight = gate_up_of(d, layer, e) + down;
        int64_t row = m->held_begin[e], n = m->held_begin[e + 1] - row;
        const struct param *w = &d->params->param[weight];
        const void *dy_rows = act_at_const(d, dy, row * w->rows);
        const void *x_rows = act_at_const(d, x, row * w->columns);

        if (n == 0)
            no_gradient(d, weight);
        else if (dx)
            linear_backward(d, act_at(d, dx, row * w->columns), dy_rows, x_rows, weight, -1, n);
        else
            linear_backward_weight(d, dy_rows, x_rows, weight, -1, n);
    }
}

/* ---- the shared expert ---- */

static void
shared_up(const struct decoder *d, const struct moe_state *s, int layer, const void *h,
          int64_t tokens)
{
    const struct layer_params *p = &d->params->layer[layer];

    linear_forward(d, s->shared_up, h, p->shared_up, -1, tokens);
}

static double
sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void
shared_gate(const struct decoder *d, const struct moe_state *s, int layer, const void *h,
            int64_t tokens)
{
    linear_forward_wide(d, s->gate, h, d->params->layer[layer].shared_gate, tokens);
    for (int64_t t = 0; t < tokens; t++)
        wide_put(d, s->gate, t, sigmoid(wide_get(d, s->gate, t)));
}

/* ---- forward ---- */

/* From h to the rows of up. The routing is known. */
static void
rows_up(struct decoder *d, const struct moe_state *s, int layer, const void *h, int64_t tokens)
{
    struct moe *m = d->moe;

    rows_gather(d, m->sorted, h, tokens);
    exchange_there(d);
    experts_forward(d, layer, false, s->up, m->x);
}

static void
route(struct decoder *d, const struct moe_state *s, int64_t tokens)
{
    router_choose(d, s, tokens);
    exchange_counts(d);
    exchange_weights(d);
}

void
moe_forward(struct decoder *d, const struct moe_state *s, int layer, void *y, const void *h,
            int64_t tokens)
{
    const struct layer_params *p = &d->params->layer[layer];
    struct moe *m = d->moe;
    bool shared = p->shared_up >= 0;

    router_forward(d, s, p->router, h, tokens);
    route(d, s, tokens);
    if (d->router)
        router_count(d, s, tokens, d->router);
    rows_up(d, s, layer, h, tokens);
    rows_inner(d, m->inner_rows, s->up, m->held_weight, m->held_begin[m->held], m->inner);
    experts_forward(d, layer, true, m->x, m->inner_rows);
    exchange_back(d);
    if (shared) {
        shared_gate(d, s, layer, h, tokens);
        shared_up(d, s, layer, h, tokens);
        rows_inner(d, m->shared_inner, s->shared_up, s->gate, tokens, m->shared);
        linear_forward(d, y, m->shared_inner, p->shared_down, -1, tokens);
    }
    rows_combine(d, y, m->sorted, shared, NULL, -1, tokens);
}

/* Without recomputation only the choice is made again, from the probabilities. */
void
moe_again(struct decoder *d, const struct moe_state *s, int layer, const void *h, int64_t tokens)
{
    const struct layer_params *p = &d->params->layer[layer];
    bool shared = p->shared_up >= 0;

    if (!moe_keeps_router(d)) {
        router_forward(d, s, p->router, h, tokens);
        if (shared)
            shared_gate(d, s, layer, h, tokens);
    }
    route(d, s, tokens);
    if (moe_keeps_up(d))
        return;
    rows_up(d, s, layer, h, tokens);
    if (shared)
        shared_up(d, s, layer, h, tokens);
}

/* ---- backward ---- */

/* From the rows' gradients to their inputs', in `sorted`. */
static void
rows_backward(struct decoder *d, const struct moe_state *s, int layer, const void *d_y,
              const void *h, int64_t tokens)
{
    struct moe *m = d->moe;

    rows_gather(d, m->sorted, d_y, tokens);
    exchange_there(d);
    experts_backward_input(d, layer, m->inner_rows, m->x);
    rows_inner_backward(d, m->inner_rows, s->up, m->held_weight, m->d_held, m->held_begin[m->held],
                        m->inner);
    sum_parts(d, m->d_held, m->held_begin[m->held]);
    exchange_weights_back(d);
    experts_backward(d, layer, true, NULL, m->x, m->inner_rows);
    rows_gather(d, m->sorted, h, tokens);
    exchange_there(d);
    experts_backward(d, layer, false, m->x, s->up, m->x);
    exchange_back(d);
}

/* Through the sigmoid to the gate's logit. */
static void
gate_backward(const struct decoder *d, const struct moe_state *s, int64_t tokens)
{
    struct moe *m = d->moe;

    for (int64_t t = 0; t < tokens; t++) {
        double gate = wide_get(d, s->gate, t);

        wide_put(d, m->d_gate, t, wide_get(d, m->d_gate, t) * gate * (1 - gate));
    }
    d->ops->to_act(m->d_gate_act, m->d_gate, tokens);
}

/* Leaves the gradient of h by the shared expert's own matrices in h. */
static void
shared_backward(struct decoder *d, const struct moe_state *s, int layer, const void *d_y, void *h,
                int64_t tokens)
{
    const struct layer_params *p = &d->params->layer[layer];
    struct moe *m = d->moe;

    linear_backward_input(d, m->shared_inner, d_y, p->shared_down, tokens);
    rows_inner_backward(d, m->shared_inner, s->shared_up, s->gate, m->d_gate, tokens, m->shared);
    linear_backward_weight(d, d_y, m->shared_inner, p->shared_down, -1, tokens);
    sum_parts(d, m->d_gate, tokens);
    gate_backward(d, s, tokens);
    linear_backward_weight(d, m->d_gate_act, h, p->shared_gate, -1, tokens);
    linear_backward(d, h, s->shared_up, h, p->shared_up, -1, tokens);
}

/* The router and the shared expert's gate are the same on all tensor ranks: the first adds what comes
 * through them. */
void
moe_backward(struct decoder *d, const struct moe_state *s, int layer, const void *d_y, void *h,
             void *space, int64_t tokens)
{
    const struct layer_params *p = &d->params->layer[layer];
    struct moe *m = d->moe;
    bool shared = p->shared_up >= 0, first = tensor_rank(d) == 0;

    rows_backward(d, s, layer, d_y, h, tokens);
    router_backward(d, s, tokens);
    linear_backward_weight(d, m->d_logits_act, h, p->router, -1, tokens);
    if (shared)
        shared_backward(d, s, layer, d_y, h, tokens);
    if (first)
        linear_backward_input(d, space, m->d_logits_act, p->router, tokens);
    rows_combine(d, h, m->sorted, shared, first ? space : NULL, first ? p->shared_gate : -1,
                 tokens);
}
