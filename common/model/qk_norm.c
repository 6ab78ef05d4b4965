#include <string.h>

#include "model/decoder_impl.h"

/*
 * An RMS norm of each head of the queries and of the keys, before rotary (Henry et al., 2020, in the
 * form of Qwen 3): one weight [head_dim] for all heads of queries, one for those of keys.
 */

void
qk_norm_carve_layer(struct decoder *d, struct layer_state *s)
{
    size_t tokens = (size_t)d->capacity;

    if (!d->config->qk_norm)
        return;
    s->qk_raw = arena_take_array(&d->arena, tokens * (size_t)(d->query + d->kv), d->ops->act_size);
    s->qk_rstd = arena_take_array(&d->arena, tokens * (size_t)(d->heads + d->kv_heads),
                                  d->ops->wide_size);
}

void
qk_norm_carve(struct decoder *d)
{
    size_t workers = (size_t)threads_count(d->pool), dim = (size_t)d->config->head_dim;

    if (!d->config->qk_norm)
        return;
    d->qk_line = arena_take_array(&d->arena, workers * (size_t)d->query, d->ops->act_size);
    d->qk_d_weight = arena_take_array(&d->arena, workers * dim, d->ops->wide_size);
}

struct qk_job {
    const struct decoder *d;
    const struct layer_state *s;
    int layer;
    void *qkv; /* forward: the heads, in place; backward: their gradients, in place */
    int64_t tokens;
};

/* Queries, then keys. */
enum { PARTS = 2 };

struct qk_part {
    int weight;
    int64_t column, heads; /* first element in a row of qkv; how many heads */
};

static struct qk_part
part_of(const struct decoder *d, int layer, int k)
{
    const struct layer_params *p = &d->params->layer[layer];

    return k == 0 ? (struct qk_part){p->query_norm, 0, d->heads}
                  : (struct qk_part){p->key_norm, d->query, d->kv_heads};
}

static void *
rstd_of(const struct qk_job *j, int64_t row, int part)
{
    const struct decoder *d = j->d;

    return wide_at(d, j->s->qk_rstd, row * (d->heads + d->kv_heads) + (part ? d->heads : 0));
}

static int
forward_rows(void *arg, size_t cell, int worker)
{
    const struct qk_job *j = arg;
    const struct decoder *d = j->d;
    int64_t row = (int64_t)cell * ROW_CELL, end = row + rows_of_cell(cell, ROW_CELL, j->tokens);
    int64_t both = d->query + d->kv;

    (void)worker;
    for (; row < end; row++) {
        void *qkv = act_at(d, j->qkv, row * d->qkv), *raw = act_at(d, j->s->qk_raw, row * both);

        memcpy(raw, qkv, (size_t)both * d->ops->act_size);
        for (int k = 0; k < PARTS; k++) {
            struct qk_part p = part_of(d, j->layer, k);

            d->ops->rms_norm_forward(act_at(d, qkv, p.column), NULL, rstd_of(j, row, k),
                                     act_at(d, raw, p.column), NULL, weight_wide(d, p.weight),
                                     p.heads, d->config->head_dim, d->config->norm_eps);
        }
    }
    return 0;
}

void
qk_norm_forward(const struct decoder *d, const struct layer_state *s, int layer, int64_t tokens)
{
    struct qk_job job = {.d = d, .s = s, .layer = layer, .qkv = s->qkv, .tokens = tokens};

    if (d->config->qk_norm)
        run_cells(d, tokens, ROW_CELL, forward_rows, &job);
}

/* The heads of one token; the sum of the weight's gradient over them is added to `sum`. */
static void
backward_part(const struct qk_job *j, int64_t row, int k, void *line, void *d_weight, void *sum)
{
    const struct decoder *d = j->d;
    struct qk_part p = part_of(d, j->layer, k);
    int64_t dim = d->config->head_dim;
    void *d_heads = act_at(d, j->qkv, row * d->qkv + p.column);
    const void *raw = act_at(d, j->s->qk_raw, row * (d->query + d->kv) + p.column);
    void *rstd = rstd_of(j, row, k);

    for (int64_t at = 0; at < p.heads; at += REDUCE_ROWS) {
        int64_t heads = p.heads - at < REDUCE_ROWS ? p.heads - at : REDUCE_ROWS;

        d->ops->rms_norm_backward(line, d_weight, act_at(d, d_heads, at * dim), NULL,
                                  act_at_const(d, raw, at * dim), wide_at(d, rstd, at),
                                  weight_wide(d, p.weight), heads, dim);
        memcpy(act_at(d, d_heads, at * dim), line, (size_t)(heads * dim) * d->ops->act_size);
        d->ops->add_wide(sum, d_weight, dim);
    }
}

/* One reduction block. Partial sums: all blocks of the queries', then all of the keys'. */
static int
backward_block(void *arg, size_t cell, int worker)
{
    const struct qk_job *j = arg;
    const struct decoder *d = j->d;
    int64_t dim = d->config->head_dim, blocks = reduce_blocks(j->tokens);
    int64_t row = (int64_t)cell * REDUCE_ROWS;
    int64_t end = row + rows_of_cell(cell, REDUCE_ROWS, j->tokens);
    void *line = act_at(d, d->qk_line, worker * d->query);
    void *d_weight = wide_at(d, d->qk_d_weight, worker * dim);

    for (int k = 0; k < PARTS; k++) {
        void *sum = wide_at(d, d->partials, (k * blocks + (int64_t)cell) * dim);

        memset(sum, 0, (size_t)dim * d->ops->wide_size);
        for (int64_t r = row; r < end; r++)
            backward_part(j, r, k, line, d_weight, sum);
    }
    return 0;
}

void
qk_norm_backward(const struct decoder *d, const struct layer_state *s, int layer, void *d_qkv,
                 int64_t tokens)
{
    struct qk_job job = {.d = d, .s = s, .layer = layer, .qkv = d_qkv, .tokens = tokens};
    int64_t dim = d->config->head_dim, blocks = reduce_blocks(tokens);

    if (!d->config->qk_norm)
        return;
    run_cells(d, tokens, REDUCE_ROWS, backward_block, &job);
    for (int k = 0; k < PARTS; k++) {
        if (!has_gradient(d, part_of(d, layer, k).weight))
            continue;
        reduce_partials(d, gradient_at(d, part_of(d, layer, k).weight, NULL),
                        wide_at(d, d->partials, k * blocks * dim), blocks, dim);
    }
}
