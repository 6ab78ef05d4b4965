/*
 * The fixed-tree gradient reduction: groups, buffers and the order of additions. How
 * pieces get from rank to rank is in reduce_memory.c and reduce_messages.c.
 *
 * Cost of a step with N gradient elements, D ranks and one group each: every rank sends
 * N (D-1)/D elements and receives as many (reduce-scatter), and the same again
 * for the sums (all-gather); in shared memory owners read D parts and write one, in place.
 */
#include "parallel/reduce.h"

#include "base/err.h"
#include "base/mem.h"
#include "comm/progress.h"
#include "parallel/reduce_private.h"

/* Folds the stack; the additions done go to list; how many. */
static int
fold(struct tree_stack *stack, struct addition list[TREE_DEPTH])
{
    int n = 0;

    while (tree_fold(stack)) {
        list[n].to = stack->depth - 1;
        list[n++].from = stack->depth;
    }
    return n;
}

/* ---- making one ---- */

/* The maximal nodes of all ranks, and the additions over them. */
static void
plan_tree(struct reducer *r)
{
    struct tree_run found[TREE_DEPTH];
    struct tree_stack stack = {.leaves = r->groups};
    int place[TREE_DEPTH], additions = 0; /* the node at which a stack entry's sum stands */

    r->nodes = mem_array((size_t)r->groups, sizeof *r->nodes); /* a node is a leaf or more */
    r->tree = mem_array((size_t)r->groups, sizeof *r->tree);
    for (int rank = 0; rank < r->comm->size; rank++) {
        int n = tree_nodes(r->groups, tree_share(r->groups, r->comm->size, rank), found);
        if (rank == r->comm->rank) {
            r->own_first = r->node_count;
            r->own_nodes = n;
        }
        for (int i = 0; i < n; i++)
            r->nodes[r->node_count++] = (struct node){found[i], rank, i};
    }
    for (int i = 0; i < r->node_count; i++) {
        place[stack.depth] = i;
        stack.run[stack.depth++] = r->nodes[i].run;
        while (tree_fold(&stack))
            r->tree[additions++] = (struct addition){place[stack.depth - 1], place[stack.depth]};
    }
}

static void progress(void *arg);

