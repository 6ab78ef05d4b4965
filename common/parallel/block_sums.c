/* Sums of squares of all ranks' blocks, in the order of the whole table. */
#include "parallel/block_sums.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* Where a block begins in the whole model, and where its sum lands. */
struct key {
    int32_t param;
    int64_t offset;
    int64_t at; /* index into `all` */
};

struct block_sums {
    struct comm *world;
    int64_t *block; /* [count] */
    int64_t count, total;
    double *mine, *all;      /* one number of flags before a rank's sums */
    int64_t *order;          /* [total]: places in `all` in the order of the table */
    int64_t *end;            /* [tensors]: where in `order` the blocks of each tensor of the whole table end */
    int tensors;             /* up to the last one that has blocks */
    size_t *sizes, *offsets; /* of each rank's part of `all`, in bytes */
};

static struct key
key_of(const struct params *p, int64_t block)
{
    struct extent e[BLOCK_EXTENTS];

    (void)params_block_extents(p, block, e);
    return (struct key){.param = e[0].param, .offset = e[0].offset};
}

static bool
is_counted(const struct params *p, int64_t block)
{
    struct param_block b;

    params_block(p, block, &b);
    return p->param[b.param].whole.run[b.run].counted;
}

static void
list_blocks(struct block_sums *b, const struct params *p, const struct block_range *own, int n)
{
    int64_t most = 0;

    for (int i = 0; i < n; i++)
        most += own[i].last - own[i].first;
    b->block = mem_array((size_t)most + 1, sizeof *b->block);
    for (int i = 0; i < n; i++)
        for (int64_t k = own[i].first; k < own[i].last; k++)
            if (is_counted(p, k))
                b->block[b->count++] = k;
}

static int
by_place(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    if (x->param != y->param)
        return x->param < y->param ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Parts of `unit` bytes a block, behind `head` bytes. Returns all bytes. */
static size_t
lay_out(struct block_sums *b, const int64_t *counts, size_t head, size_t unit)
{
    size_t at = 0;

    for (int r = 0; r < b->world->size; r++) {
        b->offsets[r] = at;
        b->sizes[r] = head + (size_t)counts[r] * unit;
        at += b->sizes[r];
    }
    return at;
}

static int
gather(struct block_sums *b, const void *mine, void *all)
{
    struct comm *w = b->world;
    struct comm_request *q = NULL;

    if (w->ops->all_gather_v(w, mine, b->sizes[w->rank], all, b->sizes, b->offsets, &q) != 0)
        return -1;
    return comm_wait(w, &q);
}

/* keys [total], sorted: the order, and where in it each tensor ends. */
static void
take_order(struct block_sums *b, const struct key *keys)
{
    int64_t at = 0;

    b->tensors = b->total > 0 ? keys[b->total - 1].param + 1 : 0;
    b->end = mem_array((size_t)b->tensors + 1, sizeof *b->end);
    for (int i = 0; i < b->tensors; i++) {
        for (; at < b->total && keys[at].param == i; at++)
            b->order[at] = keys[at].at;
        b->end[i] = at;
    }
}

/* Every rank learns all blocks' keys and sorts them. */
static int
agree_on_order(struct block_sums *b, const struct params *p, int64_t *counts)
{
    struct comm *w = b->world;
    struct key *mine = mem_zarray((size_t)b->count + 1, sizeof *mine), *all = NULL;
    int64_t at = 0;
    int result = comm_all_gather(w, &b->count, counts, sizeof *counts);

    for (int64_t i = 0; i < b->count; i++)
        mine[i] = key_of(p, b->block[i]);
    if (result == 0) {
        all = mem_alloc(lay_out(b, counts, 0, sizeof *all) + 1);
        result = gather(b, mine, all);
    }
    for (int r = 0; r < w->size && result == 0; r++)
        for (int64_t i = 0; i < counts[r]; i++, at++)
            all[at].at = at + r + 1; /* one number of flags before each rank's */
    b->total = at;
    b->order = mem_array((size_t)at + 1, sizeof *b->order);
    if (result == 0) {
        qsort(all, (size_t)at, sizeof *all, by_place);
        take_order(b, all);
    }
    free(mine);
    free(all);
    return result;
}

struct block_sums *
block_sums_new(struct comm *world, const struct params *p, const struct block_range *own, int n)
{
    struct block_sums *b = mem_zalloc(sizeof *b);
    size_t ranks = (size_t)world->size;
    int64_t *counts = mem_zarray(ranks, sizeof *counts);

    b->world = world;
    b->sizes = mem_zarray(ranks, sizeof *b->sizes);
    b->offsets = mem_zarray(ranks, sizeof *b->offsets);
    list_blocks(b, p, own, n);
    if (agree_on_order(b, p, counts) != 0) {
        block_sums_free(b);
        free(counts);
        return NULL;
    }
    b->mine = mem_zarray((size_t)b->count + 1, sizeof *b->mine);
    b->all = mem_zalloc(lay_out(b, counts, sizeof *b->all, sizeof *b->all));
    free(counts);
    return b;
}

void
block_sums_free(struct block_sums *b)
{
    if (!b)
        return;
    free(b->block);
    free(b->mine);
    free(b->all);
    free(b->order);
    free(b->end);
    free(b->sizes);
    free(b->offsets);
    free(b);
}

int64_t
block_sums_count(const struct block_sums *b)
{
    return b->count;
}

int64_t
block_sums_block(const struct block_sums *b, int64_t i)
{
    return b->block[i];
}

int
block_sums_add(struct block_sums *b, const double *mine, uint64_t *flags, double *total)
{
    double sum = 0;

    /* The flags travel as the first of the numbers. */
    memcpy(b->mine, flags, sizeof *flags);
    memcpy(b->mine + 1, mine, (size_t)b->count * sizeof *mine);
    if (gather(b, b->mine, b->all) != 0)
        return -1;
    for (int r = 0; r < b->world->size; r++) {
        uint64_t theirs;
        memcpy(&theirs, (const char *)b->all + b->offsets[r], sizeof theirs);
        *flags |= theirs;
    }
    for (int64_t i = 0; i < b->total; i++)
        sum += b->all[b->order[i]];
    *total = sum;
    return 0;
}

double
block_sums_of_tensor(const struct block_sums *b, int tensor)
{
    double sum = 0;

    if (tensor >= b->tensors)
        return 0;
    for (int64_t i = tensor > 0 ? b->end[tensor - 1] : 0; i < b->end[tensor]; i++)
        sum += b->all[b->order[i]];
    return sum;
}
