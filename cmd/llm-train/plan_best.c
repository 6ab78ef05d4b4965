/* --plan best: all layouts of a run, the most promising first, until none can be faster. */
#include "cmd/llm-train/plan_best.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "cmd/llm-train/ramp.h"
#include "cmd/llm-train/tensors.h"

enum { CHUNKS_MOST = 8 };

/* Does the command line itself say it? */
static bool
is_fixed(const char *name)
{
    return opt_given(&llm_train, name) && !opt_from_config(&llm_train, name);
}

/* ---- one layout ---- */

void
plan_add_recompute(const struct plan_search *s, const struct plan_choice *c, struct str *out)
{
    int stages = c->full > 0 ? c->size[AXIS_PIPELINE] : 1;

    if (c->full < 0) {
        str_adds(out, s->asked.recompute);
        return;
    }
    for (int i = 0; i < stages; i++)
        str_addf(out, "%s%s", i > 0 ? "," : "", recompute_name(i < c->full ? RECOMPUTE_FULL : c->rest));
}

/* For --rank-order; NULL: the default. */
static const char *
rank_order(const struct plan_search *s, const struct plan_choice *c)
{
    if (c->pipeline_first)
        return PLAN_PIPELINE_FIRST;
    return is_fixed("rank-order") ? s->asked.rank_order : NULL;
}

/* What --plan would be told. */
static void
apply(struct plan_search *s, const struct plan_choice *c)
{
    options.tensor_parallel = c->size[AXIS_TENSOR];
    options.context_parallel = c->size[AXIS_CONTEXT];
    options.expert_parallel = c->size[AXIS_EXPERT];
    options.pipeline_parallel = c->size[AXIS_PIPELINE];
    options.pipeline_schedule = c->size[AXIS_PIPELINE] > 1 ? pipeline_schedule_name(c->schedule) : NULL;
    options.virtual_stages = c->chunks > 1 ? c->chunks : s->asked.virtual_stages;
    options.zero = c->zero;
    options.sequence_parallel = c->sequence_parallel;
    options.rank_order = rank_order(s, c);
    s->recompute.len = 0;
    plan_add_recompute(s, c, &s->recompute);
    options.recompute = s->recompute.data;
    s->t->micro_batch = options.micro_batch = c->micro_batch;
    s->t->groups = s->groups;
}

double
plan_node_bytes(const struct plan_search *s, const struct memory_plan *m)
{
    return (double)(m->total + m->program) * fmin((double)s->t->machine->domains, s->ranks);
}

static bool
fits(const struct plan_search *s, const struct memory_plan *m)
{
    return plan_node_bytes(s, m) <= (double)s->t->machine->memory &&
           (!common.memory || m->resident <= common.memory);
}

static int
try_layout(const struct plan_search *s, struct layout *l)
{
    const struct trainer *t = s->t;

    return layout_try(l, &t->config, s->ranks, t->seq_length, t->groups, t->global_batch, t->micro_batch);
}

/* ---- families: all but ZeRO ---- */

/* What an outline does not see. */
static bool
divides(const struct plan_search *s, const struct layout *l, int64_t micro_batch)
{
    const struct trainer *t = s->t;
    int64_t tokens = micro_batch * t->seq_length / l->size[AXIS_CONTEXT];
    const struct batch_ramp *ramp = &t->length.ramp;

    if (l->sequence_parallel && tokens % l->size[AXIS_TENSOR] != 0)
        return false;
    if (ramp_check(ramp, l->groups * micro_batch) < 0)
        return false;
    for (int64_t i = 0; l->schedule == PIPELINE_INTERLEAVED && i <= ramp->sizes; i++) {
        int64_t batch = ramp->sizes > 0 ? ramp_size(ramp, i) : t->global_batch;
        int64_t micros = batch / l->groups * (l->run.end - l->run.begin) / micro_batch;
        if (micros % l->size[AXIS_PIPELINE] != 0)
            return false;
    }
    return true;
}

int
plan_look(struct plan_search *s, const struct plan_choice *c, struct plan_found *out)
{
    struct layout l;
    bool possible;

    *out = (struct plan_found){.choice = *c};
    apply(s, c);
    if (try_layout(s, &l) < 0)
        return -1;
    possible = divides(s, &l, c->micro_batch) && !trainer_misfit(s->t, &l);
    if (possible)
        plan_time_of(s->t, &l, s->t->machine, &out->time);
    layout_release(&l);
    if (!possible || plan_memory(s->t, s->ranks, &out->memory) < 0)
        return -1;
    out->fits = fits(s, &out->memory);
    return 0;
}