static void
plan_sums(struct reducer *r)
{
    size_t at = 0;

    r->sum_sizes = mem_array((size_t)r->comm->size, sizeof *r->sum_sizes);
    r->sum_offsets = mem_array((size_t)r->comm->size, sizeof *r->sum_offsets);
    r->loss_sizes = mem_array((size_t)r->comm->size, sizeof *r->loss_sizes);
    r->loss_offsets = mem_array((size_t)r->comm->size, sizeof *r->loss_offsets);
    for (int i = 0; i < r->comm->size; i++) {
        r->sum_offsets[i] = at;
        r->sum_sizes[i] = (size_t)(1 + r->slices[i].block_end - r->slices[i].block) *
                          sizeof(double);
        at += r->sum_sizes[i];
    }
    r->sums = mem_alloc(at);
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
open_way(struct reducer *r, bool messages_only)
{
    bool same = false;

    if (r->comm->size > 1 && !messages_only && one_host(r->comm, &same) != 0)
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

struct reducer *
reducer_new(const struct reducer_options *o)
{
    struct reducer *r;

    if (o->groups < o->comm->size) {
        err_set(STATUS_USAGE, "%d reduce groups for %d data-parallel ranks: at least one each",
                o->groups, o->comm->size);
        return NULL;
    }
    r = mem_zalloc(sizeof *r);
    r->params = o->params;
    r->pool = o->pool;
    r->groups = o->groups;
    r->overwritten = o->overwritten;
    r->alone = o->groups == 1; /* hence one rank */
    if (o->comm->ops->split(o->comm, 0, o->comm->rank, &r->comm) != 0) {
        free(r);
        return NULL;
    }
    r->run = tree_share(r->groups, r->comm->size, r->comm->rank);
    r->next = r->run.begin;
    r->slices = mem_array((size_t)r->comm->size, sizeof *r->slices);
    slices_cut(r->params, r->comm->size, r->slices);
    reduce_cut(r);
    plan_tree(r);
    plan_sums(r);
    r->buffers = tree_buffers(r->groups, r->run);
    r->queue = mem_array((size_t)r->own_pieces + 1, sizeof *r->queue);
    r->at = mem_array((size_t)r->node_count, sizeof *r->at);
    int status = open_way(r, o->messages_only) ? STATUS_FAILED : STATUS_OK;
    if (comm_agree(r->comm, status) != 0) {
        reducer_free(r);
        return NULL;
    }
    if (r->comm->size > 1)
        comm_progress_add(progress, r);
    return r;
}

void
reducer_free(struct reducer *r)
{
    if (!r)
        return;
    comm_progress_remove(progress, r);
    if (r->way)
        r->way->close(r);
    comm_release(r->comm);
    free(r->slices);
    free(r->pieces);
    free(r->nodes);
    free(r->tree);
    free(r->queue);
    free(r->at);
    free(r->sums);
    free(r->sum_sizes);
    free(r->sum_offsets);
    free(r->loss_sizes);
    free(r->loss_offsets);
    free(r);
}

/* ---- a step ---- */

struct tree_run
reducer_groups(const struct reducer *r)
{
    return r->run;
}

bool
reducer_more(const struct reducer *r)
{
    return r->next < r->run.end;
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

const struct slice *
reducer_slice(const struct reducer *r, int rank)
{
    return &r->slices[rank];
}

static int
begin_step(struct reducer *r)
{
    r->step++;
    r->stack = (struct tree_stack){.leaves = r->groups};
    r->queued = r->queue_head = 0;
    r->finishing = false;
    for (int i = 0; i < r->piece_count; i++) {
        struct piece *p = &r->pieces[i];
        p->waiting = p->elements;
        p->published = p->reduced = false;
    }
    return r->way->begin(r);
}

/* Zeroes what the group's batches add to. */
static void
zero_group(struct reducer *r, float *grads)
{
    const struct params *p = r->params;
    int64_t from = 0, end = r->tied_clean ? p->tied_offset : p->grad_elements;

    for (int i = 0; r->overwritten && i < p->count; i++) {
        const struct param *t = &p->param[i];
        if (!params_in_product(p, i))
            continue;
        reduce_zero(r->pool, grads + from, t->offset - from);
        from = t->offset + t->size;
    }
    reduce_zero(r->pool, grads + from, end - from);
    r->tied_clean = false;
}

float *
reducer_group(struct reducer *r)
{
    if (r->next == r->run.begin) {
        if (begin_step(r) != 0)
            return NULL;
    } else {
        /* The group before is whole: add what the tree adds by now. */
        struct addition list[TREE_DEPTH];
        int count = fold(&r->stack, list);
        reduce_sum(r->pool, list, count, r->buffer, r->params->grad_elements);
    }
    float *grads = r->buffer[r->stack.depth];
    tree_push(&r->stack, r->next++);
    if (!reducer_more(r)) {
        /* The last one: what is left to add is done piece by piece. */
        struct tree_stack whole = r->stack;
        r->last_count = fold(&whole, r->last);
    }
    zero_group(r, grads);
    return grads;
}

static void
fail(struct reducer *r)
{
    if (!r->failed)
        err_take(&r->error);
    r->failed = true;
}

/* This rank's gradients of a piece are complete: finishes its own nodes and hands them on. */
static void
publish(struct reducer *r, int i, struct threads *pool)
{
    struct piece *p = &r->pieces[i];
    float *value[TREE_DEPTH];

    for (int k = 0; k < r->buffers; k++)
        value[k] = r->buffer[k] + p->begin;
    reduce_sum(pool, r->last, r->last_count, value, p->end - p->begin);
    p->published = true;
    if (p->owner == r->comm->rank)
        r->queue[r->queued++] = i;
    if (r->way->publish(r, i) != 0)
        fail(r);
}

void
reducer_ready(void *arg, int64_t begin, int64_t end)
{
    struct reducer *r = arg;

    if (reducer_more(r) || r->failed)
        return;
    for (int i = reduce_find(r, begin); i < r->piece_count && r->pieces[i].begin < end; i++) {
        struct piece *p = &r->pieces[i];
        int64_t from = begin > p->begin ? begin : p->begin, to = end < p->end ? end : p->end;
        p->waiting -= reduce_covered(r->params, from, to);
        if (p->waiting < 0) {
            err_set(STATUS_FAILED, "gradients [%lld, %lld) were reported twice", (long long)begin,
                    (long long)end);
            fail(r);
            return;
        }
        /* The caller may be within a run of the pool: only this thread works here. */
        if (p->waiting == 0 && p->elements > 0)
            publish(r, i, NULL);
    }
}

/* Where both gradients of a tied embedding are summed, the input's is added to the head's. */
static void
join_twins(struct reducer *r, int i, struct threads *pool)
{
    struct piece *p = &r->pieces[i];

    p->reduced = true;
    if (p->twin < 0 || !r->pieces[p->twin].reduced)
        return;
    const struct piece *dense = p->begin < r->params->tied_offset ? p : &r->pieces[p->twin];
    const struct piece *sparse = &r->pieces[dense->twin];
    float *sum = (float *)(uintptr_t)r->way->sum(r);
    float *value[] = {sum + dense->begin, sum + sparse->begin};
    if (r->alone)
        reduce_move(pool, value[0], value[1], dense->end - dense->begin);
    else
        reduce_sum(pool, &(struct addition){0, 1}, 1, value, dense->end - dense->begin);
}

/* Reduces the oldest own piece if all ranks' parts of it have come. */
static int
reduce_one(struct reducer *r, struct threads *pool, bool *done)
{
    int i = r->queue[r->queue_head];
    const struct piece *p = &r->pieces[i];

    if (r->way->collect(r, i, done, r->at) != 0)
        return -1;
    if (!*done)
        return 0;
    reduce_sum(pool, r->tree, r->node_count - 1, r->at, p->end - p->begin);
    r->way->home(r, i, r->at);
    join_twins(r, i, pool);
    r->queue_head++;
    return 0;
}

/* The progress hook: one piece a call, which is a fraction of a millisecond. */
static void
progress(void *arg)
{
    struct reducer *r = arg;
    bool done;

    if (!r->finishing && !r->failed && r->queue_head < r->queued && reduce_one(r, NULL, &done) != 0)
        fail(r);
}

static int
reduce_rest(struct reducer *r)
{
    struct comm_pause pause = {.what = "gradient reduction"};
    bool done;

    while (r->queue_head < r->own_pieces) {
        if (reduce_one(r, r->pool, &done) != 0)
            return -1;
        if (done)
            pause = (struct comm_pause){.what = pause.what};
        else if (comm_pause(&pause) != 0)
            return -1;
    }
    return 0;
}

int
reducer_finish(struct reducer *r, const float **sum)
{
    if (reducer_more(r))
        return err_set(STATUS_FAILED, "gradient reduction: group %d was not begun", r->next);
    r->finishing = true;
    r->early = r->queue_head;
    for (int i = 0; i < r->piece_count && !r->failed; i++)
        if (!r->pieces[i].published)
            publish(r, i, r->pool);
    r->next = r->run.begin;
    if (r->failed) {
        err_give(&r->error);
        return -1;
    }
    if (reduce_rest(r) != 0 || r->way->complete(r) != 0)
        return -1;
    r->tied_clean = r->alone && r->params->tied_offset >= 0;
    *sum = r->way->sum(r);
    return 0;
}
