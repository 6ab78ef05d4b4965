/* The layout of a run on many ranks: sizes, parts, deals and groups. */
#include "cmd/llm-train/layout.h"

#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd/llm-train/train.h"
#include "parallel/pipeline.h"

static int
resolve_sizes(struct layout *l)
{
    grid_default_order(l->order);
    if (options.rank_order && grid_parse_order(options.rank_order, l->order) < 0) {
        struct err e;
        err_take(&e);
        return err_set(STATUS_USAGE, "--rank-order %s", e.text);
    }
    l->size[AXIS_TENSOR] = (int)options.tensor_parallel;
    l->size[AXIS_CONTEXT] = (int)options.context_parallel;
    l->size[AXIS_EXPERT] = (int)options.expert_parallel;
    l->size[AXIS_PIPELINE] = (int)options.pipeline_parallel;
    if (grid_fit(l->size, l->ranks) < 0)
        return -1;
    l->deal_size = l->size[AXIS_DATA] * l->size[AXIS_EXPERT];
    return 0;
}

/* Where the rank is. */
static void
set_place(struct layout *l, int rank)
{
    l->rank = rank;
    grid_coordinates(l->size, l->order, rank, l->coordinate);
    l->deal_rank = l->coordinate[AXIS_DATA] * l->size[AXIS_EXPERT] + l->coordinate[AXIS_EXPERT];
}

/* What one axis needs of the model. */
static int
check_axes(const struct layout *l, const struct config *c, int64_t seq_length)
{
    int64_t experts = l->size[AXIS_EXPERT], chunks = 2 * (int64_t)l->size[AXIS_CONTEXT];

    if (experts > 1 && (c->num_experts == 0 || c->num_experts % experts != 0))
        return err_set(STATUS_USAGE, "--expert-parallel %lld does not divide the model's %lld experts",
            (long long)experts, (long long)c->num_experts);
    if (l->size[AXIS_CONTEXT] > 1 && seq_length % chunks != 0)
        return err_set(STATUS_USAGE, "--seq-length %lld is not a multiple of 2 × --context-parallel (%lld): nearest are %lld and %lld",
            (long long)seq_length, (long long)chunks, (long long)(seq_length / chunks * chunks),
            (long long)((seq_length / chunks + 1) * chunks));
    if (l->sequence_parallel && l->size[AXIS_TENSOR] == 1)
        return err_set(STATUS_USAGE, "--sequence-parallel needs --tensor-parallel above 1");
    return 0;
}

static void
choose_schedule(struct layout *l)
{
    const char *name = options.pipeline_schedule;

    l->schedule = PIPELINE_1F1B;
    for (int i = 0; i < PIPELINE_SCHEDULES && name; i++)
        if (strcmp(name, pipeline_schedule_name((enum pipeline_schedule)i)) == 0)
            l->schedule = (enum pipeline_schedule)i;
    l->chunks = l->schedule == PIPELINE_INTERLEAVED ? (int)options.virtual_stages : 1;
    if (l->size[AXIS_PIPELINE] == 1) {
        l->schedule = PIPELINE_1F1B;
        l->chunks = 1;
    }
}

/* With one rank there is nothing to share out. FP8 and a change of width want all in one array. */
static int
zero_stage(const struct layout *l)
{
    const char *p = options.precision;
    bool wide = strstr(p, "fp32") != NULL, mixed = wide && strcmp(p, "fp32") != 0;

    if (l->deal_size * l->size[AXIS_CONTEXT] == 1)
        return 0;
    if (options.zero >= 0)
        return (int)options.zero;
    return mixed || strstr(p, "fp8") ? 0 : 1;
}

/* The pieces of the rank's stage. */
static void
set_part(struct layout *l)
{
    pipeline_stage_pieces(&l->stages, l->coordinate[AXIS_PIPELINE], l->piece);
    l->part = (struct model_part){
        .piece = l->piece,
        .pieces = l->chunks,
        .tensor_rank = l->coordinate[AXIS_TENSOR],
        .tensor_size = l->size[AXIS_TENSOR],
        .expert_rank = l->coordinate[AXIS_EXPERT],
        .expert_size = l->size[AXIS_EXPERT],
    };
}

static int
make(struct layout *l, const struct config *c, int ranks, int rank, int64_t seq_length, int64_t groups)
{
    *l = (struct layout){.ranks = ranks, .sequence_parallel = options.sequence_parallel};
    if (resolve_sizes(l) < 0 || check_axes(l, c, seq_length) < 0)
        return -1;
    set_place(l, rank);
    choose_schedule(l);
    l->zero = zero_stage(l);
    l->groups = groups ? (int)groups : l->deal_size;
    int stages = l->size[AXIS_PIPELINE];
    l->recompute = mem_zarray((size_t)stages, sizeof *l->recompute);
    for (int i = 0; i < stages; i++)
        l->recompute[i] = (enum recompute)recompute_of_stage(options.recompute, i);
    if (pipeline_stages_make(c, stages, l->chunks, seq_length, l->recompute, &l->stages) < 0)
        return -1;
    l->piece = mem_zarray((size_t)l->chunks, sizeof *l->piece);
    set_part(l);
    return 0;
}

