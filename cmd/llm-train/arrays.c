/* Master weights and moments: where they lie, and which of them this rank updates. */
#include "cmd/llm-train/arrays.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/llm-train/gradients.h"
#include "cmd/llm-train/train.h"
#include "parallel/weights.h"

/* Elements of the runs that `rank` owns. */
static int64_t
owned_elements(const struct reduced_run *runs, int n)
{
    int64_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += runs[i].end - runs[i].begin;
    return sum;
}

/* Elements of runs that are not of frozen tensors, which have no moments; a gap goes with what is before it. */
static int64_t
trained_elements(const struct params *p, const struct reduced_run *runs, int n)
{
    int64_t sum = 0;

    for (int k = 0; k < n; k++)
        for (int i = 0; i < p->count; i++) {
            int64_t begin = p->param[i].offset;
            int64_t end = i + 1 < p->count ? p->param[i + 1].offset : p->elements;
            begin = begin > runs[k].begin ? begin : runs[k].begin;
            end = end < runs[k].end ? end : runs[k].end;
            sum += p->param[i].frozen || end < begin ? 0 : end - begin;
        }
    return sum;
}

static int64_t
owned_by(const struct slices *s, const struct params *p, int owner, int64_t *trained)
{
    int n;
    const struct reduced_run *own = slices_of(s, owner, &n);

    *trained += trained_elements(p, own, n);
    return owned_elements(own, n);
}

/* The same of all that a part has. */
static int64_t
trained_of_part(const struct params *p)
{
    return trained_elements(p, &(struct reduced_run){.begin = 0, .end = p->elements}, 1);
}

/* Bytes from the arena, which may only count. */
static void
carve(struct state *s, struct arena *a, size_t elements, size_t trained, size_t act_size)
{
    s->master = s->flat || !s->fp32 ? arena_take_array(a, elements, sizeof *s->master) : NULL;
    s->m = arena_take_array(a, trained, sizeof *s->m);
    s->v = arena_take_array(a, trained, sizeof *s->v);
    s->act = s->flat && !s->fp32 ? arena_take_array(a, elements, act_size) : NULL;
}

static size_t
act_size_of(const struct trainer *t)
{
    return t->kernels->ops[PRECISION_BF16].act_size;
}

static bool
fp32_alone(const struct trainer *t)
{
    return precision_mask(&t->precisions) == 1u << PRECISION_FP32;
}

/* Is all of the part on this rank? Else its own runs alone. */
static bool
holds_all(const struct layout *l)
{
    return l->zero == 0 || l->deal_size * l->size[AXIS_CONTEXT] == 1;
}

void
arrays_plan(const struct trainer *t, const struct layout *l, const struct params *p,
            struct array_memory *m)
{
    struct state s = {.flat = holds_all(l), .fp32 = fp32_alone(t)};
    struct arena a = {0};
    int64_t elements = p->elements, trained = 0;

    *m = (struct array_memory){0};
    if (!s.flat) {
        bool apart = l->size[AXIS_EXPERT] > 1;
        struct slices dense, experts = {0};
        struct weights_memory w;
        int leaf = trainer_cut(l, p, false, &dense), expert_leaf = 0;
        elements = owned_by(&dense, p, leaf, &trained);
        if (apart) {
            expert_leaf = trainer_cut(l, p, true, &experts);
            elements += owned_by(&experts, p, expert_leaf, &trained);
        }
        weights_plan(p, &dense, leaf, apart ? &experts : NULL, expert_leaf,
                     s.fp32 ? sizeof(float) : act_size_of(t), l->zero, options.hosts == NULL, &w);
        m->act = w.act + w.vectors + w.gathered;
        m->mapped = w.mapped;
        slices_release(&dense);
        slices_release(&experts);
    }
    if (s.flat)
        trained = trained_of_part(p);
    carve(&s, &a, (size_t)elements, (size_t)trained, act_size_of(t));
    m->moments = 2 * (uint64_t)trained * sizeof(float);
    m->master = s.flat || !s.fp32 ? (uint64_t)elements * sizeof(float) : 0;
    m->total = a.used + m->act;
    m->act += a.used - m->moments - m->master;
    if (!s.flat && s.fp32) { /* what is computed with is the master weights themselves */
        m->master = m->act;
        m->act = 0;
    }
}