static void
add_family(struct plan_search *s, const struct plan_choice *c, struct layout *l)
{
    struct plan_family f = {.choice = *c};
    const char *order = rank_order(s, c);

    l->sequence_parallel = c->sequence_parallel;
    l->micros = (int)(l->sequences / c->micro_batch);
    if (!divides(s, l, c->micro_batch)) {
        s->undivided++;
        return;
    }
    grid_default_order(l->order);
    if (order)
        (void)grid_parse_order(order, l->order);
    s->t->micro_batch = c->micro_batch;
    if (s->t->machine)
        f.least = plan_time_least(s->t, l, s->t->machine);
    vec_push(&s->families, f);
}

static void
add_orders(struct plan_search *s, struct plan_choice c, struct layout *l)
{
    const int *n = c.size;
    bool other = n[AXIS_PIPELINE] > 1 && n[AXIS_DATA] > 1 && !is_fixed("rank-order") && s->t->machine &&
                 (uint64_t)(n[AXIS_TENSOR] * n[AXIS_CONTEXT] * n[AXIS_EXPERT]) < s->t->machine->domains;

    for (int sequence = 0; sequence < (n[AXIS_TENSOR] > 1 ? 2 : 1); sequence++) {
        c.sequence_parallel = sequence;
        if (is_fixed("sequence-parallel") && c.sequence_parallel != s->asked.sequence_parallel)
            continue;
        for (int order = 0; order < (other ? 2 : 1); order++) {
            c.pipeline_first = order;
            add_family(s, &c, l);
        }
    }
}

static void
add_micro_batches(struct plan_search *s, struct plan_choice c, struct layout *l)
{
    int64_t each = s->t->global_batch / l->groups;

    for (c.micro_batch = 1; c.micro_batch <= each; c.micro_batch++) {
        if (is_fixed("micro-batch") && c.micro_batch != s->asked.micro_batch)
            continue;
        if (each % c.micro_batch == 0)
            add_orders(s, c, l);
        else if (is_fixed("micro-batch"))
            s->undivided++;
    }
}

/* Stages are cut by what they recompute: from here on the outline is the same. */
static void
add_outline(struct plan_search *s, struct plan_choice c)
{
    const struct trainer *t = s->t;
    struct layout l;

    c.micro_batch = 1;
    apply(s, &c);
    if (layout_outline(&l, &t->config, s->ranks, t->seq_length, t->groups, t->global_batch, 1) < 0) {
        s->undivided++;
        return;
    }
    add_micro_batches(s, c, &l);
    layout_release(&l);
}

static void
add_recomputes(struct plan_search *s, struct plan_choice c)
{
    if (is_fixed("recompute")) {
        c.full = -1;
        add_outline(s, c);
        return;
    }
    for (c.rest = RECOMPUTE_NONE; c.rest <= RECOMPUTE_FULL; c.rest++)
        add_outline(s, c);
}

static bool
may_have(const struct plan_search *s, const struct plan_choice *c)
{
    const char *asked = is_fixed("pipeline-schedule") ? s->asked.pipeline_schedule : NULL;
    bool chunks = c->schedule == PIPELINE_INTERLEAVED && is_fixed("virtual-stages");

    if (asked && strcmp(asked, pipeline_schedule_name(c->schedule)) != 0)
        return false;
    return !chunks || c->chunks == s->asked.virtual_stages;
}

static void
add_chunks(struct plan_search *s, struct plan_choice c)
{
    int layers = (int)s->t->config.num_hidden_layers, stages = c.size[AXIS_PIPELINE];
    bool interleaved = c.schedule == PIPELINE_INTERLEAVED;
    int most = !interleaved                ? 1
               : is_fixed("virtual-stages") ? (int)s->asked.virtual_stages
                                            : CHUNKS_MOST;

    for (c.chunks = interleaved ? 2 : 1; c.chunks <= most && c.chunks * stages <= layers; c.chunks++)
        if (may_have(s, &c))
            add_recomputes(s, c);
}

/* GPipe is never better than 1F1B: only where it is asked for. */
static void
add_schedules(struct plan_search *s, struct plan_choice c)
{
    bool named = is_fixed("pipeline-schedule");

    c.schedule = PIPELINE_1F1B;
    c.chunks = 1;
    if (c.size[AXIS_PIPELINE] == 1 && !named)
        add_recomputes(s, c);
    for (int i = named ? PIPELINE_GPIPE : PIPELINE_1F1B; i < PIPELINE_SCHEDULES && c.size[AXIS_PIPELINE] > 1; i++) {
        c.schedule = (enum pipeline_schedule)i;
        add_chunks(s, c);
    }
}

