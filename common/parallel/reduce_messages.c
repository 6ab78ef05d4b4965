/*
 * Gradients between hosts: what a host made of its nodes of a piece goes to the piece's owner
 * as soon as it is there; the owner receives it into one of a few slots, in the order in which its
 * own pieces become final on its host. With zero 0 the owner's runs go back to every
 * host at the end, where they stand once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/float16.h"
#include "base/mem.h"
#include "parallel/reduce_private.h"

enum { SLOTS_MIN = 2, SLOTS_MAX = 8 };
static const int64_t slot_bytes_wanted = 64 << 20; /* of all slots together */

struct messages {
    struct arena arena;
    float *staging; /* [slots][remote parts][REDUCE_PIECE] */
    int slots, remote;
    int posted;                     /* entries of r->own whose receives were posted */
    struct comm_request **receives; /* [slots][remote] */
    struct comm_request **sends;    /* [pieces][own parts] of this step */
    struct comm_request **spread;   /* [units][2 ranks]: sums to and from other hosts */
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

static size_t
send_count(const struct reducer *r)
{
    return (size_t)r->piece_count * (size_t)r->own_parts;
}

static size_t
spread_count(const struct reducer *r)
{
    return (size_t)r->slices.units * (size_t)r->comm->size * 2;
}

int
reduce_messages_open(struct reducer *r)
{
    struct messages *m = r->messages = mem_zalloc(sizeof *m);

    m->remote = r->part_count - r->own_parts;
    m->slots = slot_count(m->remote);
    m->receives = mem_zarray((size_t)(m->slots * m->remote) + 1, sizeof *m->receives);
    m->sends = mem_zarray(send_count(r) + 1, sizeof *m->sends);
    m->spread = mem_zarray(spread_count(r) + 1, sizeof *m->spread);
    if (m->remote == 0)
        return 0;
    if (arena_init(&m->arena, reduce_staging(m->remote)) != 0)
        return -1;
    m->staging = arena_take(&m->arena, m->arena.size);
    return 0;
}

static bool
any(struct comm_request *const *q, size_t n)
{
    for (size_t i = 0; q && i < n; i++)
        if (q[i])
            return true;
    return false;
}

void
reduce_messages_close(struct reducer *r)
{
    struct messages *m = r->messages;

    if (!m)
        return;
    /* After a failed step messages may still land there. */
    if (!any(m->receives, (size_t)(m->slots * m->remote)))
        arena_release(&m->arena);
    free(m->receives);
    free(m->sends);
    free(m->spread);
    free(m);
    r->messages = NULL;
}

void
reduce_messages_begin(struct reducer *r)
{
    r->messages->posted = 0;
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

/* Receives of one own piece: from whoever leads for this rank on the other hosts. */
static int
expect_piece(struct reducer *r, int piece, int slot)
{
    struct messages *m = r->messages;
    const struct piece *p = &r->pieces[piece];
    int k = 0;

    for (int i = 0; i < r->part_count; i++) {
        if (r->parts[i].host == r->hosts.mine)
            continue;
        char *into = (char *)staged(m, slot, k) + (size_t)p->size * sizeof(float) -
                     piece_bytes(r, p);
        int from = hosts_leader(&r->hosts, r->parts[i].host, r->comm->rank);
        if (r->comm->ops->receive(r->comm, into, piece_bytes(r, p), from, piece,
                                  &m->receives[slot * m->remote + k]) != 0)
            return -1;
        k++;
    }
    return 0;
}

int
reduce_messages_expect(struct reducer *r)
{
    struct messages *m = r->messages;

    for (; m->remote > 0 && m->posted < r->own.count && m->posted < r->own.head + m->slots;
         m->posted++)
        if (expect_piece(r, r->own.piece[m->posted], m->posted % m->slots) != 0)
            return -1;
    return 0;
}

int
reduce_messages_send(struct reducer *r, int piece)
{
    const struct piece *p = &r->pieces[piece];
    int k = 0;

    for (int i = 0; i < r->part_count; i++) { /* in order: they carry the same tag */
        if (r->parts[i].host != r->hosts.mine)
            continue;
        float *part = reduce_window_node(r, r->parts[i].node, p);
        if (r->rounded)
            narrow(part, p->size);
        if (r->comm->ops->send(r->comm, part, piece_bytes(r, p), p->owner, piece,
                               &r->messages->sends[piece * r->own_parts + k++]) != 0)
            return -1;
    }
    return 0;
}

int
reduce_messages_sent(struct reducer *r, int piece, bool *yes)
{
    *yes = true;
    for (int k = 0; k < r->own_parts && *yes; k++)
        if (r->comm->ops->test(r->comm, &r->messages->sends[piece * r->own_parts + k], yes) != 0)
            return -1;
    return 0;
}

int
reduce_messages_collect(struct reducer *r, int piece, bool *there, float **value)
{
    struct messages *m = r->messages;
    const struct piece *p = &r->pieces[piece];
    int slot = m->slots > 0 ? r->own.head % m->slots : 0, k = 0;

    *there = false;
    if (reduce_messages_expect(r) != 0)
        return -1;
    for (int i = 0; i < m->remote; i++) {
        bool done;
        if (r->comm->ops->test(r->comm, &m->receives[slot * m->remote + i], &done) != 0)
            return -1;
        if (!done)
            return 0;
    }
    for (int i = 0; i < r->part_count; i++) {
        if (r->parts[i].host == r->hosts.mine) {
            value[i] = reduce_window_node(r, r->parts[i].node, p);
        } else {
            value[i] = staged(m, slot, k++);
            if (r->rounded)
                widen(value[i], p->size);
        }
    }
    *there = true;
    return 0;
}

/* ---- the sums, with zero 0 ---- */

/* Unit u of owner `owner`: sent to the ranks that lead for it, or received for this host. */
static int
spread_run(struct reducer *r, int u, int owner)
{
    struct comm_request **q = r->messages->spread + (size_t)u * (size_t)r->comm->size * 2;
    const struct hosts *h = &r->hosts;
    const struct reduced_run *run = slices_run(&r->slices, u, owner);
    float *sums = reduce_window_sums(r, reduce_place(r, run->begin));
    size_t bytes = (size_t)reduce_extent(r, run) * sizeof *sums;
    int tag = r->piece_count + u;

    if (bytes == 0)
        return 0;
    if (owner != r->comm->rank) {
        bool lead = h->host[owner] != h->mine && hosts_leader(h, h->mine, owner) == r->comm->rank;
        return lead ? r->comm->ops->receive(r->comm, sums, bytes, owner, tag,
                                            &q[r->comm->size + owner])
                    : 0;
    }
    for (int i = 0; i < h->count; i++) {
        int to = hosts_leader(h, i, owner);
        if (i != h->mine && r->comm->ops->send(r->comm, sums, bytes, to, tag, &q[to]) != 0)
            return -1;
    }
    return 0;
}

static int
wait_all(struct reducer *r, struct comm_request **q, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (comm_wait(r->comm, &q[i]) != 0)
            return -1;
    return 0;
}

int
reduce_messages_complete(struct reducer *r)
{
    struct messages *m = r->messages;

    if (r->hosts.count == 1)
        return 0;
    /* What we sent lies where the sums, or the next step's gradients, are about to come. */
    if (wait_all(r, m->sends, send_count(r)) != 0)
        return -1;
    for (int u = 0; u < r->slices.units && r->zero == 0; u++)
        for (int owner = 0; owner < r->comm->size; owner++)
            if (spread_run(r, u, owner) != 0)
                return -1;
    return wait_all(r, m->spread, spread_count(r));
}