/* The runs of what this rank updates: its own, or everybody's. */
static void
list_runs(struct trainer *t)
{
    struct state *s = &t->state_arrays;

    s->at = trainer_runs(t, s->flat, &s->runs);
    s->run = mem_zarray((size_t)s->runs + 1, sizeof *s->run);
}

static int
make_weights(struct trainer *t)
{
    struct state *s = &t->state_arrays;
    struct weights_options o = {
        .comm = t->layout.dense,
        .params = &t->params,
        .dense = t->reducer,
        .expert_comm = t->expert_reducer ? (t->layout.experts ? t->layout.experts : comm_single()) : NULL,
        .expert = t->expert_reducer,
        .act_size = s->fp32 ? sizeof(float) : act_size_of(t),
        .zero = t->layout.zero,
        .pool = t->pool,
    };

    s->weights = weights_new(&o);
    return s->weights ? 0 : -1;
}

int
arrays_make(struct trainer *t)
{
    struct state *s = &t->state_arrays, counted;
    struct arena count = {0};
    int64_t elements = t->params.elements, trained = trained_of_part(&t->params);

    s->flat = holds_all(&t->layout);
    s->fp32 = fp32_alone(t);
    list_runs(t);
    if (!s->flat) {
        elements = owned_elements(s->at, s->runs);
        trained = trained_elements(&t->params, s->at, s->runs);
    }
    counted = *s;
    carve(&counted, &count, (size_t)elements, (size_t)trained, act_size_of(t));
    if (arena_init(&s->arena, count.used) < 0)
        return -1;
    carve(s, &s->arena, (size_t)elements, (size_t)trained, act_size_of(t));
    return s->flat ? 0 : make_weights(t);
}

void
arrays_release(struct trainer *t)
{
    struct state *s = &t->state_arrays;

    weights_free(s->weights);
    arena_release(&s->arena);
    free(s->at);
    free(s->run);
    *s = (struct state){0};
}

uint64_t
arrays_bytes(const struct trainer *t)
{
    const struct state *s = &t->state_arrays;

    return s->arena.size + (s->weights ? weights_bytes(s->weights) : 0);
}

/* Pointers of all runs, in the precision in force. */
void
arrays_set_runs(struct trainer *t)
{
    struct state *s = &t->state_arrays;
    bool copies = t->precision != PRECISION_FP32;
    int64_t at = 0, moments = 0;

    for (int i = 0; i < s->runs; i++) {
        const struct reduced_run *r = &s->at[i];
        bool frozen = trainer_run_is_frozen(t, r);
        int64_t own = s->flat ? r->begin : at;
        void *act = NULL;
        if (copies)
            act = s->flat ? (char *)s->act + (size_t)own * act_size_of(t) : weights_act(s->weights, r->begin);
        s->run[i] = (struct optimizer_run){
            .first = r->block,
            .last = r->block_end,
            .master = s->master ? s->master + own : weights_act(s->weights, r->begin),
            .m = frozen ? NULL : s->m + moments,
            .v = frozen ? NULL : s->v + moments,
            .act = act,
        };
        at += r->end - r->begin;
        moments += frozen ? 0 : r->end - r->begin;
    }
}

/* ---- checkpoints and first weights ---- */

/* A run's array as if it were the part's flat one: element 0 may lie before it. NULL stays NULL. */
static float *
as_flat(float *run, int64_t begin)
{
    if (!run)
        return NULL;
    return (float *)((uintptr_t)run - (uintptr_t)begin * sizeof *run); /* NOLINT: not read there */
}

/* The run with a block; both lists ascend, so the search goes on where it ended. */
static const struct reduced_run *
run_with(const struct state *s, int64_t block, int *index)
{
    while (s->at[*index].block_end <= block)
        (*index)++;
    return &s->at[*index];
}

void
arrays_list_held(const struct trainer *t, struct held_list *out)
{
    const struct state *s = &t->state_arrays;
    int n;
    struct reduced_run *own = trainer_runs(t, false, &n);

    for (int i = 0, k = 0; i < n; i++) {
        const struct reduced_run *at = run_with(s, own[i].block, &k);
        const float *const arrays[CHECKPOINT_ARRAYS] = {as_flat(s->run[k].master, at->begin),
                                                        as_flat(s->run[k].m, at->begin),
                                                        as_flat(s->run[k].v, at->begin)};
        held_add_blocks(out, &t->params, own[i].block, own[i].block_end, arrays);
    }
    free(own);
}

