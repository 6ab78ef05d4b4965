/* Making a reducer: what is planned, and the memory it takes. */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "comm/progress.h"
#include "parallel/reduce_private.h"

static void
take_queue(struct queue *q, int pieces)
{
    *q = (struct queue){.piece = mem_array((size_t)pieces + 1, sizeof *q->piece)};
}

/* What follows from the options and from which ranks share memory. */
static void
plan(struct reducer *r)
{
    r->run = tree_share(r->groups, r->comm->size, r->comm->rank);
    r->alone = r->groups == 1; /* hence one rank */
    r->buffers = tree_buffers(r->groups, r->run);
    reduce_lay_out(r);
    slices_cut(&r->slices, r->params, r->mine, r->comm->size);
    reduce_cut(r);
    reduce_plan_tree(r);
    take_queue(&r->led, r->led_pieces);
    take_queue(&r->own, r->own_pieces);
    take_queue(&r->sent, r->led_pieces);
    reduce_end_step(r);
}

/* Plans and takes memory that so many ranks share at most (0: all of a host). Collective. */
static int
prepare(struct reducer *r, int most)
{
    int status = STATUS_OK;

    if (hosts_open(&r->hosts, r->comm, most) != 0)
        return -1;
    plan(r);
    if ((r->ringed && reduce_ring_open(r) != 0) || reduce_window_open(r) != 0 ||
        reduce_messages_open(r) != 0)
        status = STATUS_FAILED;
    return comm_agree(r->comm, status);
}

/* What prepare took. */
static void
unprepare(struct reducer *r)
{
    reduce_messages_close(r);
    reduce_window_close(r);
    reduce_ring_close(r);
    reduce_free_plan(r);
    slices_release(&r->slices);
    free(r->tensor);
    free(r->sums_at);
    free(r->pieces);
    free(r->led.piece);
    free(r->own.piece);
    free(r->sent.piece);
    hosts_close(&r->hosts);
}

static struct reducer *
with_options(const struct reducer_options *o, struct comm *comm)
{
    struct reducer *r = mem_zalloc(sizeof *r);

    r->comm = comm;
    r->params = o->params;
    r->pool = o->pool;
    r->groups = o->groups;
    r->zero = o->zero;
    r->rounded = o->message_type == COMM_BF16;
    r->ringed = reduce_has_ring(o, comm->size);
    if (o->mine)
        r->mine = mem_dup(o->mine, (size_t)o->params->count * sizeof *o->mine);
    return r;
}

/* What prepare left behind, but for the options: to be made again. */
static void
start_again(struct reducer *r)
{
    struct reducer kept = *r;

    unprepare(r);
    *r = (struct reducer){
        .comm = kept.comm,
        .params = kept.params,
        .pool = kept.pool,
        .groups = kept.groups,
        .zero = kept.zero,
        .rounded = kept.rounded,
        .ringed = kept.ringed,
        .mine = kept.mine,
    };
}

struct reducer *
reducer_new(const struct reducer_options *o)
{
    struct comm *comm;
    struct reducer *r;
    int result;

    if (o->groups < o->comm->size) {
        err_set(STATUS_USAGE, "%d reduce groups for %d data-parallel ranks: at least one each",
                o->groups, o->comm->size);
        return NULL;
    }
    if (o->comm->ops->split(o->comm, 0, o->comm->rank, &comm) != 0)
        return NULL;
    r = with_options(o, comm);
    result = prepare(r, o->messages_only ? 1 : o->share_ranks);
    if (result != 0 && !o->messages_only && comm->size > 1) { /* no shared memory to be had */
        err_clear();
        start_again(r);
        result = prepare(r, 1);
    }
    if (result == 0)
        result = comm_agree(r->comm, o->tied && reduce_tied_open(r, o) != 0 ? STATUS_FAILED : 0);
    if (result != 0) {
        reducer_free(r);
        return NULL;
    }
    if (r->comm->size > 1 || r->tied)
        comm_progress_add(reduce_progress, r);
    return r;
}

void
reducer_free(struct reducer *r)
{
    if (!r)
        return;
    comm_progress_remove(reduce_progress, r);
    if (r->tied)
        reduce_tied_close(r);
    unprepare(r);
    comm_release(r->comm);
    free(r->mine);
    free(r);
}
