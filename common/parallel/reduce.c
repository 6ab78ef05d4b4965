/*
 * The fixed-tree gradient reduction: groups, tensors and the order of additions. How
 * pieces get from rank to rank is in reduce_memory.c and reduce_messages.c.
 *
 * Cost of a step with N gradient elements, D ranks and one group each: every rank sends
 * N (D-1)/D elements and receives as many (reduce-scatter), and with zero 0 the same again
 * for the sums (all-gather); in shared memory owners read D parts and write one, in place.
 */
#include "parallel/reduce.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "comm/progress.h"
#include "parallel/reduce_private.h"

/* ---- a step ---- */

struct tree_run
reducer_groups(const struct reducer *r)
{
    return r->run;
}

bool
reducer_shared(const struct reducer *r)
{
    return r->way == &reduce_in_memory;
}

double
reducer_overlap(const struct reducer *r)
{
    return r->own_pieces > 0 ? (double)r->early / r->own_pieces : 0;
}

void
reduce_fail(struct reducer *r)
{
    if (!r->failed)
        err_take(&r->error);
    r->failed = true;
}

static void
begin_step(struct reducer *r)
{
    r->open = true;
    r->step++;
    r->queued = r->queue_head = 0;
    for (int i = 0; i < r->piece_count; i++)
        r->pieces[i].published = r->pieces[i].reduced = false;
    if (r->tied)
        reduce_tied_begin(r);
    if (r->way->begin(r) != 0)
        reduce_fail(r);
    r->ring.first = r->ring.count = 0;
    r->finishing = false;
}

/* The leaf of the group that the tensor is at. */
static const struct leaf *
leaf_of(const struct reducer *r, const struct tensor *t)
{
    return &r->leaves[t->group - r->run.begin];
}

/* The group before is whole: adds what the tree adds by now. */
static void
fold(struct reducer *r, const struct tensor *t)
{
    const struct leaf *l = leaf_of(r, t);
    float *value[TREE_DEPTH];

    for (int k = 0; k < r->buffers; k++)
        value[k] = r->buffer[k] + t->at;
    reduce_sum(r->pool, l->fold, l->folds, value, t->size);
}

/* Goes on to the tensor's next group. */
static void
next_group(struct reducer *r, int param)
{
    struct tensor *t = &r->tensor[param];

    if (t->group >= r->run.begin)
        fold(r, t);
    t->group++;
    if (r->ringed)
        t->place = reduce_ring_take(r, param);
    else
        t->place = r->buffer[leaf_of(r, t)->buffer] + t->at;
}

static void
zero(struct reducer *r, int param)
{
    struct tensor *t = &r->tensor[param];

    if (param == r->params->count && r->tied_clean)
        r->tied_clean = false;
    else
        reduce_zero(r->pool, t->place, t->size);
}

float *
reducer_at(struct reducer *r, int group, int param, bool *fresh)
{
    struct tensor *t = &r->tensor[param];
    bool first;

    if (t->at < 0) {
        err_set(STATUS_FAILED, "gradient reduction: tensor %d is not reduced here", param);
        return NULL;
    }
    if (!r->open)
        begin_step(r);
    first = group == t->group + 1 && group < r->run.end;
    if (first) {
        next_group(r, param);
    } else if (group != t->group || group < r->run.begin || t->ready) {
        err_set(STATUS_FAILED, "gradient reduction: tensor %d: group %d follows %d%s", param,
                group, t->group, t->ready ? ", which is complete" : "");
        reduce_fail(r);
    }
    if (fresh)
        *fresh = first;
    else if (first)
        zero(r, param);
    if (t->place)
        return t->place;
    return r->ringed ? r->ring.base : r->buffer[0] + t->at; /* after an error: some place */
}

/* The second gradient's sum is added to the first one's: it must not come before it. */
static void
enqueue(struct reducer *r, int i)
{
    const struct piece *p = &r->pieces[i];
    const struct tensor *t = &r->tensor[p->param];
    bool second = p->param == r->params->count;

    if (r->ringed && !second)
        memcpy(r->sums + p->home, t->place + p->at - t->at, (size_t)p->size * sizeof(float));
    if (!second || r->pieces[p->twin].published)
        r->queue[r->queued++] = i;
    if (!second && p->twin >= 0 && r->pieces[p->twin].published)
        r->queue[r->queued++] = p->twin;
}