void
arrays_list_wanted(const struct trainer *t, struct wanted_list *out)
{
    const struct state *s = &t->state_arrays;

    for (int i = 0; i < s->runs; i++) {
        int64_t begin = s->at[i].begin;
        float *const arrays[CHECKPOINT_ARRAYS] = {as_flat(s->run[i].master, begin),
                                                  as_flat(s->run[i].m, begin),
                                                  as_flat(s->run[i].v, begin)};
        wanted_add_blocks(out, &t->params, s->at[i].block, s->at[i].block_end, arrays);
    }
}

struct fill_job {
    const struct trainer *t;
    const struct optimizer_run *run;
    int64_t begin;
};

static int
fill_block(void *arg, size_t cell, int worker)
{
    const struct fill_job *j = arg;
    struct param_block b;

    (void)worker;
    params_block(&j->t->params, j->run->first + (int64_t)cell, &b);
    const struct param *p = &j->t->params.param[b.param];
    const struct params_init how = {(uint64_t)common.seed, options.init_std, (enum init_method)options.init_method};
    params_fill(NULL, p, &j->t->config, &how, b.offset - p->offset, b.size,
                j->run->master + (b.offset - j->begin));
    return 0;
}

void
arrays_initialize(struct trainer *t)
{
    const struct state *s = &t->state_arrays;

    for (int i = 0; i < s->runs; i++) {
        struct fill_job job = {t, &s->run[i], s->at[i].begin};
        threads_run(t->pool, (size_t)(s->run[i].last - s->run[i].first), fill_block, &job);
    }
}

void
arrays_set_tensor(struct trainer *t, int param, const float *values)
{
    const struct state *s = &t->state_arrays;

    for (int i = 0; i < s->runs; i++)
        for (int64_t b = s->run[i].first; b < s->run[i].last; b++) {
            struct extent e[BLOCK_EXTENTS];
            int n = params_block_extents(&t->params, b, e);
            for (int k = 0; k < n && e[k].param == param; k++)
                for (int64_t r = 0; r < e[k].repeat; r++)
                    memcpy(s->run[i].master + (e[k].local - s->at[i].begin) + r * e[k].count,
                           values + e[k].offset + r * e[k].stride, (size_t)e[k].count * sizeof *values);
        }
}

/* ---- what the decoder reads ---- */

/* Norms and biases of this rank's runs, to where all ranks read them. */
static void
copy_vectors(struct trainer *t)
{
    struct state *s = &t->state_arrays;
    float *vectors = weights_vectors(s->weights);

    for (int i = 0; i < s->runs; i++)
        for (int64_t b = s->run[i].first; b < s->run[i].last; b++) {
            struct param_block block;
            params_block(&t->params, b, &block);
            const struct param *p = &t->params.param[block.param];
            if (p->vector >= 0)
                memcpy(vectors + p->vector + (block.offset - p->offset),
                       s->run[i].master + (block.offset - s->at[i].begin),
                       (size_t)block.size * sizeof *vectors);
        }
}

int
arrays_begin_update(struct trainer *t)
{
    return t->state_arrays.weights ? weights_publish_begin(t->state_arrays.weights) : 0;
}

/* The decoder's weights from what the runs hold now. */
int
arrays_end_update(struct trainer *t)
{
    struct state *s = &t->state_arrays;

    if (s->flat) {
        decoder_set_weights(t->decoder, t->precision == PRECISION_FP32 ? s->master : s->act, s->master);
        return 0;
    }
    copy_vectors(t);
    if (weights_publish(s->weights) < 0)
        return -1;
    const struct weight_source *source = weights_source(s->weights);
    decoder_set_part_weights(t->decoder, source ? NULL : weights_act(s->weights, 0),
                             weights_vectors(s->weights), source);
    return 0;
}

/* Master weights were set anew: the copies, too. */
int
arrays_publish(struct trainer *t)
{
    struct state *s = &t->state_arrays;
    const struct ops *ops = &t->kernels->ops[t->precision];

    if (arrays_begin_update(t) < 0)
        return -1;
    for (int i = 0; i < s->runs; i++)
        if (s->run[i].act)
            ops->to_act(s->run[i].act, s->run[i].master, s->at[i].end - s->at[i].begin);
    return arrays_end_update(t);
}
