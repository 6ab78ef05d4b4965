/* Where a micro-batch's gradients and losses go: the reducers' groups, and the pipeline over them. */
#include "cmd/llm-train/gradients.h"
#include "cmd/llm-train/dpo.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/llm-train/train.h"
#include "parallel/pipeline.h"

/* A reduce group of this rank, as the decoder's gradients see it. */
struct gradient_group {
    struct trainer *t;
    int index; /* from 0, of this rank's */
};

/* Tensors that only some ranks of the dense group hold. */
static bool
is_apart(const struct layout *l, const struct param *p)
{
    return l->size[AXIS_EXPERT] > 1 && p->expert >= 0;
}

static bool *
list_tensors(const struct layout *l, const struct params *p, bool apart)
{
    bool *mine = mem_zarray((size_t)p->count + 1, sizeof *mine);

    for (int i = 0; i < p->count; i++)
        mine[i] = is_apart(l, &p->param[i]) == apart;
    return mine;
}

/* Ranks that reduce the same tensors: those with the same part of the context; all, in leaf order. */
static int
owners_in_context(const struct layout *l, bool apart)
{
    return apart ? l->size[AXIS_DATA] : l->deal_size;
}

static int
leaf_of(const struct layout *l, bool apart)
{
    return l->coordinate[AXIS_CONTEXT] * owners_in_context(l, apart) +
           (apart ? l->coordinate[AXIS_DATA] : l->deal_rank);
}

int
trainer_cut(const struct layout *l, const struct params *p, bool apart, struct slices *out)
{
    bool *mine = list_tensors(l, p, apart);

    slices_cut(out, p, l->size[AXIS_EXPERT] > 1 ? mine : NULL,
               l->size[AXIS_CONTEXT] * owners_in_context(l, apart));
    free(mine);
    return leaf_of(l, apart);
}

static struct reducer_options
reducer_options_of(const struct trainer *t, const struct layout *l, const struct params *p, bool apart)
{
    int groups = l->groups * l->size[AXIS_CONTEXT];

    return (struct reducer_options){
        .params = p,
        .groups = apart ? groups / l->size[AXIS_EXPERT] : groups,
        .pool = t->pool,
        .zero = l->zero,
        .message_type = options.grad_reduce_in_bf16 ? COMM_BF16 : COMM_F32,
        .single = t->global_batch / l->groups == t->micro_batch,
    };
}

static struct reducer *
make_reducer(struct trainer *t, bool apart)
{
    const struct layout *l = &t->layout;
    struct reducer_options o = reducer_options_of(t, l, &t->params, apart);
    bool *mine = list_tensors(l, &t->params, apart);
    struct comm *comm = apart ? l->experts : l->dense;

    o.comm = comm ? comm : comm_single();
    o.mine = l->size[AXIS_EXPERT] > 1 ? mine : NULL;
    o.tied = apart ? NULL : l->tied;
    o.tied_sparse = l->coordinate[AXIS_PIPELINE] == 0;
    struct reducer *r = reducer_new(&o);
    free(mine);
    return r;
}

int
trainer_make_reducers(struct trainer *t)
{
    t->reducer = make_reducer(t, false);
    if (!t->reducer)
        return -1;
    if (t->layout.expert)
        t->expert_reducer = make_reducer(t, true);
    return t->layout.expert && !t->expert_reducer ? -1 : 0;
}

void
trainer_free_reducers(struct trainer *t)
{
    pipeline_free(t->pipeline);
    reducer_free(t->reducer);
    reducer_free(t->expert_reducer);
    free(t->gradient_group);
    t->pipeline = NULL;
    t->reducer = t->expert_reducer = NULL;
    t->gradient_group = NULL;
}

void
trainer_plan_reducers(const struct trainer *t, const struct layout *l, const struct params *p,
                      bool shared, struct reducer_memory *m)
{
    *m = (struct reducer_memory){0};
    for (int apart = 0; apart <= (l->size[AXIS_EXPERT] > 1); apart++) {
        struct reducer_options o = reducer_options_of(t, l, p, apart);
        struct reducer_memory one;
        bool *mine = list_tensors(l, p, apart);
        int among = l->size[AXIS_CONTEXT] * owners_in_context(l, apart);

        o.mine = l->size[AXIS_EXPERT] > 1 ? mine : NULL;
        reducer_plan(&o, among, leaf_of(l, apart), shared, &one);
        free(mine);
        m->gradients += one.gradients;
        m->staging += one.staging;
        m->mapped += one.mapped;
    }
}

static struct reducer *
reducer_of(const struct trainer *t, int param)
{
    if (t->expert_reducer && param < t->params.count && t->params.param[param].expert >= 0)
        return t->expert_reducer;
    return t->reducer;
}

const float *
trainer_gradient_sum(const struct trainer *t, int param, int64_t element)
{
    return reducer_sum(reducer_of(t, param), element);
}

static int
by_block(const void *a, const void *b)
{
    const struct reduced_run *x = a, *y = b;

    return (x->block > y->block) - (x->block < y->block);
}

