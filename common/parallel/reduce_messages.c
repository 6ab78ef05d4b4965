/*
 * Gradients by messages: a rank sends its nodes of a piece to the piece's owner as soon
 * as they are final; the owner receives them into one of a few slots, in the order in
 * which its own pieces become final, and keeps the sum in its first buffer. At the end
 * the slices are gathered there on every rank. One rank alone sends nothing.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "parallel/reduce_private.h"

enum { SLOTS_MIN = 2, SLOTS_MAX = 8 };
static const int64_t slot_bytes_wanted = 64 << 20; /* of all slots together */

struct requests VEC_BODY(struct comm_request *);

struct messages {
    struct arena arena;
    float *staging; /* [slots][remote nodes][REDUCE_PIECE] */
    int slots, remote;
    int posted;                     /* entries of r->queue whose receives were posted */
    struct comm_request **receives; /* [slots][remote] */
    struct requests sends;          /* of this step */
    size_t *sizes, *offsets;        /* of the slices, in bytes */
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
    size_t gradients = (size_t)r->params->grad_elements * sizeof(float);
    int ranks = r->comm->size;

    r->state = m;
    m->remote = r->node_count - r->own_nodes;
    m->slots = slot_count(m->remote);
    size_t staging = reduce_staging(m->remote);
    if (arena_init(&m->arena, (size_t)r->buffers * (gradients + 64) + staging) != 0)
        return -1;
    for (int i = 0; i < r->buffers; i++)
        r->buffer[i] = arena_take(&m->arena, gradients);
    m->staging = arena_take(&m->arena, staging);
    m->receives = mem_zarray((size_t)(m->slots * m->remote) + 1, sizeof(struct comm_request *));
    m->sizes = mem_array((size_t)ranks, sizeof *m->sizes);
    m->offsets = mem_array((size_t)ranks, sizeof *m->offsets);
    for (int i = 0; i < ranks; i++) {
        m->offsets[i] = (size_t)r->slices[i].begin * sizeof(float);
        m->sizes[i] = (size_t)(r->slices[i].end - r->slices[i].begin) * sizeof(float);
    }
    return 0;
}

static bool
in_flight(const struct messages *m)
{
    for (int i = 0; m->receives && i < m->slots * m->remote; i++)
        if (m->receives[i])
            return true;
    return m->sends.len > 0;
}

static void
messages_close(struct reducer *r)
{
    struct messages *m = r->state;

    if (!m)
        return;
    if (!in_flight(m)) /* after a failed step messages may still land there */
        arena_release(&m->arena);
    free(m->receives);
    vec_release(&m->sends);
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

static size_t
piece_bytes(const struct piece *p)
{
    return (size_t)(p->end - p->begin) * sizeof(float);
}

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
        for (int i = 0; i < r->node_count; i++) {
            if (r->nodes[i].rank == r->comm->rank)
                continue;
            if (r->comm->ops->receive(r->comm, staged(m, slot, k), piece_bytes(&r->pieces[piece]),
                                      r->nodes[i].rank, piece,
                                      &m->receives[slot * m->remote + k]) != 0)
                return -1;
            k++;
        }
    }
    return 0;
}

static int
messages_publish(struct reducer *r, int piece)
{
    struct messages *m = r->state;
    const struct piece *p = &r->pieces[piece];

    if (p->owner == r->comm->rank)
        return post_receives(r);
    for (int i = 0; i < r->own_nodes; i++) { /* in order: they carry the same tag */
        struct comm_request *q = NULL;
        if (r->comm->ops->send(r->comm, r->buffer[i] + p->begin, piece_bytes(p), p->owner, piece,
                               &q) != 0)
            return -1;
        vec_push(&m->sends, q);
    }
    return 0;
}

/* The piece asked for is always the oldest of the queue. */
static int
messages_collect(struct reducer *r, int piece, bool *there, float **at)
{
    struct messages *m = r->state;
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
    for (int i = 0; i < r->node_count; i++)
        at[i] = r->nodes[i].rank == r->comm->rank
                    ? r->buffer[r->nodes[i].index] + r->pieces[piece].begin
                    : staged(m, slot, k++);
    *there = true;
    return 0;
}

static void
messages_home(struct reducer *r, int piece, float *const *at)
{
    const struct piece *p = &r->pieces[piece];

    if (r->nodes[0].rank != r->comm->rank)
        memcpy(r->buffer[0] + p->begin, at[0], piece_bytes(p));
}

static int
messages_complete(struct reducer *r)
{
    struct messages *m = r->state;
    struct comm_request *q = NULL;
    int rank = r->comm->rank;

    /* What we sent lies where the sums are about to come. */
    for (size_t i = 0; i < m->sends.len; i++)
        if (comm_wait(r->comm, &m->sends.data[i]) != 0)
            return -1;
    vec_clear(&m->sends);
    char *sum = (char *)r->buffer[0];
    if (r->comm->ops->all_gather_v(r->comm, sum + m->offsets[rank], m->sizes[rank], sum, m->sizes,
                                   m->offsets, &q) != 0)
        return -1;
    return comm_wait(r->comm, &q);
}

static const float *
messages_sum(const struct reducer *r)
{
    return r->buffer[0];
}

const struct reduce_way reduce_by_messages = {
    .open = messages_open,
    .close = messages_close,
    .begin = messages_begin,
    .publish = messages_publish,
    .collect = messages_collect,
    .home = messages_home,
    .complete = messages_complete,
    .sum = messages_sum,
};
