/* Where tensors stand in a gradient buffer, and the pieces in which they travel. */
#include "base/mem.h"
#include "base/vec.h"
#include "parallel/reduce_private.h"

static int64_t
align_up(int64_t n)
{
    return (n + 15) / 16 * 16;
}

/*
 * Only the tensors that are reduced here, and are not frozen, take room; neighbours keep their distance, so
 * that a run is contiguous.
 */
void
reduce_lay_out(struct reducer *r)
{
    const struct params *p = r->params;
    struct tensor *sparse;

    r->tensor = mem_zarray((size_t)p->count + 1, sizeof *r->tensor);
    r->extent = 0;
    for (int i = 0; i < p->count; i++) {
        struct tensor *t = &r->tensor[i];
        *t = (struct tensor){.at = -1, .size = p->param[i].size, .before = r->extent};
        if ((r->mine && !r->mine[i]) || p->param[i].frozen)
            continue;
        t->at = i > 0 && t[-1].at >= 0
                    ? t[-1].at + p->param[i].offset - p->param[i - 1].offset
                    : r->extent;
        t->before = t->at;
        r->extent = align_up(t->at + t->size);
    }
    sparse = &r->tensor[p->count];
    *sparse = (struct tensor){.at = -1};
    if (p->tied_offset >= 0 && r->tensor[p->embedding].at >= 0) {
        sparse->at = r->extent;
        sparse->size = p->param[p->embedding].size;
        r->extent += align_up(sparse->size);
    }
}

int64_t
reduce_place(const struct reducer *r, int64_t element)
{
    const struct params *p = r->params;
    int low = 0, high = p->count - 1;

    while (low < high) { /* the last tensor that begins there or before */
        int middle = (low + high + 1) / 2;
        if (p->param[middle].offset <= element)
            low = middle;
        else
            high = middle - 1;
    }
    const struct tensor *t = &r->tensor[low];
    return t->at < 0 ? t->before : t->at + element - p->param[low].offset;
}

int64_t
reduce_extent(const struct reducer *r, const struct reduced_run *run)
{
    return run->end > run->begin ? reduce_place(r, run->end) - reduce_place(r, run->begin) : 0;
}

struct pieces VEC_BODY(struct piece);

/* The pieces of elements [begin, end) of tensor `param`; at home from element `home` on. */
static void
cut_run(struct pieces *pieces, struct piece like, int64_t begin, int64_t end, int64_t home)
{
    for (int64_t size; begin < end; begin += size) {
        size = end - begin < REDUCE_PIECE ? end - begin : REDUCE_PIECE;
        like.at = begin;
        like.size = size;
        like.home = begin - home;
        vec_push(pieces, like);
    }
}

/* The part of tensor i that lies in each run of its unit. */
static void
cut_tensor(struct reducer *r, struct pieces *pieces, int unit, int i)
{
    struct tensor *t = &r->tensor[i];
    int64_t shift = t->at - r->params->param[i].offset;

    t->piece = t->piece_end = (int)pieces->len;
    for (int k = 0; k < r->slices.owners && t->at >= 0; k++) {
        const struct reduced_run *run =
            &r->slices.cut[(size_t)unit * (size_t)r->slices.owners + (size_t)k];
        struct piece like = {
            .param = i, .owner = slices_owner(&r->slices, unit, k), .twin = -1};
        like.leader = hosts_leader(&r->hosts, r->hosts.mine, like.owner);
        int64_t from = run->begin + shift, to = run->end + shift;
        int64_t begin = from > t->at ? from : t->at;
        int64_t end = to < t->at + t->size ? to : t->at + t->size;
        if (run->block_end > run->block)
            cut_run(pieces, like, begin, end, reduce_place(r, run->begin) - r->sums_at[unit]);
    }
    t->piece_end = (int)pieces->len;
}

/* The second gradient of a tied embedding is cut as the embedding is. */
static void
add_twins(struct reducer *r, struct pieces *pieces)
{
    const struct tensor *dense = &r->tensor[r->params->embedding];
    struct tensor *sparse = &r->tensor[r->params->count];

    sparse->piece = (int)pieces->len;
    for (int i = dense->piece; i < dense->piece_end; i++) {
        struct piece twin = pieces->data[i];
        twin.at += sparse->at - dense->at;
        twin.param = r->params->count;
        twin.twin = i;
        pieces->data[i].twin = (int)pieces->len;
        vec_push(pieces, twin);
    }
    sparse->piece_end = (int)pieces->len;
}

int64_t
reduce_place_sums(const struct reducer *r, int rank, int64_t *at)
{
    int64_t extent = 0;

    for (int u = 0; u < r->slices.units; u++) {
        if (at)
            at[u] = extent;
        extent += align_up(reduce_extent(r, slices_run(&r->slices, u, rank)));
    }
    return extent;
}

void
reduce_cut(struct reducer *r)
{
    struct pieces pieces = {0};

    r->sums_at = mem_array((size_t)r->slices.units + 1, sizeof *r->sums_at);
    reduce_place_sums(r, r->comm->rank, r->sums_at);
    for (int u = 0; u < r->slices.units; u++)
        for (int i = r->slices.unit[u].param; i < r->slices.unit[u].param_end; i++)
            cut_tensor(r, &pieces, u, i);
    if (r->tensor[r->params->count].at >= 0)
        add_twins(r, &pieces);
    r->pieces = pieces.data;
    r->piece_count = (int)pieces.len;
    for (int i = 0; i < r->piece_count; i++) {
        r->own_pieces += r->pieces[i].owner == r->comm->rank;
        r->led_pieces += r->pieces[i].leader == r->comm->rank;
    }
}
