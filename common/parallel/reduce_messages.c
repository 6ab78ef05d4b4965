/*
 * Gradients by messages: a rank sends its nodes of a piece to the piece's owner as soon
 * as they are final; the owner receives them into one of a few slots, in the order in
 * which its own pieces become final, and adds them to its own part. With zero 0 the runs are
 * gathered there on every rank at the end. One rank alone sends nothing.
 */
#include <string.h>

#include "base/err.h"
#include "base/float16.h"
#include "base/mem.h"
#include "base/vec.h"
#include "parallel/reduce_private.h"

enum { SLOTS_MIN = 2, SLOTS_MAX = 8 };
static const int64_t slot_bytes_wanted = 64 << 20; /* of all slots together */

struct messages {
    struct arena arena;
    float *staging; /* [slots][remote nodes][REDUCE_PIECE] */
    int slots, remote;
    int posted;                     /* entries of r->queue whose receives were posted */
    struct comm_request **receives; /* [slots][remote] */
    struct comm_request **sends;    /* [pieces][own nodes] of this step */
    struct comm_request **gathers;  /* [units] */
    size_t *sizes, *offsets;        /* of a unit's runs by owner, in bytes */
};

static int64_t
slot_bytes(int remote)
{
    return (int64_t)remote * REDUCE_PIECE * (int64_t)sizeof(float);
}

/* As many slots as keep several messages on their way, in bounded memory. */
static int
slot_count(int remote)
{
    if (remote == 0)
        return 0;
    int64_t n = slot_bytes_wanted / slot_bytes(remote);
    return n < SLOTS_MIN ? SLOTS_MIN : n > SLOTS_MAX ? SLOTS_MAX : (int)n;
}

uint64_t
reduce_staging(int remote)
{
    return (uint64_t)slot_count(remote) * (uint64_t)slot_bytes(remote);
}

static int
messages_open(struct reducer *r)
{
    struct messages *m = mem_zalloc(sizeof *m);
    size_t each = (size_t)(r->ringed ? r->ring.size : r->extent) * sizeof(float);
    int ranks = r->comm->size, buffers = r->ringed ? 1 : r->buffers;

    r->state = m;
    m->remote = r->node_count - r->own_nodes;
    m->slots = slot_count(m->remote);
    size_t staging = reduce_staging(m->remote);
    if (arena_init(&m->arena, (size_t)buffers * (each + 64) + staging) != 0)
        return -1;
    for (int i = 0; i < buffers; i++)
        r->buffer[i] = arena_take(&m->arena, each);
    if (r->ringed)
        r->ring.base = r->buffer[0];
    m->staging = arena_take(&m->arena, staging);
    m->receives = mem_zarray((size_t)(m->slots * m->remote) + 1, sizeof *m->receives);
    m->sends = mem_zarray((size_t)r->piece_count * (size_t)r->own_nodes + 1, sizeof *m->sends);
    m->gathers = mem_zarray((size_t)r->slices.units + 1, sizeof *m->gathers);
    m->sizes = mem_array((size_t)r->slices.units * (size_t)ranks + 1, sizeof *m->sizes);
    m->offsets = mem_array((size_t)r->slices.units * (size_t)ranks + 1, sizeof *m->offsets);
    return 0;
}

static bool
any(struct comm_request *const *q, int n)
{
    for (int i = 0; q && i < n; i++)
        if (q[i])
            return true;
    return false;
}

static bool
in_flight(const struct reducer *r, const struct messages *m)
{
    return any(m->receives, m->slots * m->remote) ||
           any(m->sends, r->piece_count * r->own_nodes) || any(m->gathers, r->slices.units);
}

static void
messages_close(struct reducer *r)
{
    struct messages *m = r->state;

    if (!m)
        return;
    if (!in_flight(r, m)) /* after a failed step messages may still land there */
        arena_release(&m->arena);
    free(m->receives);
    free(m->sends);
    free(m->gathers);
    free(m->sizes);
    free(m->offsets);
    free(m);
    r->state = NULL;
}

static int
messages_begin(struct reducer *r)
{
    struct messages *m = r->state;

    m->posted = 0;
    return 0;
}

/* ---- BF16 on the way ---- */

static size_t
piece_bytes(const struct reducer *r, const struct piece *p)
{
    return (size_t)p->size * (r->rounded ? sizeof(bf16) : sizeof(float));
}

/* In place: what is sent is not read again. The numbers fill the first half. */
static void
narrow(float *x, int64_t n)
{
    char *to = (char *)x;

    for (int64_t i = 0; i < n; i++) {
        bf16 h = bf16_from_float(x[i]);
        memcpy(to + i * (int64_t)sizeof h, &h, sizeof h);
    }
}

/* In place: they came into the second half. */
static void
widen(float *x, int64_t n)
{
    const char *from = (const char *)x + n * (int64_t)sizeof(bf16);

    for (int64_t i = 0; i < n; i++) {
        bf16 h;
        memcpy(&h, from + i * (int64_t)sizeof h, sizeof h);
        x[i] = bf16_to_float(h);
    }
}

/* ---- pieces ---- */

static float *
staged(const struct messages *m, int slot, int k)
{
    return m->staging + ((int64_t)slot * m->remote + k) * REDUCE_PIECE;
}

