#include "checkpoint/held.h"

#include "base/err.h"

/* Extents of the whole table, and the even share of ranks that hold all of it. */

void
held_add_share(struct held_list *l, const struct params *whole, int rank, int ranks,
               const float *const array[CHECKPOINT_ARRAYS])
{
    int64_t blocks = 0, at = 0;
    for (int i = 0; i < whole->count; i++)
        blocks += slice_blocks(whole->param[i].size);
    int64_t first = blocks * rank / ranks, last = blocks * (rank + 1) / ranks;
    for (int i = 0; i < whole->count && at < last; i++) {
        const struct param *p = &whole->param[i];
        int64_t begin = at > first ? 0 : (first - at) * NORM_BLOCK;
        int64_t end = (last - at) * NORM_BLOCK;
        end = end < p->size ? end : p->size;
        at += slice_blocks(p->size);
        if (begin >= end)
            continue;
        struct held h = {.at = {.param = i, .offset = begin, .count = end - begin, .repeat = 1}};
        for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
            h.array[a] = array[a] + p->offset + begin;
        vec_push(l, h);
    }
}

int
extent_check(const struct params *whole, const struct extent *e)
{
    if (e->param < 0 || e->param >= whole->count)
        return err_set(STATUS_FAILED, "an extent of tensor %d: there are %d", e->param,
                       whole->count);
    const struct param *p = &whole->param[e->param];
    int64_t stride = e->repeat > 1 ? e->stride : e->count;
    /* Sizes are far from overflowing once each is known to be at most the tensor's. */
    if (e->offset < 0 || e->count <= 0 || e->repeat <= 0 || stride < e->count ||
        e->offset > p->size || e->count > p->size || stride > p->size || e->repeat > p->size ||
        e->offset + (e->repeat - 1) * stride + e->count > p->size)
        return err_set(STATUS_FAILED,
                       "tensor %s: an extent of %lld times %lld elements from %lld does not lie in "
                       "it",
                       p->name, (long long)e->repeat, (long long)e->count, (long long)e->offset);
    return 0;
}
