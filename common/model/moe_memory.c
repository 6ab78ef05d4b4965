#include <stdlib.h>

#include "base/mem.h"
#include "model/moe_impl.h"

/*
 * Memory of layers with experts: for the most rows that the router can send, so that nothing is
 * taken in a step. A rank of a group of e holds rows for e T min(k, experts held).
 */

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

bool
moe_keeps_router(const struct decoder *d)
{
    return d->options.training && d->options.recompute != RECOMPUTE_FULL;
}

bool
moe_keeps_up(const struct decoder *d)
{
    return d->options.training && d->options.recompute == RECOMPUTE_NONE;
}

void
moe_carve_layer(struct decoder *d, struct moe_state *s)
{
    *s = d->moe->common;
    if (moe_keeps_router(d))
        take_router(d, s);
    if (moe_keeps_up(d))
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
    if (!moe_keeps_router(d))
        take_router(d, &m->common);
    if (!moe_keeps_up(d))
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
