/* How long a step of a planned run takes: the work of its stages, run through the schedule on paper. */
#include "cmd/llm-train/plan_time.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cmd/llm-train/plan_work.h"
#include "cmd/llm-train/tensors.h"
#include "cmd/llm-train/train.h"

/* ---- behind the passes: reduction and update ---- */

struct tail {
    double gradients, weights, update;
    struct plan_bytes bytes;
    struct plan_messages messages;
};

/* Of one kind of tensors, so many elements, reduced along one way. */
static void
add_reduction(const struct plan_rank *r, const struct way *w, double elements, struct tail *out)
{
    const struct layout *l = r->l;
    double size = options.grad_reduce_in_bf16 ? 2 : r->wide,
           times = l->zero == 3 ? 2 * (double)l->micros : 1;
    bool parts = l->zero > 0 && w->size > 1;
    double owned = parts ? elements / w->size : elements;

    /* Gradient read for the norm; it, weights and moments read, these written; the copy written. */
    if (r->update > 0)
        out->update += owned *
                       (r->wide + 4 * r->wide + 3 * r->wide + (r->act < r->wide ? r->act : 0)) /
                       r->update;
    if (w->size == 1)
        return;
    out->gradients += parts ? way_scatter(w, elements * size) : way_all_reduce(w, elements * size);
    out->bytes.gradients += elements * size;
    out->messages.gradients += (parts ? 1 : 2) * (w->size - 1);
    if (!parts)
        return;
    out->weights += times * way_scatter(w, elements * r->act);
    out->bytes.weights += times * elements * r->act;
    out->messages.weights += times * (w->size - 1);
}

static void
tail_of(const struct plan_rank *r, const struct params *p, struct tail *out)
{
    double dense = 0, experts = 0;

    for (int i = 0; i < p->count; i++) {
        bool apart = r->l->size[AXIS_EXPERT] > 1 && p->param[i].expert >= 0;
        if (p->param[i].frozen)
            continue;
        *(apart ? &experts : &dense) += (double)p->param[i].size;
    }
    *out = (struct tail){0};
    add_reduction(r, &r->dense, dense, out);
    if (experts > 0)
        add_reduction(r, &r->experts, experts, out);
}

/* ---- stages ---- */

/* The share of a piece's matrices that are trained: the others have no gradient. */
static double
trained_share(const struct params *whole, const struct model_piece *piece)
{
    double trained = 0, all = 0;

    for (int i = 0; i < whole->count; i++) {
        const struct param *p = &whole->param[i];
        if (p->kind != PARAM_MATRIX || p->layer < piece->begin || p->layer >= piece->end)
            continue;
        all += (double)p->size;
        trained += p->frozen ? 0 : (double)p->size;
    }
    return all > 0 ? trained / all : 1;
}

/* Seconds of every piece's passes of one micro-batch. */
static void
plan_pieces(const struct trainer *t, const struct plan_rank *r, struct passes *of)
{
    const struct layout *l = r->l;
    bool frozen = tensors_trained(t) < t->whole.parameters;

    for (int i = 0; i < l->stages.stages * l->chunks; i++) {
        const struct model_piece *piece = &l->stages.piece[i];
        struct work weight;
        plan_piece(r, piece, l->recompute[i % l->stages.stages], &of[i]);
        if (!frozen)
            continue;
        weight = of[i].weight;
        of[i].weight = (struct work){0};
        work_add(&of[i].weight, &weight, trained_share(&t->whole, piece));
    }
}

struct stage {
    struct work work;      /* of one micro-batch, all passes */
    double busy, backward; /* seconds: of all micro-batches; of one's last pass */
    struct tail tail;
};

static void
stage_of(const struct trainer *t, const struct plan_rank *r, const struct passes *of, int stage,
         struct stage *out)
{
    const struct layout *l = r->l;
    struct model_piece *piece = mem_zarray((size_t)l->chunks, sizeof *piece);
    struct model_part part = l->part;
    struct params p;

    *out = (struct stage){0};
    for (int c = 0; c < l->chunks; c++) {
        const struct passes *one = &of[c * l->stages.stages + stage];
        work_add(&out->work, &one->forward, 1);
        work_add(&out->work, &one->input, 1);
        work_add(&out->work, &one->weight, 1);
        out->backward += work_seconds(&one->input) + work_seconds(&one->weight);
    }
    out->busy = work_seconds(&out->work) * l->micros;
    pipeline_stage_pieces(&l->stages, stage, piece);
    part.piece = piece;
    if (tensors_init_part(t, &p, &part) == 0) {
        tail_of(r, &p, &out->tail);
        params_release(&p);
    }
    free(piece);
}

/* Gradients on their way beside the last backward pass; of ZeRO-3, weights beside all passes. */
static void
hide(const struct plan_rank *r, struct stage *s, double *hidden)
{
    double gradients = fmin(s->tail.gradients, r->m->overlap * s->backward), weights = 0;

    if (r->l->zero == 3)
        weights = fmin(s->tail.weights, r->m->overlap * s->busy);
    s->tail.gradients -= gradients;
    s->tail.weights -= weights;
    *hidden = gradients + weights;
}

/* ---- the pipeline ---- */

/* A piece hands on its output, but for the last one; and its input's gradient, but for the first. */
static double
borders(const struct layout *l, int stage)
{
    double n = 0;

    for (int c = 0; c < l->chunks && l->stages.stages > 1; c++) {
        const struct model_piece *piece = &l->stages.piece[c * l->stages.stages + stage];
        n += !piece->head + !piece->embedding;
    }
    return n;
}

