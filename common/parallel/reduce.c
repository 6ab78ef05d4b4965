/*
 * The fixed-tree gradient reduction: a step, from gradients to sums. Who adds what is planned in
 * reduce_plan.c; how pieces get from rank to rank is in reduce_window.c and reduce_messages.c.
 *
 * Cost of a step with N gradient elements and one group a rank: on a host of R ranks a rank reads
 * N of its neighbours' and its own elements and writes N/R; of H hosts each sends N (H-1)/H to the
 * others, a share of it by each rank, and receives as many (reduce-scatter), and with zero 0 the
 * same again for the sums (all-gather), which a host's ranks read where they came.
 */
#include "parallel/reduce.h"

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
    return r->hosts.count == 1 && r->comm->size > 1;
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
    r->led.count = r->led.head = r->own.count = r->own.head = r->sent.count = r->sent.head = 0;
    for (int i = 0; i < r->piece_count; i++)
        r->pieces[i].published = r->pieces[i].reduced = false;
    if (r->tied)
        reduce_tied_begin(r);
    reduce_messages_begin(r);
    if (reduce_window_begin(r) != 0)
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

static void
put(struct queue *q, int piece)
{
    q->piece[q->count++] = piece;
}

/*
 * A piece for which this rank leads. Of own ones, the second gradient's sum is added to the first
 * one's: it must not come before it.
 */
static void
enqueue(struct reducer *r, int i)
{
    const struct piece *p = &r->pieces[i];
    const struct tensor *t = &r->tensor[p->param];
    bool own = p->owner == r->comm->rank, second = p->param == r->params->count;

    if (own && r->ringed && !second)
        memcpy(r->sums + p->home, t->place + p->at - t->at, (size_t)p->size * sizeof(float));
    if (!own || !second || r->pieces[p->twin].published)
        put(&r->led, i);
    if (own && !second && p->twin >= 0 && r->pieces[p->twin].published)
        put(&r->led, p->twin);
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
    reduce_window_publish(r, i);
    if (p->leader == r->comm->rank)
        enqueue(r, i);
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
    return r->zero == 0 ? reduce_window_sums(r, p->at) : r->buffer[0] + p->at;
}

/* Adds this host's parts of the oldest piece that this rank leads for, if they are there. */
static int
lead_one(struct reducer *r, struct threads *pool, bool *done)
{
    int i = r->led.head < r->led.count ? r->led.piece[r->led.head] : -1;

    *done = i >= 0 && reduce_window_collect(r, i, r->at);
    if (!*done)
        return 0;
    r->led.head++;
    reduce_sum(pool, r->on_host.list, r->on_host.count, r->at, r->pieces[i].size);
    if (r->pieces[i].owner == r->comm->rank) {
        put(&r->own, i);
        return reduce_messages_expect(r);
    }
    put(&r->sent, i);
    return reduce_messages_send(r, i);
}

/* Reduces the oldest own piece if all hosts' parts of it have come. */
static int
reduce_one(struct reducer *r, struct threads *pool, bool *done)
{
    int i = r->own.head < r->own.count ? r->own.piece[r->own.head] : -1;
    struct piece *p = i < 0 ? NULL : &r->pieces[i];

    *done = false;
    if (!p || reduce_messages_collect(r, i, done, r->at) != 0)
        return p ? -1 : 0;
    if (!*done)
        return 0;
    reduce_sum(pool, r->over_hosts.list, r->over_hosts.count, r->at, p->size);
    if (p->param == r->params->count)
        join_twins(r, p, pool);
    p->reduced = true;
    reduce_window_read(r, i);
    r->own.head++;
    return 0;
}

/* What was sent need not be kept. */
static int
drop_sent(struct reducer *r)
{
    for (bool yes; r->sent.head < r->sent.count; r->sent.head++) {
        int i = r->sent.piece[r->sent.head];
        if (reduce_messages_sent(r, i, &yes) != 0)
            return -1;
        if (!yes)
            break;
        reduce_window_read(r, i);
    }
    return 0;
}

/* One piece of each kind, which is a fraction of a millisecond; *done: something was done. */
static int
advance(struct reducer *r, struct threads *pool, bool *done)
{
    bool led, own;

    if (lead_one(r, pool, &led) != 0 || reduce_one(r, pool, &own) != 0 || drop_sent(r) != 0 ||
        (r->tied && reduce_tied_advance(r) != 0))
        return -1;
    *done = led || own;
    return 0;
}

void
reduce_progress(void *arg)
{
    struct reducer *r = arg;
    bool done;

    if (r->open && !r->finishing && !r->failed && advance(r, NULL, &done) != 0)
        reduce_fail(r);
}

static int
reduce_rest(struct reducer *r)
{
    struct comm_pause pause = {.what = "gradient reduction"};
    bool done;

    while (r->own.head < r->own_pieces || r->sent.head < r->led_pieces - r->own_pieces ||
           (r->tied && !reduce_tied_done(r))) {
        if (advance(r, r->pool, &done) != 0)
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

void
reduce_end_step(struct reducer *r)
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
    r->early = r->own.head;
    publish_rest(r);
    reduce_end_step(r);
    if (r->failed) {
        err_give(&r->error);
        return -1;
    }
    if (reduce_rest(r) != 0 || reduce_messages_complete(r) != 0 || reduce_window_complete(r) != 0)
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
    int64_t at = reduce_place(r, element);
    if (r->zero == 0)
        return reduce_window_sums(r, at);
    if (!r->ringed)
        return r->buffer[0] + at;
    return r->sums + r->sums_at[unit] + at -
           reduce_place(r, slices_run(&r->slices, unit, owner)->begin);
}