static struct reduced_run *
add_runs(const struct reducer *r, int from, int to, struct reduced_run *list, int *n)
{
    for (int rank = from; rank < to; rank++) {
        int count;
        const struct reduced_run *runs = reducer_runs(r, rank, &count);
        list = mem_grow_array(list, (size_t)(*n + count + 1), sizeof *list);
        memcpy(list + *n, runs, (size_t)count * sizeof *runs);
        *n += count;
    }
    return list;
}

static const struct param *
param_at(const struct params *p, int64_t block)
{
    struct param_block b;

    params_block(p, block, &b);
    return &p->param[b.param];
}

bool
trainer_run_is_frozen(const struct trainer *t, const struct reduced_run *run)
{
    return param_at(&t->params, run->block)->frozen;
}

/* Where the tensors that are frozen like the one of the run's first block end; the gap behind goes with them. */
static struct reduced_run
same_kind(const struct params *p, const struct reduced_run *run)
{
    const struct param *first = param_at(p, run->block), *end = p->param + p->count;
    struct reduced_run part = *run;

    for (const struct param *i = first + 1; i < end && i->offset < run->end; i++)
        if (i->frozen != first->frozen) {
            part.block_end = i->block;
            part.end = i->offset;
            break;
        }
    return part;
}

/* One run becomes several; list is freed. */
static struct reduced_run *
split_runs(const struct params *p, struct reduced_run *list, int *n)
{
    struct reduced_run *parts = mem_array((size_t)(*n + p->count + 1), sizeof *parts);
    int count = 0;

    for (int i = 0; i < *n; i++)
        for (struct reduced_run rest = list[i]; rest.block < rest.block_end;
             rest.block = parts[count - 1].block_end, rest.begin = parts[count - 1].end)
            parts[count++] = same_kind(p, &rest);
    free(list);
    *n = count;
    return parts;
}

struct reduced_run *
trainer_runs(const struct trainer *t, bool all, int *n)
{
    const struct layout *l = &t->layout;
    const struct comm *dense = l->dense ? l->dense : comm_single();
    const struct comm *experts = l->experts ? l->experts : comm_single();
    struct reduced_run *list;

    *n = 0;
    list = add_runs(t->reducer, all ? 0 : dense->rank, all ? dense->size : dense->rank + 1, NULL, n);
    if (t->expert_reducer)
        list = add_runs(t->expert_reducer, all ? 0 : experts->rank,
                        all ? experts->size : experts->rank + 1, list, n);
    qsort(list, (size_t)*n, sizeof *list, by_block);
    return split_runs(&t->params, list, n);
}

/* ---- the pipeline's questions ---- */

static void *
at(void *arg, int param, bool *fresh)
{
    const struct gradient_group *g = arg;
    struct reducer *r = reducer_of(g->t, param);

    return reducer_at(r, reducer_groups(r).begin + g->index, param, fresh);
}

static void
ready(void *arg, int param)
{
    const struct gradient_group *g = arg;
    struct reducer *r = reducer_of(g->t, param);

    reducer_ready(r, reducer_groups(r).begin + g->index, param);
}

static int
micros_of_group(const struct trainer *t)
{
    return (int)(t->batch / t->groups / t->micro_batch);
}

static struct gradients
gradients_of(void *arg, int micro)
{
    struct trainer *t = arg;
    int each = micros_of_group(t);
    bool last = micro % each == each - 1;

    return (struct gradients){
        .arg = &t->gradient_group[micro / each],
        .at = at,
        .ready = last ? ready : NULL,
        .last = last,
    };
}

static struct batch
batch_of(void *arg, int micro)
{
    const struct trainer *t = arg;

    return feed_batch(&t->feed, micro * t->micro_batch, t->micro_batch);
}

static struct sequence_loss *
loss_of(void *arg, int micro)
{
    const struct trainer *t = arg;

    return t->mine + micro * t->micro_batch;
}

/* Its buffers are for the table of the layout. */
int
trainer_make_pipeline(struct trainer *t)
{
    const struct layout *l = &t->layout;
    int groups = l->run.end - l->run.begin;
    struct pipeline_options o = {
        .comm = l->pipeline,
        .table = &l->table,
        .decoder = t->decoder,
        .micro_batch = t->micro_batch,
        .arg = t,
        .batch = batch_of,
        .gradients = gradients_of,
        .loss = loss_of,
        .weigh = options.dpo ? dpo_weigh : NULL,
    };

    if (!t->gradient_group)
        t->gradient_group = mem_zarray((size_t)groups + 1, sizeof *t->gradient_group);
    for (int i = 0; i < groups; i++)
        t->gradient_group[i] = (struct gradient_group){t, i};
    t->pipeline = pipeline_new(&o);
    return t->pipeline ? 0 : -1;
}

int
trainer_accumulate(struct trainer *t, double scale)
{
    if (pipeline_run(t->pipeline, scale, options.z_loss) < 0)
        return -1;
    measured_mark(t, STEP_PASSES);
    if (reducer_finish(t->reducer) < 0 || (t->expert_reducer && reducer_finish(t->expert_reducer) < 0))
        return -1;
    measured_mark(t, STEP_REDUCTION);
    return 0;
}