/* This rank's gradients of a piece are complete: finishes its own nodes and hands them on. */
static void
publish(struct reducer *r, int i)
{
    struct piece *p = &r->pieces[i];
    const struct leaf *last = &r->leaves[r->run.end - 1 - r->run.begin];
    float *value[TREE_DEPTH];

    if (!r->ringed) {
        for (int k = 0; k < r->buffers; k++)
            value[k] = r->buffer[k] + p->at;
        reduce_sum(r->pool, last->fold, last->folds, value, p->size);
    }
    p->published = true;
    if (p->owner == r->comm->rank)
        enqueue(r, i);
    if (r->way->publish(r, i) != 0)
        reduce_fail(r);
}

static void
publish_tensor(struct reducer *r, struct tensor *t)
{
    t->ready = true;
    for (int i = t->piece; i < t->piece_end && !r->failed; i++)
        publish(r, i);
}

void
reducer_ready(struct reducer *r, int group, int param)
{
    struct tensor *t = &r->tensor[param];

    if (group + 1 < r->run.end || r->failed)
        return;
    if (t->group == group && !t->ready) {
        publish_tensor(r, t);
        return;
    }
    err_set(STATUS_FAILED, "gradient reduction: tensor %d of group %d was reported %s", param,
            group, t->ready ? "twice" : "before it was begun");
    reduce_fail(r);
}

/* Where both gradients of a tied embedding are summed, the input's is added to the head's. */
static void
join_twins(struct reducer *r, const struct piece *second, struct threads *pool)
{
    const struct piece *first = &r->pieces[second->twin];
    const struct tensor *t = &r->tensor[second->param];
    float *from = r->ringed ? t->place + second->at - t->at : reduce_own_sum(r, second);
    float *value[] = {reduce_own_sum(r, first), from};

    if (r->alone)
        reduce_move(pool, value[0], value[1], first->size);
    else
        reduce_sum(pool, &(struct addition){0, 1}, 1, value, first->size);
}

float *
reduce_own_sum(const struct reducer *r, const struct piece *p)
{
    if (r->ringed)
        return r->sums + p->home;
    return r->zero == 0 ? r->way->sum(r, p->at) : r->buffer[0] + p->at;
}

/* Reduces the oldest own piece if all ranks' parts of it have come. */
static int
reduce_one(struct reducer *r, struct threads *pool, bool *done)
{
    int i = r->queue[r->queue_head];
    struct piece *p = &r->pieces[i];

    if (r->way->collect(r, i, done, r->at) != 0)
        return -1;
    if (!*done)
        return 0;
    reduce_sum(pool, r->tree, r->node_count - 1, r->at, p->size);
    if (p->param == r->params->count)
        join_twins(r, p, pool);
    p->reduced = true;
    r->way->reduced(r, i);
    r->queue_head++;
    return 0;
}

/* The progress hook: one piece a call, which is a fraction of a millisecond. */
static void
progress(void *arg)
{
    struct reducer *r = arg;
    bool done;

    if (r->finishing || r->failed)
        return;
    if (r->queue_head < r->queued && reduce_one(r, NULL, &done) != 0)
        reduce_fail(r);
    if (r->tied && reduce_tied_advance(r) != 0)
        reduce_fail(r);
}

static int
reduce_rest(struct reducer *r)
{
    struct comm_pause pause = {.what = "gradient reduction"};
    bool done = true;

    while (r->queue_head < r->own_pieces || (r->tied && !reduce_tied_done(r))) {
        done = false;
        if (r->queue_head < r->own_pieces && reduce_one(r, r->pool, &done) != 0)
            return -1;
        if (r->tied && reduce_tied_advance(r) != 0)
            return -1;
        if (done)
            pause = (struct comm_pause){.what = pause.what};
        else if (comm_pause(&pause) != 0)
            return -1;
    }
    return 0;
}