void
layout_make(struct layout *l, const struct config *c, int ranks, int rank, int64_t seq_length,
            int64_t groups)
{
    if (make(l, c, ranks, rank, seq_length, groups) < 0)
        die_err();
}

static int
check_batch(const struct layout *l, int64_t global_batch, int64_t micro_batch)
{
    int64_t unit = l->groups * micro_batch, nearest = global_batch / unit * unit;

    if (l->deal_size > l->groups)
        return err_set(STATUS_USAGE, "%d data-parallel ranks for %d reduce groups: at most as many ranks as --reduce-groups",
            l->deal_size, l->groups);
    if (l->size[AXIS_EXPERT] > 1 && l->groups % l->deal_size != 0)
        return err_set(STATUS_USAGE, "--reduce-groups %d is not a multiple of the %d ranks of data and expert parallelism: nearest are %d and %d",
            l->groups, l->deal_size, l->groups / l->deal_size * l->deal_size,
            (l->groups / l->deal_size + 1) * l->deal_size);
    if (global_batch % unit == 0)
        return 0;
    if (nearest > 0)
        return err_set(STATUS_USAGE, "--global-batch %lld is not a multiple of reduce groups × micro-batch (%d × %lld): nearest are %lld and %lld",
            (long long)global_batch, l->groups, (long long)micro_batch, (long long)nearest,
            (long long)(nearest + unit));
    return err_set(STATUS_USAGE, "--global-batch %lld is not a multiple of reduce groups × micro-batch (%d × %lld): the least is %lld",
        (long long)global_batch, l->groups, (long long)micro_batch, (long long)unit);
}

static int
deal_of(const struct layout *l, int rank)
{
    int at[AXES];

    grid_coordinates(l->size, l->order, rank, at);
    return at[AXIS_DATA] * l->size[AXIS_EXPERT] + at[AXIS_EXPERT];
}

void
layout_sequences(const struct layout *l, int rank, int64_t global_batch, int64_t *first,
                 int64_t *count)
{
    struct tree_run run = tree_share(l->groups, l->deal_size, deal_of(l, rank));
    int64_t each = global_batch / l->groups;

    *first = run.begin * each;
    *count = (run.end - run.begin) * each;
}

static void
deal_sequences(struct layout *l, int64_t global_batch, int64_t micro_batch)
{
    l->run = tree_share(l->groups, l->deal_size, l->deal_rank);
    layout_sequences(l, l->rank, global_batch, &l->first, &l->sequences);
    l->micros = (int)(l->sequences / micro_batch);
}

/* This rank's sequences, and the table of what is done with them; the one that is there may fit. */
static int
deal(struct layout *l, int64_t global_batch, int64_t micro_batch)
{
    int stages = l->size[AXIS_PIPELINE];

    deal_sequences(l, global_batch, micro_batch);
    if (l->table.micros != l->micros || !l->table.task) {
        pipeline_table_release(&l->table);
        if (pipeline_table_make(l->schedule, stages, l->chunks, l->micros, &l->table) < 0 ||
            pipeline_table_check(&l->table) < 0)
            return -1;
        l->bubble = pipeline_stages_bubble(&l->stages, &l->table);
    }
    if (!l->slots)
        l->slots = mem_zarray((size_t)l->chunks, sizeof *l->slots);
    l->weight_slots = pipeline_slots(&l->table, l->coordinate[AXIS_PIPELINE], l->slots);
    return 0;
}

void
layout_deal(struct layout *l, int64_t global_batch, int64_t micro_batch)
{
    if (check_batch(l, global_batch, micro_batch) < 0 || deal(l, global_batch, micro_batch) < 0)
        die_err();
}

int
layout_outline(struct layout *l, const struct config *c, int ranks, int64_t seq_length, int64_t groups,
               int64_t global_batch, int64_t micro_batch)
{
    if (make(l, c, ranks, 0, seq_length, groups) == 0 && check_batch(l, global_batch, micro_batch) == 0) {
        deal_sequences(l, global_batch, micro_batch);
        return 0;
    }
    layout_release(l);
    return -1;
}

int
layout_try(struct layout *l, const struct config *c, int ranks, int64_t seq_length, int64_t groups,
           int64_t global_batch, int64_t micro_batch)
{
    if (layout_outline(l, c, ranks, seq_length, groups, global_batch, micro_batch) < 0)
        return -1;
    if (deal(l, global_batch, micro_batch) == 0)
        return 0;
    layout_release(l);
    return -1;
}

int
layout_move(struct layout *l, int rank, int64_t global_batch, int64_t micro_batch)
{
    set_place(l, rank);
    set_part(l);
    return deal(l, global_batch, micro_batch);
}

/* Ranks that differ on the axes of the mask only, in the order of key; NULL when that is this rank. */
static int
make_group(struct comm *world, const struct layout *l, unsigned axes, int key, struct comm **out)
{
    int fixed[AXES];
    int64_t size = 1;

    for (int i = 0; i < AXES; i++) {
        fixed[i] = axes & 1u << i ? 0 : l->coordinate[i];
        size *= axes & 1u << i ? l->size[i] : 1;
    }
    *out = NULL;
    if (size == 1)
        return 0;
    return world->ops->split(world, grid_rank(l->size, l->order, fixed), key, out);
}