/* Sizes of all axes: can the model be cut and the batch be dealt like that? */
static void
add_sizes(struct plan_search *s, struct plan_choice c)
{
    const struct trainer *t = s->t;
    int64_t deal = c.size[AXIS_DATA] * c.size[AXIS_EXPERT];
    struct layout l;
    struct params p;

    if (t->global_batch % (s->groups ? s->groups : deal) != 0) {
        s->undivided++;
        return;
    }
    c.schedule = PIPELINE_1F1B;
    c.chunks = 1;
    c.micro_batch = 1;
    apply(s, &c);
    if (layout_outline(&l, &t->config, s->ranks, t->seq_length, t->groups, t->global_batch, 1) < 0) {
        s->undivided++;
        return;
    }
    int result = tensors_init_part(t, &p, &l.part);
    if (result == 0) {
        memcpy(c.size, l.size, sizeof c.size);
        params_release(&p);
        add_schedules(s, c);
    } else {
        s->undivided++;
    }
    layout_release(&l);
}

/* One axis after another takes a divisor of the ranks that are left. */
static void
add_axes(struct plan_search *s, struct plan_choice c, int axis, int left)
{
    static const char *const names[AXES] = {"tensor-parallel", "context-parallel", "expert-parallel", NULL,
                                            "pipeline-parallel"};
    const struct config *m = &s->t->config;
    const int64_t asked[AXES] = {s->asked.tensor_parallel, s->asked.context_parallel, s->asked.expert_parallel, 0,
                                 s->asked.pipeline_parallel};
    const int64_t most[AXES] = {m->lora.rank > 0 ? 1 : m->num_attention_heads,
                                config_mixed_windows(m) ? 1 : s->t->seq_length / 2,
                                m->num_experts > 0 ? m->num_experts : 1, 0, m->num_hidden_layers};

    if (axis == AXES) {
        c.size[AXIS_DATA] = left;
        add_sizes(s, c);
        return;
    }
    if (axis == AXIS_DATA) {
        add_axes(s, c, axis + 1, left);
        return;
    }
    for (int n = 1; n <= left; n++) {
        if (is_fixed(names[axis]) ? n != asked[axis] : n > most[axis] || (n == 1 ? 0 : most[axis] == 1))
            continue;
        bool heads = axis != AXIS_TENSOR || m->num_attention_heads % n == 0;
        if (left % n != 0 || !heads) {
            s->undivided += is_fixed(names[axis]) || !heads;
            continue;
        }
        c.size[axis] = n;
        add_axes(s, c, axis + 1, left / n);
    }
}

/* ---- the search ---- */

static int
by_least(const void *a, const void *b)
{
    const struct plan_family *x = a, *y = b;

    return x->least < y->least ? -1 : x->least > y->least;
}

static double
worst_kept(const struct plan_search *s)
{
    return s->count == PLAN_FOUND ? s->best[PLAN_FOUND - 1].time.total : (double)INFINITY;
}

/* Of equals the one that needs less memory. */
static bool
is_better(const struct plan_found *a, const struct plan_found *b)
{
    double apart = a->time.total - b->time.total;

    if (fabs(apart) > 1e-9 * b->time.total)
        return apart < 0;
    return a->memory.total < b->memory.total;
}

static bool
same_family(const struct plan_choice *a, const struct plan_choice *b)
{
    return memcmp(a->size, b->size, sizeof a->size) == 0 && a->schedule == b->schedule && a->chunks == b->chunks &&
           a->micro_batch == b->micro_batch && a->sequence_parallel == b->sequence_parallel && a->full == b->full &&
           a->rest == b->rest;
}

static void
keep(struct plan_search *s, const struct plan_found *f)
{
    int at = s->count;

    for (int i = 0; i < s->count; i++) {
        if (!same_family(&s->best[i].choice, &f->choice))
            continue;
        if (!is_better(f, &s->best[i]))
            return;
        memmove(s->best + i, s->best + i + 1, (size_t)(s->count - i - 1) * sizeof *s->best);
        at = --s->count;
    }
    while (at > 0 && is_better(f, &s->best[at - 1]))
        at--;
    if (at == PLAN_FOUND)
        return;
    int moved = (s->count < PLAN_FOUND ? s->count : PLAN_FOUND - 1) - at;
    memmove(s->best + at + 1, s->best + at, (size_t)moved * sizeof *s->best);
    s->best[at] = *f;
    s->count += s->count < PLAN_FOUND;
}

static void
refuse(struct plan_search *s, const struct memory_plan *m)
{
    double bytes = plan_node_bytes(s, m);

    s->too_large++;
    if (s->least_bytes == 0 || bytes < s->least_bytes)
        s->least_bytes = bytes;
}

