/*
 * Gradients in memory that the ranks of a host share. Whoever leads for a piece adds the
 * host's nodes where they lie; the sum comes to stand in the owner's own buffer, or with zero 0 in
 * that of the host's first rank, where all of them read it: no copy, no second array. Flags are
 * step numbers that only grow.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "comm/progress.h"
#include "parallel/reduce_private.h"

/* The head of each rank's part of the window, followed by flags, places and gradients. */
struct head {
    _Atomic uint32_t reduced;  /* this rank has reduced what it leads for in step … */
    _Atomic uint32_t released; /* this rank no longer reads the sums of step … */
};

struct window {
    void **base, *shared;
    void *alone[1];     /* base of a rank without neighbours */
    struct arena arena; /* its memory */
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

/* Of the rank at a place of this host. */
static struct head *
head_of(const struct reducer *r, int place)
{
    return r->window->base[place];
}

/* By piece: the rank's part of it is final in step … */
static _Atomic uint32_t *
published(const struct reducer *r, int place)
{
    return (_Atomic uint32_t *)(void *)((char *)head_of(r, place) + 64);
}

/* By piece: the rank, its leader, has read all parts of it in step … (with a ring) */
static _Atomic uint32_t *
read_flags(const struct reducer *r, int place)
{
    return (_Atomic uint32_t *)(void *)((char *)head_of(r, place) + 64 + flag_bytes(r));
}

/* By tensor: where in the rank's ring its gradient stands. */
static int64_t *
ring_places(const struct reducer *r, int place)
{
    return (int64_t *)(void *)((char *)head_of(r, place) + 64 + 2 * flag_bytes(r));
}

static float *
buffer_of(const struct reducer *r, int place, int index)
{
    char *base = (char *)head_of(r, place) + head_bytes(r);

    return (float *)(void *)base + (int64_t)index * r->extent;
}

static int
take_memory(struct reducer *r, struct window *w, size_t bytes)
{
    if (r->hosts.local->size > 1)
        return r->comm->ops->share(r->hosts.local, bytes, &w->base, &w->shared);
    w->base = w->alone;
    if (arena_init(&w->arena, bytes) != 0)
        return -1;
    w->alone[0] = arena_take(&w->arena, bytes);
    return 0;
}

int
reduce_window_open(struct reducer *r)
{
    int me = r->hosts.local->rank;
    size_t elements = (size_t)(r->ringed ? r->ring.size : r->buffers * r->extent);

    r->window = mem_zalloc(sizeof *r->window);
    if (take_memory(r, r->window, head_bytes(r) + elements * sizeof(float)) != 0)
        return -1;
    if (r->ringed)
        r->ring.base = buffer_of(r, me, 0);
    for (int i = 0; i < r->buffers && !r->ringed; i++)
        r->buffer[i] = buffer_of(r, me, i);
    atomic_store(&head_of(r, me)->reduced, 0);
    atomic_store(&head_of(r, me)->released, 0);
    for (int i = 0; i < r->piece_count; i++) {
        atomic_store(&published(r, me)[i], 0);
        atomic_store(&read_flags(r, me)[i], 0);
    }
    return 0;
}

void
reduce_window_close(struct reducer *r)
{
    struct window *w = r->window;

    if (w && w->shared)
        r->comm->ops->unshare(r->hosts.local, w->shared);
    if (w)
        arena_release(&w->arena);
    free(w);
    r->window = NULL;
}

/* Waits until the counters of all ranks of the host have come to this step's number. */
static int
await_all(struct reducer *r, bool reduced, uint32_t step, const char *what)
{
    struct comm_pause pause = {.what = what};

    for (int place = 0; place < r->hosts.local->size; place++) {
        struct head *h = head_of(r, place);
        const _Atomic uint32_t *counter = reduced ? &h->reduced : &h->released;
        while (atomic_load_explicit(counter, memory_order_acquire) < step)
            if (comm_pause(&pause) != 0)
                return -1;
    }
    return 0;
}

/*
 * Before the buffers are filled again, everybody has read what stands in them: gradients, or
 * in the first rank's the sums (with zero 0 the gradients were read when all were reduced).
 */
int
reduce_window_begin(struct reducer *r)
{
    int me = r->hosts.local->rank;

    atomic_store_explicit(&head_of(r, me)->released, r->step - 1, memory_order_release);
    if (r->zero == 0 && me > 0)
        return 0;
    return await_all(r, r->zero > 0, r->step - 1, "release of the gradients");
}

void
reduce_window_publish(struct reducer *r, int piece)
{
    int me = r->hosts.local->rank, param = r->pieces[piece].param;

    if (r->ringed)
        ring_places(r, me)[param] = r->tensor[param].place - r->ring.base;
    atomic_store_explicit(&published(r, me)[piece], r->step, memory_order_release);
}

float *
reduce_window_node(const struct reducer *r, int n, const struct piece *p)
{
    const struct node *node = &r->nodes[n];
    int place = r->hosts.place[node->rank];

    if (!r->ringed)
        return buffer_of(r, place, node->index) + p->at;
    if (node->rank == r->comm->rank && p->owner == node->rank && p->param < r->params->count)
        return r->sums + p->home; /* publishing it has put it there */
    return buffer_of(r, place, 0) + ring_places(r, place)[p->param] + p->at -
           r->tensor[p->param].at;
}

float *
reduce_window_sums(const struct reducer *r, int64_t at)
{
    return buffer_of(r, 0, 0) + at;
}

bool
reduce_window_collect(struct reducer *r, int piece, float **value)
{
    for (int place = 0; place < r->hosts.local->size; place++)
        if (atomic_load_explicit(&published(r, place)[piece], memory_order_acquire) != r->step)
            return false;
    for (int i = 0; i < r->node_count; i++)
        if (r->hosts.host[r->nodes[i].rank] == r->hosts.mine)
            value[i] = reduce_window_node(r, i, &r->pieces[piece]);
    return true;
}

void
reduce_window_read(struct reducer *r, int piece)
{
    atomic_store_explicit(&read_flags(r, r->hosts.local->rank)[piece], r->step,
                          memory_order_release);
}

bool
reduce_window_is_read(const struct reducer *r, int piece)
{
    int leader = r->hosts.place[r->pieces[piece].leader];

    return atomic_load_explicit(&read_flags(r, leader)[piece], memory_order_acquire) == r->step;
}

int
reduce_window_complete(struct reducer *r)
{
    atomic_store_explicit(&head_of(r, r->hosts.local->rank)->reduced, r->step,
                          memory_order_release);
    return r->zero > 0 ? 0 : await_all(r, true, r->step, "gradient reduction");
}
