#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/moe_impl.h"

/*
 * A layer of experts: each token's k experts, added by their weights, and the shared expert, by
 * its gate. 6 T (k inner + shared) hidden flops forward, twice that backward.
 */

/* ---- memory ---- */

static int64_t
least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct moe *
moe_new(const struct decoder *d)
{
    const struct config *c = d->config;
    const struct model_part *part = d->options.part;

    if (c->num_experts == 0)
        return NULL;
    struct moe *m = mem_zalloc(sizeof *m);
    m->experts = c->num_experts;
    m->first = d->params->expert_begin;
    m->held = d->params->expert_end - d->params->expert_begin;
    m->per_token = c->num_experts_per_tok;
    m->inner = c->moe_intermediate_size / d->tensor_size;
    m->shared = c->shared_intermediate_size / d->tensor_size;
    m->ranks = part && part->expert_size > 1 ? part->expert_size : 1;
    m->rows = m->ranks * d->capacity * least(m->per_token, m->held);
    return m;
}

void
moe_free(struct moe *m)
{
    free(m);
}

static void *
take_act(struct decoder *d, int64_t rows, int64_t columns)
{
    return arena_take_array(&d->arena, (size_t)(rows * columns), d->ops->act_size);
}

static void *
take_wide(struct decoder *d, int64_t rows, int64_t columns)
{
    return arena_take_array(&d->arena, (size_t)(rows * columns), d->ops->wide_size);
}

static void *
take_words(struct decoder *d, int64_t n, size_t size)
{
    return arena_take_array(&d->arena, (size_t)n, size);
}

static void
carve_routing(struct decoder *d)
{
    struct moe *m = d->moe;
    int64_t entries = d->capacity * m->per_token;

    m->expert = take_words(d, entries, sizeof *m->expert);
    m->row = take_words(d, entries, sizeof *m->row);
    m->entry = take_words(d, entries, sizeof *m->entry);
    m->begin = take_words(d, m->experts + 1, sizeof *m->begin);
    m->weight = take_wide(d, entries, 1);
    m->d_weight = take_wide(d, entries, 1);
    m->pull = take_words(d, m->experts, sizeof *m->pull);
}

/* Without a group the rows of this rank are those that its experts get. */
static void
carve_rows(struct decoder *d)
{
    struct moe *m = d->moe;
    bool group = m->held < m->experts;

    m->x = m->sorted = take_act(d, m->rows, d->hidden);
    m->inner_rows = take_act(d, m->rows, m->inner);
    m->held_begin = m->begin;
    m->held_weight = m->weight;
    m->d_held = m->d_weight;
    if (!group)
        return;
    m->sorted = take_act(d, d->capacity * m->per_token, d->hidden);
    m->held_begin = take_words(d, m->held + 1, sizeof *m->held_begin);
    m->to = take_words(d, m->experts, sizeof *m->to);
    m->from = take_words(d, m->experts, sizeof *m->from);
    m->send_size = take_words(d, m->ranks, sizeof *m->size);
    m->send_offset = take_words(d, m->ranks, sizeof *m->size);
    m->size = take_words(d, m->ranks, sizeof *m->size);
    m->offset = take_words(d, m->ranks, sizeof *m->size);
    m->held_weight = take_wide(d, m->rows, 1);
    m->d_held = take_wide(d, m->rows, 1);
}

static void
take_router(struct decoder *d, struct moe_state *s)
{
    s->probs = take_wide(d, d->capacity, d->moe->experts);
    s->log_z = take_wide(d, d->capacity, 1);
    s->gate = take_wide(d, d->capacity, 1);
}

static void
take_up(struct decoder *d, struct moe_state *s)
{
    s->up = take_act(d, d->moe->rows, 2 * d->moe->inner);
    s->shared_up = take_act(d, d->capacity, 2 * d->moe->shared);
}

static bool
keeps_router(const struct decoder *d)
{
    return d->options.training && d->options.recompute != RECOMPUTE_FULL;
}

static bool
keeps_up(const struct decoder *d)
{
    return d->options.training && d->options.recompute == RECOMPUTE_NONE;
}

void
moe_carve_layer(struct decoder *d, struct moe_state *s)
{
    *s = d->moe->common;
    if (keeps_router(d))
        take_router(d, s);
    if (keeps_up(d))
        take_up(d, s);
}

void
moe_carve(struct decoder *d)
{
    struct moe *m = d->moe;
    int64_t workers = threads_count(d->pool), tokens = d->capacity;

    if (!m)
        return;
    carve_routing(d);
    carve_rows(d);
    if (!keeps_router(d))
        take_router(d, &m->common);
    if (!keeps_up(d))
        take_up(d, &m->common);
    m->line = d->hidden > 2 * m->inner ? d->hidden : 2 * m->inner;
    m->line = m->line > 2 * m->shared ? m->line : 2 * m->shared;
    m->line_act = take_act(d, workers, m->line);
    m->line_wide = take_wide(d, workers, m->line);
    m->line_other = take_wide(d, workers, m->line);
    m->shared_inner = take_act(d, tokens, m->shared);
    if (!d->options.training)
        return;
    m->d_gate = take_wide(d, tokens, 1);
    m->d_gate_act = take_act(d, tokens, 1);
    m->d_logits = take_wide(d, tokens, m->experts);
    m->d_logits_act = take_act(d, tokens, m->experts);
}

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
    router_product(d, s->gate, h, d->params->layer[layer].shared_gate, tokens);
    for (int64_t t = 0; t < tokens; t++)
        wide_put(d, s->gate, t, sigmoid(wide_get(d, s->gate, t)));
}

/* ---- forward ---- */

/* From h to the rows of up. The routing is known. */
static void
rows_up(struct decoder *d, const struct moe_state *s, int layer, const void *h,
        int64_t tokens)
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
moe_again(struct decoder *d, const struct moe_state *s, int layer, const void *h,
          int64_t tokens)
{
    const struct layer_params *p = &d->params->layer[layer];
    bool shared = p->shared_up >= 0;

    if (!keeps_router(d)) {
        router_forward(d, s, p->router, h, tokens);
        if (shared)
            shared_gate(d, s, layer, h, tokens);
    }
    route(d, s, tokens);
    if (keeps_up(d))
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
    rows_inner_backward(d, m->inner_rows, s->up, m->held_weight, m->d_held,
                        m->held_begin[m->held], m->inner);
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
shared_backward(struct decoder *d, const struct moe_state *s, int layer, const void *d_y,
                void *h, int64_t tokens)
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
moe_backward(struct decoder *d, const struct moe_state *s, int layer, const void *d_y,
             void *h, void *space, int64_t tokens)
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
    rows_combine(d, h, m->sorted, shared, first ? space : NULL, first ? p->shared_gate : -1, tokens);
}