/* Does rank 0 alone, mostly one of those that need most, fit? */
static bool
first_fits(struct plan_search *s, const struct layout *l, struct memory_plan *m)
{
    struct params p;

    if (tensors_init_part(s->t, &p, &l->part) < 0)
        return false;
    memory_plan(s->t, l, &p, m);
    params_release(&p);
    return fits(s, m);
}

/* Keeps it if it fits. */
static bool
look(struct plan_search *s, const struct plan_choice *c)
{
    struct plan_found f;
    struct layout l;

    apply(s, c);
    if (try_layout(s, &l) < 0) {
        s->undivided++;
        return false;
    }
    s->looked_at++;
    f = (struct plan_found){.choice = *c};
    if (trainer_misfit(s->t, &l)) {
        s->not_run++;
    } else if (!first_fits(s, &l, &f.memory)) {
        refuse(s, &f.memory);
    } else {
        plan_time_of(s->t, &l, s->t->machine, &f.time);
        f.fits = true;
        if (f.time.total > worst_kept(s))
            s->slower++;
        else if (plan_memory(s->t, s->ranks, &f.memory) < 0 || !fits(s, &f.memory))
            f.fits = false;
        else
            keep(s, &f);
        if (!f.fits)
            refuse(s, &f.memory);
    }
    layout_release(&l);
    return f.fits;
}

/* Recomputation in full on so many of the first stages that memory suffices. */
static void
look_at_stages(struct plan_search *s, struct plan_choice c)
{
    struct plan_found f;
    int low = 0, high = c.size[AXIS_PIPELINE]; /* low is too few, so is all for `rest` to differ */

    c.full = 1;
    if (plan_look(s, &c, &f) < 0 || f.time.total > worst_kept(s))
        return;
    while (high - low > 1) {
        c.full = low + (high - low) / 2;
        if (plan_look(s, &c, &f) < 0)
            return;
        if (f.fits)
            high = c.full;
        else
            low = c.full;
    }
    c.full = high;
    if (high < c.size[AXIS_PIPELINE])
        (void)look(s, &c);
}

static void
look_at_family(struct plan_search *s, struct plan_choice c)
{
    bool alone = c.size[AXIS_DATA] * c.size[AXIS_EXPERT] * c.size[AXIS_CONTEXT] == 1;
    bool stages = c.size[AXIS_PIPELINE] > 1 && c.full == 0 && c.rest != RECOMPUTE_FULL;

    for (int zero = 0; zero <= (alone ? 0 : 3); zero++) {
        if (is_fixed("zero") && s->asked.zero >= 0 && !alone && zero != s->asked.zero)
            continue;
        int64_t not_run = s->not_run;
        c.zero = zero;
        if (!look(s, &c) && stages && s->not_run == not_run)
            look_at_stages(s, c);
    }
}

static void
search(struct plan_search *s)
{
    size_t n, i = 0;

    if (s->measured) { /* what was laid out before knew no rates */
        s->families.len = 0;
        s->undivided = 0;
        add_axes(s, (struct plan_choice){0}, 0, s->ranks);
    }
    n = s->families.len;
    if (n > 0)
        qsort(s->families.data, n, sizeof *s->families.data, by_least);
    for (; i < n && s->families.data[i].least <= worst_kept(s); i++)
        look_at_family(s, s->families.data[i].choice);
    s->slower += (int64_t)(n - i);
}

void
plan_best_begin(struct plan_search *s, struct trainer *t, int ranks)
{
    struct plan_choice first = {0};

    s->t = t;
    s->ranks = ranks;
    s->groups = t->groups;
    s->asked = options;
    s->measured = !t->machine;
    add_axes(s, first, 0, ranks);
    for (size_t i = 0; i < s->families.len; i++) {
        struct layout l;
        bool possible;
        apply(s, &s->families.data[i].choice);
        if (try_layout(s, &l) < 0)
            continue;
        possible = !trainer_misfit(t, &l);
        layout_release(&l);
        if (possible)
            return;
    }
    die(STATUS_USAGE, "--plan best: no layout of %d ranks divides this model and batch as the options ask (%lld were looked at)",
        ranks, (long long)s->undivided + (long long)s->families.len);
}

void
plan_best(struct plan_search *s)
{
    char least[32], has[32];

    search(s);
    if (s->count == 0)
        die(STATUS_FAILED, "--plan best: no layout fits: of %lld that were looked at the smallest needs %s of a node's %s",
            (long long)s->looked_at, human_bytes(s->least_bytes, least),
            human_bytes((double)s->t->machine->memory, has));
    plan_best_print(s);
    free(s->families.data);
    str_release(&s->recompute);
}
