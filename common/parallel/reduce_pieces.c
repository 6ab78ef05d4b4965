/* Cutting the gradient array into the pieces that travel. */
#include "base/mem.h"
#include "base/vec.h"
#include "parallel/reduce_private.h"

/* Elements of tensors below element e. A tied embedding's second gradient is one more tensor. */
static int64_t
covered_below(const struct params *p, int64_t e)
{
    int64_t n = 0;

    for (int i = 0; i < p->count && p->param[i].offset < e; i++) {
        int64_t inside = e - p->param[i].offset;
        n += inside < p->param[i].size ? inside : p->param[i].size;
    }
    if (p->tied_offset >= 0 && e > p->tied_offset) {
        int64_t inside = e - p->tied_offset, size = p->param[p->embedding].size;
        n += inside < size ? inside : size;
    }
    return n;
}

int64_t
reduce_covered(const struct params *p, int64_t begin, int64_t end)
{
    return covered_below(p, end) - covered_below(p, begin);
}

struct pieces VEC_BODY(struct piece);

static void
add_piece(struct pieces *pieces, const struct params *p, int64_t begin, int64_t end, int owner)
{
    struct piece piece = {.begin = begin, .end = end, .owner = owner, .twin = -1};

    piece.elements = reduce_covered(p, begin, end);
    vec_push(pieces, piece);
}

static int64_t
smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Pieces of one slice; none crosses an end of the embedding, so that it can have a twin. */
static void
cut_slice(struct pieces *pieces, const struct params *p, const struct slice *s, int owner)
{
    const struct param *embedding = p->tied_offset >= 0 ? &p->param[p->embedding] : NULL;

    for (int64_t begin = s->begin, end; begin < s->end; begin = end) {
        end = smaller(begin + REDUCE_PIECE, s->end);
        if (embedding) {
            int64_t first = embedding->offset, last = first + embedding->size;
            if (begin < first)
                end = smaller(end, first);
            else if (begin < last)
                end = smaller(end, last);
        }
        add_piece(pieces, p, begin, end, owner);
    }
}

/* The second gradient of a tied embedding is cut as the embedding is. */
static void
add_twins(struct pieces *pieces, const struct params *p)
{
    const struct param *embedding = &p->param[p->embedding];
    size_t n = pieces->len;

    for (size_t i = 0; i < n; i++) {
        struct piece dense = pieces->data[i];
        if (dense.begin < embedding->offset || dense.begin >= embedding->offset + embedding->size)
            continue;
        int64_t moved = p->tied_offset - embedding->offset;
        add_piece(pieces, p, dense.begin + moved, dense.end + moved, dense.owner);
        pieces->data[i].twin = (int)pieces->len - 1;
        pieces->data[pieces->len - 1].twin = (int)i;
    }
}

void
reduce_cut(struct reducer *r)
{
    struct pieces pieces = {0};

    for (int owner = 0; owner < r->comm->size; owner++)
        cut_slice(&pieces, r->params, &r->slices[owner], owner);
    if (r->params->tied_offset >= 0)
        add_twins(&pieces, r->params);
    r->pieces = pieces.data;
    r->piece_count = (int)pieces.len;
    for (int i = 0; i < r->piece_count; i++)
        r->own_pieces += r->pieces[i].owner == r->comm->rank;
}

int
reduce_find(const struct reducer *r, int64_t e)
{
    int low = 0, high = r->piece_count;

    while (low < high) {
        int middle = (low + high) / 2;
        if (r->pieces[middle].end <= e)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