/* Tensors that were begun in the last group, but never named ready. */
static void
publish_rest(struct reducer *r)
{
    for (int i = 0; i <= r->params->count && !r->failed; i++) {
        struct tensor *t = &r->tensor[i];
        if (t->at < 0 || t->ready)
            continue;
        if (t->group == r->run.end - 1) {
            publish_tensor(r, t);
            continue;
        }
        err_set(STATUS_FAILED, "gradient reduction: tensor %d: group %d was not begun", i,
                t->group + 1);
        reduce_fail(r);
    }
}

static void
end_step(struct reducer *r)
{
    for (int i = 0; i <= r->params->count; i++) {
        r->tensor[i].group = r->run.begin - 1;
        r->tensor[i].ready = false;
    }
    r->open = false;
}

int
reducer_finish(struct reducer *r)
{
    r->finishing = true;
    r->early = r->queue_head;
    publish_rest(r);
    end_step(r);
    if (r->failed) {
        err_give(&r->error);
        return -1;
    }
    if (reduce_rest(r) != 0 || r->way->complete(r) != 0)
        return -1;
    r->tied_clean = r->alone && r->params->tied_offset >= 0;
    return 0;
}

/* ---- the sums ---- */

const struct reduced_run *
reducer_runs(const struct reducer *r, int rank, int *count)
{
    return slices_of(&r->slices, rank, count);
}

const struct slices *
reducer_slices(const struct reducer *r)
{
    return &r->slices;
}

const float *
reducer_sum(const struct reducer *r, int64_t element)
{
    int run, unit = slices_find(&r->slices, element, &run);
    int owner = unit < 0 ? -1 : slices_owner(&r->slices, unit, run);

    if (unit < 0 || (owner != r->comm->rank && r->zero > 0))
        return NULL;
    int param = r->slices.unit[unit].param;
    int64_t at = r->tensor[param].at + element - r->params->param[param].offset;
    if (r->zero == 0)
        return r->way->sum(r, at);
    if (!r->ringed)
        return r->buffer[0] + at;
    return r->sums + r->sums_at[unit] + element -
           slices_run(&r->slices, unit, owner)->begin;
}

/* ---- making one ---- */

/* The maximal nodes of all ranks. */
static void
plan_nodes(struct reducer *r)
{
    struct tree_run found[TREE_DEPTH];

    r->nodes = mem_array((size_t)r->groups, sizeof *r->nodes); /* a node is a leaf or more */
    for (int rank = 0; rank < r->comm->size; rank++) {
        int n = tree_nodes(r->groups, tree_share(r->groups, r->comm->size, rank), found);
        if (rank == r->comm->rank) {
            r->own_first = r->node_count;
            r->own_nodes = n;
        }
        for (int i = 0; i < n; i++)
            r->nodes[r->node_count++] = (struct node){found[i], rank, i};
    }
}

/* The additions over them: the sum comes to stand at node `home`. */
static void
plan_tree(struct reducer *r, int home)
{
    struct tree_stack stack = {.leaves = r->groups};
    int place[TREE_DEPTH], additions = 0; /* the node at which a stack entry's sum stands */

    r->tree = mem_array((size_t)r->groups, sizeof *r->tree);
    for (int i = 0; i < r->node_count; i++) {
        place[stack.depth] = i;
        stack.run[stack.depth++] = r->nodes[i].run;
        while (tree_fold(&stack)) {
            struct addition a = {place[stack.depth - 1], place[stack.depth]};
            if (a.from == home) /* a sum of two has the same bits either way round */
                a = (struct addition){a.from, a.to};
            place[stack.depth - 1] = a.to;
            r->tree[additions++] = a;
        }
    }
}

/* The stack program of this rank's groups, which every tensor goes through by itself. */
static void
plan_leaves(struct reducer *r)
{
    struct tree_stack stack = {.leaves = r->groups};
    int n = r->run.end - r->run.begin;

    r->leaves = mem_zarray((size_t)n, sizeof *r->leaves);
    for (int i = 0; i < n; i++) {
        struct leaf *l = &r->leaves[i];
        struct addition fold[TREE_DEPTH];
        l->buffer = stack.depth;
        tree_push(&stack, r->run.begin + i);
        while (tree_fold(&stack))
            fold[l->folds++] = (struct addition){stack.depth - 1, stack.depth};
        l->fold = mem_dup(fold, (size_t)l->folds * sizeof *fold + 1);
    }
}

