/*
 * Gradients in a ring (ZeRO-2 and 3): a tensor's gradient stands there from its first
 * product until all owners have added it, oldest first. What is left of it is the sums of the own
 * runs.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "comm/progress.h"
#include "parallel/reduce_private.h"

static int64_t
align_up(int64_t n)
{
    return (n + 15) / 16 * 16;
}

/* With more groups than ranks every rank's partial sums must be kept: no less than a whole one. */
bool
reduce_has_ring(const struct reducer_options *o, int ranks)
{
    return o->zero >= 2 && o->single && ranks > 1 && o->groups == ranks;
}

/*
 * The largest layer, twice, or once beside what lies outside of layers: the backward pass fills
 * one while owners take the other.
 */
int64_t
reduce_ring_size(const struct reducer *r)
{
    const struct params *p = r->params;
    int64_t layer = 0, outside = 0, embeddings = 0, now = 0;

    for (int i = 0; i < p->count; i++) {
        int64_t size = r->tensor[i].at < 0 ? 0 : align_up(r->tensor[i].size);
        bool same = i > 0 && p->param[i].layer >= 0 && p->param[i].layer == p->param[i - 1].layer;
        if (p->param[i].layer >= 0) {
            now = same ? now + size : size;
            layer = now > layer ? now : layer;
        } else if (p->param[i].kind == PARAM_EMBEDDING) {
            embeddings += size;
        } else {
            outside += size;
        }
    }
    outside = embeddings > outside ? embeddings : outside;
    return layer + (outside > layer ? outside : layer);
}

int
reduce_ring_open(struct reducer *r)
{
    size_t bytes = (size_t)reduce_place_sums(r, r->comm->rank, NULL) * sizeof *r->sums;

    r->ring.size = reduce_ring_size(r);
    r->ring.capacity = r->params->count + 1;
    r->ring.entry = mem_array((size_t)r->ring.capacity, sizeof *r->ring.entry);
    if (arena_init(&r->arena, bytes + 64) != 0)
        return -1;
    r->sums = arena_take(&r->arena, bytes);
    return 0;
}

void
reduce_ring_close(struct reducer *r)
{
    free(r->ring.entry);
    arena_release(&r->arena);
}

/* Were the pieces of a tensor read by all who lead for them? */
static bool
is_taken(const struct reducer *r, const struct tensor *t)
{
    bool yes = t->ready;

    for (int i = t->piece; i < t->piece_end && yes; i++)
        yes = reduce_window_is_read(r, i);
    return yes;
}

/* Forgets the oldest ones that were taken. */
static void
drop_taken(struct reducer *r)
{
    struct ring *ring = &r->ring;

    while (ring->count > 0 && is_taken(r, &r->tensor[ring->entry[ring->first].param])) {
        ring->first = (ring->first + 1) % ring->capacity;
        ring->count--;
    }
}

/* Where n elements have room behind the newest one, or -1. */
static int64_t
room(const struct ring *ring, int64_t n)
{
    if (ring->count == 0)
        return n <= ring->size ? 0 : -1;
    int64_t tail = ring->entry[ring->first].begin;
    int64_t head = ring->entry[(ring->first + ring->count - 1) % ring->capacity].end;
    if (head <= tail) /* it has begun again at 0 */
        return tail - head >= n ? head : -1;
    if (ring->size - head >= n)
        return head;
    return tail >= n ? 0 : -1;
}

static int
await_room(struct reducer *r, int64_t n, int64_t *at)
{
    struct comm_pause pause = {.what = "room for gradients"};

    for (;;) {
        if (r->failed) /* the hook's own record tells why */
            return -1;
        drop_taken(r);
        *at = room(&r->ring, n);
        if (*at >= 0)
            return 0;
        if (r->ring.count > 0 && !r->tensor[r->ring.entry[r->ring.first].param].ready)
            return err_set(STATUS_FAILED,
                           "gradient reduction: tensor %d is not complete, and there is no room for others",
                           r->ring.entry[r->ring.first].param);
        if (comm_pause(&pause) != 0)
            return -1;
    }
}

float *
reduce_ring_take(struct reducer *r, int param)
{
    struct ring *ring = &r->ring;
    int64_t n = align_up(r->tensor[param].size), at;

    if (await_room(r, n, &at) != 0) {
        reduce_fail(r);
        return ring->base;
    }
    ring->entry[(ring->first + ring->count) % ring->capacity] =
        (struct ring_entry){param, at, at + n};
    ring->count++;
    return ring->base + at;
}
