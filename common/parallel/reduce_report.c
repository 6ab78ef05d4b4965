/* What goes around beside the gradients: block sums and losses; and what it all takes in memory. */
#include "base/err.h"
#include "base/mem.h"
#include "parallel/reduce_private.h"

int
reducer_gather_sums(struct reducer *r, double *sums, uint64_t *flags)
{
    struct comm_request *q = NULL;
    int me = r->comm->rank;
    double *mine = r->sums + r->sum_offsets[me] / sizeof(double);
    const struct slice *s = &r->slices[me];

    /* The flags travel as the first of the numbers. */
    memcpy(mine, flags, sizeof *flags);
    memcpy(mine + 1, sums + s->block, (size_t)(s->block_end - s->block) * sizeof(double));
    if (r->comm->ops->all_gather_v(r->comm, mine, r->sum_sizes[me], r->sums, r->sum_sizes,
                                   r->sum_offsets, &q) != 0 ||
        comm_wait(r->comm, &q) != 0)
        return -1;
    for (int i = 0; i < r->comm->size; i++) {
        const double *part = r->sums + r->sum_offsets[i] / sizeof(double);
        uint64_t theirs;
        memcpy(&theirs, part, sizeof theirs);
        *flags |= theirs;
        s = &r->slices[i];
        memcpy(sums + s->block, part + 1, (size_t)(s->block_end - s->block) * sizeof(double));
    }
    return 0;
}

static int
gather_losses(struct reducer *r, int64_t each, const struct sequence_loss *mine,
              struct sequence_loss *all)
{
    struct comm *c = r->comm;
    struct comm_request *q = NULL;

    for (int i = 0; i < c->size; i++) {
        struct tree_run run = tree_share(r->groups, c->size, i);
        r->loss_offsets[i] = (size_t)(run.begin * each) * sizeof *all;
        r->loss_sizes[i] = (size_t)((run.end - run.begin) * each) * sizeof *all;
    }
    if (c->ops->all_gather_v(c, mine, r->loss_sizes[c->rank], all, r->loss_sizes, r->loss_offsets,
                             &q) != 0)
        return -1;
    return comm_wait(c, &q);
}

int
reduce_losses(struct reducer *r, int64_t sequences, const struct sequence_loss *mine,
              struct sequence_loss *all, struct sequence_loss *total)
{
    int result;

    if (sequences % r->groups != 0)
        return err_set(STATUS_USAGE, "%lld sequences in %d groups", (long long)sequences,
                       r->groups);
    result = gather_losses(r, sequences / r->groups, mine, all);
    *total = (struct sequence_loss){0};
    for (int64_t i = 0; i < sequences && result == 0; i++) {
        total->loss += all[i].loss;
        total->z_loss += all[i].z_loss;
        total->scored += all[i].scored;
    }
    return result;
}

/* ---- memory ---- */

/* The other ranks' nodes of the own slice, and for all but rank 0 the sum, at its first node. */
static uint64_t
mapped_elements(const struct params *p, int ranks, int rank, int remote)
{
    struct slice *slices = mem_array((size_t)ranks, sizeof *slices);
    int64_t begin, end, twin = 0;

    slices_cut(p, ranks, slices);
    begin = slices[rank].begin;
    end = slices[rank].end;
    free(slices);
    if (p->tied_offset >= 0) {
        const struct param *t = &p->param[p->embedding];
        int64_t from = begin > t->offset ? begin : t->offset;
        int64_t to = end < t->offset + t->size ? end : t->offset + t->size;
        twin = to > from ? to - from : 0;
    }
    return (uint64_t)remote * (uint64_t)(end - begin + twin) +
           (rank > 0 ? (uint64_t)(p->elements - (end - begin)) : 0);
}

static struct reducer_memory
memory_of(const struct params *p, int groups, int ranks, int rank, bool shared)
{
    struct tree_run nodes[TREE_DEPTH];
    int remote = 0;

    for (int i = 0; i < ranks; i++)
        if (i != rank)
            remote += tree_nodes(groups, tree_share(groups, ranks, i), nodes);
    return (struct reducer_memory){
        .gradients = (uint64_t)tree_buffers(groups, tree_share(groups, ranks, rank)) *
                     (uint64_t)p->grad_elements * sizeof(float),
        .staging = shared || ranks == 1 ? 0 : reduce_staging(remote),
        .mapped = shared && ranks > 1
                      ? mapped_elements(p, ranks, rank, remote) * sizeof(float)
                      : 0,
    };
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void
reducer_plan(const struct params *p, int groups, int ranks, int rank, bool shared,
             struct reducer_memory *m)
{
    *m = (struct reducer_memory){0};
    for (int r = rank < 0 ? 0 : rank; r < (rank < 0 ? ranks : rank + 1); r++) {
        struct reducer_memory one = memory_of(p, groups, ranks, r, shared);
        m->gradients = larger(m->gradients, one.gradients);
        m->staging = larger(m->staging, one.staging);
        m->mapped = larger(m->mapped, one.mapped);
    }
}

void
reducer_memory(const struct reducer *r, struct reducer_memory *m)
{
    *m = memory_of(r->params, r->groups, r->comm->size, r->comm->rank, reducer_shared(r));
}