/* Are all ranks on one host? -1 with a record. */
static int
one_host(struct comm *c, bool *same)
{
    struct comm *host;
    int32_t all;

    if (c->ops->split_host(c, &host) != 0)
        return -1;
    all = host->size == c->size;
    comm_release(host);
    if (comm_all_reduce(c, &all, 1, COMM_I32, COMM_MIN) != 0)
        return -1;
    *same = all != 0;
    return 0;
}

/* Shared memory where it can be had, else messages. */
static int
open_way(struct reducer *r, const struct reducer_options *o)
{
    bool same = false;

    if (r->ringed && reduce_ring_open(r) != 0)
        return -1;
    if (r->comm->size > 1 && !o->messages_only && one_host(r->comm, &same) != 0)
        return -1;
    if (same) {
        r->way = &reduce_in_memory;
        if (r->way->open(r) == 0)
            return 0;
        r->way->close(r); /* all ranks failed together */
        err_clear();
    }
    r->way = &reduce_by_messages;
    return r->way->open(r);
}

/* What follows from the options alone. */
static void
plan(struct reducer *r)
{
    r->run = tree_share(r->groups, r->comm->size, r->comm->rank);
    r->alone = r->groups == 1; /* hence one rank */
    reduce_lay_out(r);
    slices_cut(&r->slices, r->params, r->mine, r->comm->size);
    reduce_cut(r);
    plan_nodes(r);
    plan_leaves(r);
    r->buffers = tree_buffers(r->groups, r->run);
    r->queue = mem_array((size_t)r->own_pieces + 1, sizeof *r->queue);
    r->at = mem_array((size_t)r->node_count, sizeof *r->at);
    r->sum_sizes = mem_array((size_t)r->comm->size, sizeof *r->sum_sizes);
    r->sum_offsets = mem_array((size_t)r->comm->size, sizeof *r->sum_offsets);
    r->loss_sizes = mem_array((size_t)r->comm->size, sizeof *r->loss_sizes);
    r->loss_offsets = mem_array((size_t)r->comm->size, sizeof *r->loss_offsets);
    end_step(r);
}

struct reducer *
reducer_new(const struct reducer_options *o)
{
    struct reducer *r;
    int status = STATUS_OK;

    if (o->groups < o->comm->size) {
        err_set(STATUS_USAGE, "%d reduce groups for %d data-parallel ranks: at least one each",
                o->groups, o->comm->size);
        return NULL;
    }
    r = mem_zalloc(sizeof *r);
    r->params = o->params;
    r->pool = o->pool;
    r->groups = o->groups;
    r->zero = o->zero;
    r->rounded = o->message_type == COMM_BF16;
    r->ringed = reduce_has_ring(o, o->comm->size);
    if (o->mine)
        r->mine = mem_dup(o->mine, (size_t)o->params->count * sizeof *o->mine);
    if (o->comm->ops->split(o->comm, 0, o->comm->rank, &r->comm) != 0) {
        free(r->mine);
        free(r);
        return NULL;
    }
    plan(r);
    if (open_way(r, o) != 0 || (o->tied && reduce_tied_open(r, o) != 0))
        status = STATUS_FAILED;
    plan_tree(r, reducer_shared(r) && r->zero == 0 ? 0 : r->own_first);
    if (comm_agree(r->comm, status) != 0) {
        reducer_free(r);
        return NULL;
    }
    if (r->comm->size > 1 || r->tied)
        comm_progress_add(progress, r);
    return r;
}

void
reducer_free(struct reducer *r)
{
    if (!r)
        return;
    comm_progress_remove(progress, r);
    if (r->tied)
        reduce_tied_close(r);
    if (r->way)
        r->way->close(r);
    reduce_ring_close(r);
    comm_release(r->comm);
    slices_release(&r->slices);
    for (int i = 0; i < r->run.end - r->run.begin; i++)
        free(r->leaves[i].fold);
    free(r->leaves);
    free(r->mine);
    free(r->tensor);
    free(r->sums_at);
    free(r->pieces);
    free(r->nodes);
    free(r->tree);
    free(r->queue);
    free(r->at);
    free(r->block_sums);
    free(r->sum_sizes);
    free(r->sum_offsets);
    free(r->loss_sizes);
    free(r->loss_offsets);
    free(r);
}