/* The two stages that hold a tied embedding; the others have no part in it. */
static int
connect_tied(struct layout *l, struct comm *world)
{
    int stages = l->size[AXIS_PIPELINE], stage = l->coordinate[AXIS_PIPELINE], fixed[AXES];
    bool ends = stage == 0 || stage == stages - 1;

    memcpy(fixed, l->coordinate, sizeof fixed);
    fixed[AXIS_PIPELINE] = 0;
    return world->ops->split(world, ends ? grid_rank(l->size, l->order, fixed) : -1, stage, &l->tied);
}

int
layout_connect(struct layout *l, struct comm *world, bool tied)
{
    const int *at = l->coordinate;
    unsigned data = 1u << AXIS_DATA, context = 1u << AXIS_CONTEXT, expert = 1u << AXIS_EXPERT;
    int leaf = at[AXIS_CONTEXT] * l->deal_size + l->deal_rank;
    int expert_leaf = at[AXIS_CONTEXT] * l->size[AXIS_DATA] + at[AXIS_DATA];

    if (grid_init(&l->grid, world, l->size, l->order) < 0)
        return -1;
    l->tensor = l->size[AXIS_TENSOR] > 1 ? l->grid.along[AXIS_TENSOR] : NULL;
    l->context = l->size[AXIS_CONTEXT] > 1 ? l->grid.along[AXIS_CONTEXT] : NULL;
    l->expert = l->size[AXIS_EXPERT] > 1 ? l->grid.along[AXIS_EXPERT] : NULL;
    l->pipeline = l->grid.along[AXIS_PIPELINE];
    if (make_group(world, l, data | context | expert, leaf, &l->dense) < 0 ||
        make_group(world, l, data, at[AXIS_DATA], &l->deal) < 0)
        return -1;
    if (l->expert && make_group(world, l, data | context, expert_leaf, &l->experts) < 0)
        return -1;
    return tied && l->size[AXIS_PIPELINE] > 1 ? connect_tied(l, world) : 0;
}

void
layout_release(struct layout *l)
{
    if (l->grid.world)
        grid_release(&l->grid);
    comm_release(l->dense);
    comm_release(l->experts);
    comm_release(l->tied);
    comm_release(l->deal);
    pipeline_table_release(&l->table);
    pipeline_stages_release(&l->stages);
    free(l->slots);
    free(l->recompute);
    free(l->piece);
    *l = (struct layout){0};
}

bool
layout_counts(const struct layout *l, int rank)
{
    int at[AXES];

    grid_coordinates(l->size, l->order, rank, at);
    return at[AXIS_TENSOR] == 0 && at[AXIS_CONTEXT] == 0 && at[AXIS_PIPELINE] == 0;
}

bool
layout_has_loss(const struct layout *l, int rank)
{
    int at[AXES];

    grid_coordinates(l->size, l->order, rank, at);
    return at[AXIS_TENSOR] == 0 && at[AXIS_PIPELINE] == l->size[AXIS_PIPELINE] - 1;
}

void
layout_flops(const struct layout *l, const struct config *c, int64_t seq_length, struct flops *out)
{
    int pieces = l->stages.stages * l->stages.chunks;
    double again = 0;

    for (int i = 0; i < pieces; i++) {
        int layers = l->stages.piece[i].end - l->stages.piece[i].begin;
        decoder_flops(c, seq_length, l->recompute[i % l->stages.stages], out);
        again += out->recompute * layers / (double)c->num_hidden_layers;
    }
    out->recompute = again;
}

const char *
layout_text(const struct layout *l)
{
    static const char *const letters[AXES] = {"TP", "CP", "EP", "DP", "PP"};
    static char text[160];
    size_t n = 0;

    text[0] = '\0';
    for (int i = 0; i < AXES; i++)
        if (l->size[i] > 1)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %d", n ? " × " : "", letters[i], l->size[i]);
    if (l->size[AXIS_PIPELINE] > 1)
        n += (size_t)snprintf(text + n, sizeof text - n, " (%s)", pipeline_schedule_name(l->schedule));
    if (l->deal_size > 1)
        n += (size_t)snprintf(text + n, sizeof text - n, ", ZeRO %d", l->zero);
    if (l->sequence_parallel)
        (void)snprintf(text + n, sizeof text - n, ", sequence parallel");
    return text;
}

const char *
layout_promise(const struct layout *l)
{
    if (options.grad_reduce_in_bf16)
        return "repeated runs of this layout: gradients are rounded on their way";
    if (l->size[AXIS_TENSOR] == 1 && l->size[AXIS_CONTEXT] == 1 && l->size[AXIS_EXPERT] == 1)
        return "any number of data and pipeline ranks, ZeRO stages, schedules and threads with equal reduce_groups and micro_batch";
    return "repeated runs of this layout; within rounding of others";
}
