#include <math.h>

#include "model/walk.h"

/*
 * Causal attention within a document's piece: a cell is one sequence's group of query
 * heads with their key/value head. Forward 2 query_dim S (S + 1) flops a sequence, memory linear in
 * S.
 */

struct attention_job {
    const struct decoder *d;
    const struct layer_state *s;
    const struct tokens *t;
    const void *d_context; /* NULL: forward */
    void *d_qkv;
};

struct attention
attention_group(const struct decoder *d, const struct layer_state *s, const struct tokens *t,
                int64_t sequence, int64_t head, int worker)
{
    int64_t head_dim = d->config->head_dim, length = t->length, row = sequence * length;
    int64_t query = head * d->group * head_dim, key = d->query + head * head_dim;
    const void *qkv = act_at(d, s->qkv, row * d->qkv);

    return (struct attention){
        .queries = length,
        .keys = length,
        .heads = d->group,
        .head_dim = head_dim,
        .first = d->first + row,
        .scale = 1 / sqrt((double)head_dim),
        .q = act_at_const(d, qkv, query),
        .q_stride = d->qkv,
        .k = act_at_const(d, qkv, key),
        .v = act_at_const(d, qkv, key + d->kv),
        .kv_stride = d->qkv,
        .out = act_at(d, s->context, row * d->query + query),
        .out_stride = d->query,
        .lse = wide_at(d, s->lse, (sequence * d->heads + head * d->group) * length),
        .lse_stride = length,
        .largest = d->largest_now ? d->largest_now + worker : NULL,
        .scratch = d->attention_scratch + (size_t)worker * d->attention_scratch_each,
    };
}

static int
forward_group(void *arg, size_t cell, int worker)
{
    const struct attention_job *j = arg;
    int64_t heads = j->d->kv_heads;
    struct attention a =
        attention_group(j->d, j->s, j->t, (int64_t)cell / heads, (int64_t)cell % heads, worker);

    j->d->ops->attention_forward(&a);
    return 0;
}

static int
backward_group(void *arg, size_t cell, int worker)
{
    const struct attention_job *j = arg;
    const struct decoder *d = j->d;
    int64_t heads = d->kv_heads, head_dim = d->config->head_dim;
    int64_t sequence = (int64_t)cell / heads, head = (int64_t)cell % heads;
    int64_t row = sequence * j->t->length;
    int64_t query = head * d->group * head_dim, key = d->query + head * head_dim;
    struct attention a = attention_group(d, j->s, j->t, sequence, head, worker);
    void *d_qkv = act_at(d, j->d_qkv, row * d->qkv);

    a.d_out = act_at_const(d, j->d_context, row * d->query + query);
    a.d_q = act_at(d, d_qkv, query);
    a.d_k = act_at(d, d_qkv, key);
    a.d_v = act_at(d, d_qkv, key + d->kv);
    a.dq_stride = a.dkv_stride = d->qkv;
    d->ops->attention_backward(&a);
    return 0;
}

/* context from qkv (rotated), for every sequence and key/value head. */
void
attention_all_forward(struct decoder *d, const struct layer_state *s, int layer,
                      const struct tokens *t)
{
    struct attention_job job = {.d = d, .s = s, .t = t};

    if (d->watching)
        d->largest_now = d->largest + (int64_t)layer * threads_count(d->pool);
    if (walking(d))
        walk_attention(d, s, layer);
    else if (d->ring)
        ring_forward(d, s, t);
    else
        run_cells(d, t->sequences * d->kv_heads, 1, forward_group, &job);
    d->largest_now = NULL;
}

/* ---- the largest logits ---- */

void
decoder_watch_logits(struct decoder *d, bool on)
{
    int64_t n = d->config->num_hidden_layers * threads_count(d->pool);

    d->watching = on;
    for (int64_t i = 0; on && i < n; i++)
        d->largest[i] = -INFINITY;
}

float
decoder_largest_logit(const struct decoder *d, int layer)
{
    int workers = threads_count(d->pool);
    float most = -INFINITY;

    for (int w = 0; w < workers; w++)
        most = fmaxf(most, d->largest[(int64_t)layer * workers + w]);
    return most;
}

/* d_qkv (still rotated) from d_context. */
void
attention_all_backward(struct decoder *d, const struct layer_state *s, const struct tokens *t,
                       const void *d_context, void *d_qkv)
{
    struct attention_job job = {.d = d, .s = s, .t = t, .d_context = d_context, .d_qkv = d_qkv};

    if (d->ring)
        ring_backward(d, s, t, d_context, d_qkv);
    else
        run_cells(d, t->sequences * d->kv_heads, 1, backward_group, &job);
}
