/*
 * A tied embedding whose two uses are on different pipeline stages. Each stage sums its
 * own gradient; then the two owners of the same run exchange what they have, piece by piece in
 * ascending order, and both add: a sum of two has the same bits either way round.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "parallel/reduce_private.h"

enum { SLOTS = 8 };

struct tied {
    struct comm *pair;
    int *piece; /* own pieces of the embedding */
    int count;
    int posted, done; /* of them, in this step */
    float *staging;   /* [slots][REDUCE_PIECE] */
    struct comm_request *receive[SLOTS], *send[SLOTS];
};

static int
slots_of(int64_t own_elements)
{
    int64_t n = (own_elements + REDUCE_PIECE - 1) / REDUCE_PIECE;

    return n < SLOTS ? (int)n : SLOTS;
}

uint64_t
reduce_tied_bytes(int64_t own_elements)
{
    return (uint64_t)slots_of(own_elements) * REDUCE_PIECE * sizeof(float);
}

/* Do both have the same pieces, and is one of them the input's? */
static int
check_pair(const struct reducer *r, const struct tied *t, bool sparse)
{
    int32_t mine[3] = {sparse, t->count, 0}, least[3], most[3];

    for (int i = 0; i < t->count; i++)
        mine[2] = (int32_t)((uint32_t)mine[2] * 31 + (uint32_t)r->pieces[t->piece[i]].size);
    for (int i = 0; i < 3; i++)
        least[i] = most[i] = mine[i];
    if (comm_all_reduce(t->pair, least, 3, COMM_I32, COMM_MIN) != 0 ||
        comm_all_reduce(t->pair, most, 3, COMM_I32, COMM_MAX) != 0)
        return -1;
    if (t->pair->size != 2 || least[0] == most[0] || least[1] != most[1] || least[2] != most[2])
        return err_set(STATUS_FAILED,
                       "gradient reduction: the two stages of a tied embedding do not fit");
    return 0;
}

int
reduce_tied_open(struct reducer *r, const struct reducer_options *o)
{
    struct tied *t = mem_zalloc(sizeof *t);
    const struct params *p = r->params;
    int64_t elements = 0;

    r->tied = t;
    if (o->tied->ops->split(o->tied, 0, o->tied->rank, &t->pair) != 0)
        return -1;
    t->piece = mem_array((size_t)r->own_pieces + 1, sizeof *t->piece);
    if (p->embedding >= 0 && p->tied_offset < 0 && r->tensor[p->embedding].at >= 0)
        for (int i = r->tensor[p->embedding].piece; i < r->tensor[p->embedding].piece_end; i++)
            if (r->pieces[i].owner == r->comm->rank) {
                t->piece[t->count++] = i;
                elements += r->pieces[i].size;
            }
    t->staging = mem_aligned(reduce_tied_bytes(elements));
    return check_pair(r, t, o->tied_sparse);
}

void
reduce_tied_close(struct reducer *r)
{
    struct tied *t = r->tied;

    comm_release(t->pair);
    if (t->done == t->posted) /* after a failed step messages may still land there */
        free(t->staging);
    free(t->piece);
    free(t);
    r->tied = NULL;
}

void
reduce_tied_begin(struct reducer *r)
{
    r->tied->posted = r->tied->done = 0;
}

bool
reduce_tied_done(const struct reducer *r)
{
    return r->tied->done == r->tied->count;
}

static int
post(struct reducer *r, struct tied *t)
{
    struct comm *c = t->pair;

    for (; t->posted < t->count && t->posted < t->done + SLOTS; t->posted++) {
        int i = t->piece[t->posted], slot = t->posted % SLOTS;
        const struct piece *p = &r->pieces[i];
        size_t bytes = (size_t)p->size * sizeof(float);
        if (!p->reduced)
            break;
        if (c->ops->receive(c, t->staging + (int64_t)slot * REDUCE_PIECE, bytes, 1 - c->rank,
                            t->posted, &t->receive[slot]) != 0 ||
            c->ops->send(c, reduce_own_sum(r, p), bytes, 1 - c->rank, t->posted,
                         &t->send[slot]) != 0)
            return -1;
    }
    return 0;
}

int
reduce_tied_advance(struct reducer *r)
{
    struct tied *t = r->tied;

    if (post(r, t) != 0)
        return -1;
    while (t->done < t->posted) {
        int slot = t->done % SLOTS;
        const struct piece *p = &r->pieces[t->piece[t->done]];
        bool came, sent;
        if (t->pair->ops->test(t->pair, &t->receive[slot], &came) != 0 ||
            t->pair->ops->test(t->pair, &t->send[slot], &sent) != 0)
            return -1;
        if (!came || !sent)
            return 0;
        float *value[] = {reduce_own_sum(r, p), t->staging + (int64_t)slot * REDUCE_PIECE};
        reduce_sum(NULL, &(struct addition){0, 1}, 1, value, p->size);
        t->done++;
        if (post(r, t) != 0)
            return -1;
    }
    return 0;
}