static double
border_bytes(const struct plan_rank *r)
{
    return r->tokens / (r->l->sequence_parallel ? r->split : 1) * (double)r->c->hidden_size *
           r->act;
}

/* Seconds of the table, with and without the time of messages; the share that is idle. */
static void
run_table(const struct plan_rank *r, const struct passes *of, double *seconds, double *without,
          double *idle)
{
    const struct layout *l = r->l;
    int pieces = l->stages.stages * l->chunks;
    double *cost = mem_zarray(3 * (size_t)pieces, sizeof *cost);
    struct pipeline_costs costs = {cost, cost + pieces, cost + 2 * pieces, 0};
    struct pipeline_time time = {0};

    for (int i = 0; i < pieces; i++) {
        cost[i] = work_seconds(&of[i].forward);
        cost[pieces + i] = work_seconds(&of[i].input);
        cost[2 * pieces + i] = work_seconds(&of[i].weight);
    }
    pipeline_simulate(&l->table, &costs, &time);
    *seconds = *without = time.seconds;
    *idle = time.bubble;
    if (l->stages.stages > 1) {
        costs.transfer = way_send(&r->pipeline, border_bytes(r));
        pipeline_simulate(&l->table, &costs, &time);
        *seconds = time.seconds;
    }
    free(cost);
}

static void
fill(const struct plan_rank *r, const struct stage *s, int stage, struct plan_time *out)
{
    double micros = r->l->micros, sent = borders(r->l, stage) * micros;

    out->products = s->work.products * micros;
    out->attention = s->work.attention * micros;
    out->elementwise = s->work.elementwise * micros;
    out->tensor = s->work.tensor * micros;
    out->context = s->work.context * micros;
    out->expert = s->work.expert * micros;
    out->update = s->tail.update;
    out->gradients = s->tail.gradients;
    out->weights = s->tail.weights;
    out->bytes = (struct plan_bytes){
        .tensor = s->work.bytes.tensor * micros,
        .context = s->work.bytes.context * micros,
        .expert = s->work.bytes.expert * micros,
        .pipeline = sent * border_bytes(r),
        .gradients = s->tail.bytes.gradients,
        .weights = s->tail.bytes.weights,
    };
    out->messages = (struct plan_messages){
        .tensor = s->work.messages.tensor * micros,
        .context = s->work.messages.context * micros,
        .expert = s->work.messages.expert * micros,
        .pipeline = sent,
        .gradients = s->tail.messages.gradients,
        .weights = s->tail.messages.weights,
    };
}

static struct plan_way
way_as_planned(const struct way *w)
{
    return w->size > 1 ? (struct plan_way){w->rate, w->latency} : (struct plan_way){0};
}

void
plan_time_of(const struct trainer *t, const struct layout *l, const struct machine_file *m,
             struct plan_time *out)
{
    int pieces = l->stages.stages * l->chunks;
    struct passes *of = mem_zarray((size_t)pieces, sizeof *of);
    struct plan_rank r;
    double most = -1, seconds, without, busy = 0;

    *out = (struct plan_time){0};
    plan_rank_init(&r, t, l, m);
    plan_pieces(t, &r, of);
    run_table(&r, of, &seconds, &without, &out->idle);
    for (int i = 0; i < l->stages.stages; i++) {
        struct stage s;
        double hidden;
        stage_of(t, &r, of, i, &s);
        out->operations += s.work.operations * l->micros;
        hide(&r, &s, &hidden);
        double all = s.busy + s.tail.gradients + s.tail.weights + s.tail.update;
        if (all <= most)
            continue;
        most = all;
        busy = s.busy;
        fill(&r, &s, i, out);
        out->hidden = hidden;
    }
    out->operations *= (double)l->ranks / l->stages.stages;
    out->ways = (struct plan_ways){
        .tensor = way_as_planned(&r.tensor),
        .context = way_as_planned(&r.context),
        .expert = way_as_planned(&r.expert),
        .pipeline = way_as_planned(&r.pipeline),
        .data = way_as_planned(&r.dense),
    };
    out->bubble = without - busy;
    out->pipeline = seconds - without;
    out->total = seconds + out->gradients + out->weights + out->update;
    free(of);
}

/*
 * A stage begins when the pieces before its first one have passed a micro-batch on, and works it all
 * off. What it does last is a micro-batch's first piece, which stages before it still wait for, unless
 * weights' gradients are left for the end (zero-bubble).
 */
double
plan_time_least(const struct trainer *t, const struct layout *l, const struct machine_file *m)
{
    int stages = l->stages.stages;
    struct passes *of = mem_zarray((size_t)(stages * l->chunks), sizeof *of);
    struct plan_rank r;
    double before = 0, least = 0;

    plan_rank_init(&r, t, l, m);
    plan_pieces(t, &r, of);
    for (int s = 0; s < stages; s++) {
        double busy = 0;
        for (int i = s; i < stages * l->chunks; i += stages)
            busy += work_seconds(&of[i].forward) + work_seconds(&of[i].input) + work_seconds(&of[i].weight);
        least = fmax(least, before + busy * l->micros);
        before += work_seconds(&of[s].forward);
        if (l->schedule != PIPELINE_ZERO_BUBBLE)
            before += work_seconds(&of[s].input) + work_seconds(&of[s].weight);
    }
    free(of);
    return least;
}
