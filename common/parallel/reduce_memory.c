/*
 * Gradients in memory that all ranks share. Owners add the other ranks' nodes where
 * they lie; the sum comes to stand in the owner's own buffer, or with zero 0 in rank 0's, where all
 * ranks read it: no copy, no second array. Flags are step numbers that only grow.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "comm/progress.h"
#include "parallel/reduce_private.h"

/* The head of each rank's window, followed by flags, places and gradients. */
struct head {
    _Atomic uint32_t reduced;  /* this rank has reduced its runs of step … */
    _Atomic uint32_t released; /* this rank no longer reads the sums of step … */
};

struct memory {
    void **base, *window;
};

static size_t
flag_bytes(const struct reducer *r)
{
    return ((size_t)r->piece_count * sizeof(uint32_t) + 63) & ~(size_t)63;
}

static size_t
head_bytes(const struct reducer *r)
{
    size_t n = 64 + 2 * flag_bytes(r) + (size_t)(r->params->count + 1) * sizeof(int64_t);

    return (n + 4095) & ~(size_t)4095;
}

static struct head *
head_of(const struct reducer *r, int rank)
{
    const struct memory *m = r->state;

    return m->base[rank];
}

/* By piece: the rank's part of it is final in step … */
static _Atomic uint32_t *
published(const struct reducer *r, int rank)
{
    return (_Atomic uint32_t *)(void *)((char *)head_of(r, rank) + 64);
}

/* By piece: the rank, its owner, has read all parts of it in step … (with a ring) */
static _Atomic uint32_t *
read_flags(const struct reducer *r, int rank)
{
    return (_Atomic uint32_t *)(void *)((char *)head_of(r, rank) + 64 + flag_bytes(r));
}

/* By tensor: where in the rank's ring its gradient stands. */
static int64_t *
ring_places(const struct reducer *r, int rank)
{
    return (int64_t *)(void *)((char *)head_of(r, rank) + 64 + 2 * flag_bytes(r));
}

static float *
buffer_of(const struct reducer *r, int rank, int index)
{
    char *base = (char *)head_of(r, rank) + head_bytes(r);

    return (float *)(void *)base + (int64_t)index * r->extent;
}

static void
clear_head(struct reducer *r)
{
    struct head *h = head_of(r, r->comm->rank);

    atomic_store(&h->reduced, 0);
    atomic_store(&h->released, 0);
    for (int i = 0; i < r->piece_count; i++) {
        atomic_store(&published(r, r->comm->rank)[i], 0);
        atomic_store(&read_flags(r, r->comm->rank)[i], 0);
    }
}

static int
memory_open(struct reducer *r)
{
    struct memory *m = mem_zalloc(sizeof *m);
    size_t elements = (size_t)(r->ringed ? r->ring.size : r->buffers * r->extent);

    r->state = m;
    if (r->comm->ops->share(r->comm, head_bytes(r) + elements * sizeof(float), &m->base,
                            &m->window) != 0)
        return -1;
    if (r->ringed)
        r->ring.base = buffer_of(r, r->comm->rank, 0);
    for (int i = 0; i < r->buffers && !r->ringed; i++)
        r->buffer[i] = buffer_of(r, r->comm->rank, i);
    clear_head(r);
    return comm_barrier(r->comm);
}

static void
memory_close(struct reducer *r)
{
    struct memory *m = r->state;

    if (m && m->window)
        r->comm->ops->unshare(r->comm, m->window);
    free(m);
    r->state = NULL;
}

/* Waits until the counters of all ranks have come to this step's number. */
static int
await_all(struct reducer *r, bool reduced, uint32_t step, const char *what)
{
    struct comm_pause pause = {.what = what};

    for (int rank = 0; rank < r->comm->size; rank++) {
        struct head *h = head_of(r, rank);
        const _Atomic uint32_t *counter = reduced ? &h->reduced : &h->released;
        while (atomic_load_explicit(counter, memory_order_acquire) < step)
            if (comm_pause(&pause) != 0)
                return -1;
    }
    return 0;
}

/*
 * Before the buffers are filled again, everybody has read what stands in them: gradients, or
 * in rank 0's the sums (with zero 0 the gradients were read when all were reduced).
 */
static int
memory_begin(struct reducer *r)
{
    struct head *h = head_of(r, r->comm->rank);

    atomic_store_explicit(&h->released, r->step - 1, memory_order_release);
    if (r->zero == 0 && r->comm->rank > 0)
        return 0;
    return await_all(r, r->zero > 0, r->step - 1, "release of the gradients");
}

static int
memory_publish(struct reducer *r, int piece)
{
    const struct tensor *t = &r->tensor[r->pieces[piece].param];

    if (r->ringed)
        ring_places(r, r->comm->rank)[r->pieces[piece].param] = t->place - r->ring.base;
    atomic_store_explicit(&published(r, r->comm->rank)[piece], r->step, memory_order_release);
    return 0;
}

/* Where a node's part of a piece lies. */
static float *
part_of(const struct reducer *r, const struct node *n, const struct piece *p)
{
    if (!r->ringed)
        return buffer_of(r, n->rank, n->index) + p->at;
    if (n->rank == r->comm->rank && p->param < r->params->count)
        return r->sums + p->home; /* publishing it has put it there */
    return buffer_of(r, n->rank, 0) + ring_places(r, n->rank)[p->param] + p->at -
           r->tensor[p->param].at;
}

static int
memory_collect(struct reducer *r, int piece, bool *there, float **at)
{
    *there = false;
    for (int rank = 0; rank < r->comm->size; rank++)
        if (atomic_load_explicit(&published(r, rank)[piece], memory_order_acquire) != r->step)
            return 0;
    for (int i = 0; i < r->node_count; i++)
        at[i] = part_of(r, &r->nodes[i], &r->pieces[piece]);
    *there = true;
    return 0;
}

static void
memory_reduced(struct reducer *r, int piece)
{
    atomic_store_explicit(&read_flags(r, r->comm->rank)[piece], r->step, memory_order_release);
}

static int
memory_taken(struct reducer *r, int piece, bool *yes)
{
    *yes = atomic_load_explicit(&read_flags(r, r->pieces[piece].owner)[piece],
                                memory_order_acquire) == r->step;
    return 0;
}

static int
memory_complete(struct reducer *r)
{
    atomic_store_explicit(&head_of(r, r->comm->rank)->reduced, r->step, memory_order_release);
    return r->zero > 0 ? 0 : await_all(r, true, r->step, "gradient reduction");
}

static float *
memory_sum(const struct reducer *r, int64_t at)
{
    return buffer_of(r, 0, 0) + at;
}

const struct reduce_way reduce_in_memory = {
    .open = memory_open,
    .close = memory_close,
    .begin = memory_begin,
    .publish = memory_publish,
    .collect = memory_collect,
    .reduced = memory_reduced,
    .taken = memory_taken,
    .complete = memory_complete,
    .sum = memory_sum,
};