/* Posts receives for own pieces in the order of the queue, while there are free slots. */
static int
post_receives(struct reducer *r)
{
    struct messages *m = r->state;

    for (; m->remote > 0 && m->posted < r->queued && m->posted < r->queue_head + m->slots;
         m->posted++) {
        int piece = r->queue[m->posted], slot = m->posted % m->slots, k = 0;
        const struct piece *p = &r->pieces[piece];
        for (int i = 0; i < r->node_count; i++) {
            if (r->nodes[i].rank == r->comm->rank)
                continue;
            char *into = (char *)staged(m, slot, k) +
                         (size_t)p->size * sizeof(float) - piece_bytes(r, p);
            if (r->comm->ops->receive(r->comm, into, piece_bytes(r, p), r->nodes[i].rank, piece,
                                      &m->receives[slot * m->remote + k]) != 0)
                return -1;
            k++;
        }
    }
    return 0;
}

/* Where this rank's own node k of a piece stands. */
static float *
own_part(const struct reducer *r, int k, const struct piece *p)
{
    const struct tensor *t = &r->tensor[p->param];

    return r->ringed ? t->place + p->at - t->at : r->buffer[k] + p->at;
}

static int
messages_publish(struct reducer *r, int piece)
{
    struct messages *m = r->state;
    const struct piece *p = &r->pieces[piece];

    if (p->owner == r->comm->rank)
        return post_receives(r);
    for (int i = 0; i < r->own_nodes; i++) { /* in order: they carry the same tag */
        float *part = own_part(r, i, p);
        if (r->rounded)
            narrow(part, p->size);
        if (r->comm->ops->send(r->comm, part, piece_bytes(r, p), p->owner, piece,
                               &m->sends[piece * r->own_nodes + i]) != 0)
            return -1;
    }
    return 0;
}

/* The piece asked for is always the oldest of the queue. */
static int
messages_collect(struct reducer *r, int piece, bool *there, float **at)
{
    struct messages *m = r->state;
    const struct piece *p = &r->pieces[piece];
    int slot = m->slots > 0 ? r->queue_head % m->slots : 0, k = 0;

    *there = false;
    if (post_receives(r) != 0)
        return -1;
    for (int i = 0; i < m->remote; i++) {
        bool done;
        if (r->comm->ops->test(r->comm, &m->receives[slot * m->remote + i], &done) != 0)
            return -1;
        if (!done)
            return 0;
    }
    for (int i = 0; i < r->node_count; i++) {
        if (r->nodes[i].rank != r->comm->rank) {
            if (r->rounded)
                widen(staged(m, slot, k), p->size);
            at[i] = staged(m, slot, k++);
        } else if (r->ringed && p->param < r->params->count) {
            at[i] = r->sums + p->home; /* publishing it has put it there */
        } else {
            at[i] = own_part(r, r->nodes[i].index, p);
        }
    }
    *there = true;
    return 0;
}

static void
messages_reduced(struct reducer *r, int piece)
{
    (void)r, (void)piece;
}

static int
messages_taken(struct reducer *r, int piece, bool *yes)
{
    struct messages *m = r->state;

    return r->comm->ops->test(r->comm, &m->sends[piece * r->own_nodes], yes);
}

/* Everybody gets the runs of unit u. */
static int
gather(struct reducer *r, int u)
{
    struct messages *m = r->state;
    const struct slice_unit *unit = &r->slices.unit[u];
    int64_t shift = r->tensor[unit->param].at - r->params->param[unit->param].offset;
    size_t *sizes = m->sizes + (size_t)u * (size_t)r->comm->size;
    size_t *offsets = m->offsets + (size_t)u * (size_t)r->comm->size;
    char *sum = (char *)r->buffer[0];
    int me = r->comm->rank;

    for (int i = 0; i < r->comm->size; i++) {
        const struct reduced_run *run = slices_run(&r->slices, u, i);
        offsets[i] = (size_t)(run->begin + shift) * sizeof(float);
        sizes[i] = (size_t)(run->end - run->begin) * sizeof(float);
    }
    return r->comm->ops->all_gather_v(r->comm, sum + offsets[me], sizes[me], sum, sizes, offsets,
                                      &m->gathers[u]);
}

static int
messages_complete(struct reducer *r)
{
    struct messages *m = r->state;

    /* What we sent lies where the sums, or the next step's gradients, are about to come. */
    for (int i = 0; i < r->piece_count * r->own_nodes; i++)
        if (comm_wait(r->comm, &m->sends[i]) != 0)
            return -1;
    if (r->zero > 0 || r->comm->size == 1)
        return 0;
    for (int u = 0; u < r->slices.units; u++)
        if (gather(r, u) != 0)
            return -1;
    for (int u = 0; u < r->slices.units; u++)
        if (comm_wait(r->comm, &m->gathers[u]) != 0)
            return -1;
    return 0;
}

static float *
messages_sum(const struct reducer *r, int64_t at)
{
    return r->buffer[0] + at;
}

const struct reduce_way reduce_by_messages = {
    .open = messages_open,
    .close = messages_close,
    .begin = messages_begin,
    .publish = messages_publish,
    .collect = messages_collect,
    .reduced = messages_reduced,
    .taken = messages_taken,
    .complete = messages_complete,
    .sum = messages_sum,
};
