/* Cutting the flat parameter array into one slice an owner. */
#include "parallel/slices.h"

#include <stdlib.h>

/* Walks over the norm blocks in table order. */
struct walk {
    const struct params *p;
    int param;
    int64_t within; /* blocks of that tensor behind us */
    int64_t block;
};

static int64_t
blocks_of(const struct param *t)
{
    return (t->size + NORM_BLOCK - 1) / NORM_BLOCK;
}

/* First element of the block the walk stands at; `elements` at the end. */
static int64_t
walk_element(struct walk *w)
{
    while (w->param < w->p->count && w->within == blocks_of(&w->p->param[w->param])) {
        w->param++;
        w->within = 0;
    }
    if (w->param == w->p->count)
        return w->p->elements;
    return w->p->param[w->param].offset + w->within * NORM_BLOCK;
}

/* Moves on to the block whose beginning is nearest to `target`; returns that element. */
static int64_t
walk_to(struct walk *w, int64_t target)
{
    int64_t here = walk_element(w);

    while (here < target) {
        struct walk next = *w;
        next.within++;
        next.block++;
        int64_t there = walk_element(&next);
        if (there - target > target - here)
            break;
        *w = next;
        here = there;
    }
    return here;
}

void
slices_cut(const struct params *p, int owners, struct slice *out)
{
    struct walk w = {.p = p};
    int64_t begin = 0, part = p->elements / owners, rest = p->elements % owners;

    for (int i = 0; i < owners; i++) {
        int64_t target = part * (i + 1) + rest * (i + 1) / owners;
        out[i].block = w.block;
        out[i].begin = begin;
        out[i].end = begin = walk_to(&w, target);
        out[i].block_end = w.block;
    }
}

int
slices_owner(const struct params *p, const struct slice *slices, int owners, int64_t e)
{
    int low = 0, high = owners - 1;

    if (p->tied_offset >= 0 && e >= p->tied_offset)
        e = p->param[p->embedding].offset + (e - p->tied_offset);
    while (low < high) {
        int middle = (low + high) / 2;
        if (e < slices[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
