/*
 * Gradients in memory that all ranks share. Owners add the other ranks' nodes where
 * they lie; the sum is left in rank 0's first buffer, where all ranks read it: no
 * copy, no second array. Flags are step numbers that only grow.
 */
#include <stdatomic.h>

#include "base/err.h"
#include "base/mem.h"
#include "comm/progress.h"
#include "parallel/reduce_private.h"

/* The head of each rank's window, followed by its buffers. */
struct head {
    _Atomic uint32_t reduced;     /* this rank has reduced its slice of step … */
    _Atomic uint32_t released;    /* this rank no longer reads the sum of step … */
    _Atomic uint32_t published[]; /* by piece: this rank's part of it is final in step … */
};

struct memory {
    void **base, *window;
};

static size_t
head_bytes(const struct reducer *r)
{
    size_t n = sizeof(struct head) + (size_t)r->piece_count * sizeof(uint32_t);

    return (n + 4095) & ~(size_t)4095;
}

static struct head *
head_of(const struct reducer *r, int rank)
{
    const struct memory *m = r->state;

    return m->base[rank];
}

static float *
buffer_of(const struct reducer *r, int rank, int index)
{
    char *base = (char *)head_of(r, rank) + head_bytes(r);

    return (float *)(void *)base + (int64_t)index * r->params->grad_elements;
}

static int
memory_open(struct reducer *r)
{
    struct memory *m = mem_zalloc(sizeof *m);
    size_t bytes = (size_t)r->buffers * (size_t)r->params->grad_elements * sizeof(float);

    r->state = m;
    if (r->comm->ops->share(r->comm, head_bytes(r) + bytes, &m->base, &m->window) != 0)
        return -1;
    for (int i = 0; i < r->buffers; i++)
        r->buffer[i] = buffer_of(r, r->comm->rank, i);
    struct head *h = head_of(r, r->comm->rank);
    atomic_store(&h->reduced, 0);
    atomic_store(&h->released, 0);
    for (int i = 0; i < r->piece_count; i++)
        atomic_store(&h->published[i], 0);
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

static int
memory_begin(struct reducer *r)
{
    atomic_store_explicit(&head_of(r, r->comm->rank)->released, r->step - 1, memory_order_release);
    /* The sum lies in rank 0's buffer: it must not begin to fill it while others read. */
    return r->comm->rank == 0 ? await_all(r, false, r->step - 1, "release of the gradient sum") : 0;
}

static int
memory_publish(struct reducer *r, int piece)
{
    atomic_store_explicit(&head_of(r, r->comm->rank)->published[piece], r->step,
                          memory_order_release);
    return 0;
}

static int
memory_collect(struct reducer *r, int piece, bool *there, float **at)
{
    *there = false;
    for (int rank = 0; rank < r->comm->size; rank++)
        if (atomic_load_explicit(&head_of(r, rank)->published[piece], memory_order_acquire) !=
            r->step)
            return 0;
    for (int i = 0; i < r->node_count; i++)
        at[i] = buffer_of(r, r->nodes[i].rank, r->nodes[i].index) + r->pieces[piece].begin;
    *there = true;
    return 0;
}

static void
memory_home(struct reducer *r, int piece, float *const *at)
{
    (void)r, (void)piece, (void)at; /* node 0 is rank 0's first buffer */
}

static int
memory_complete(struct reducer *r)
{
    atomic_store_explicit(&head_of(r, r->comm->rank)->reduced, r->step, memory_order_release);
    return await_all(r, true, r->step, "gradient reduction");
}

static const float *
memory_sum(const struct reducer *r)
{
    return buffer_of(r, 0, 0);
}

const struct reduce_way reduce_in_memory = {
    .open = memory_open,
    .close = memory_close,
    .begin = memory_begin,
    .publish = memory_publish,
    .collect = memory_collect,
    .home = memory_home,
    .complete = memory_complete,
    .sum = memory_sum,
};
