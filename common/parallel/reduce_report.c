/* What a reduction takes in memory. */
#include <stdlib.h>

#include "base/mem.h"
#include "parallel/reduce_private.h"

/* Of the embedding, the elements that an owner has, where its two gradients are apart. */
static int64_t
own_embedding(const struct reducer *r, int rank)
{
    const struct params *p = r->params;

    if (!p->tied || p->embedding < 0 || r->tensor[p->embedding].at < 0)
        return 0;
    for (int u = 0; u < r->slices.units; u++)
        if (r->slices.unit[u].param == p->embedding) {
            const struct reduced_run *run = slices_run(&r->slices, u, rank);
            return run->end - run->begin;
        }
    return 0;
}

/* Of r, whose tensors and slices are laid out. */
static struct reducer_memory
memory_of(const struct reducer *r, int rank, bool shared)
{
    struct tree_run nodes[TREE_DEPTH];
    int ranks = r->slices.owners, remote = 0;
    int64_t own = 0, all = 0, embedding, gradients, mapped;

    for (int i = 0; i < ranks; i++)
        if (i != rank)
            remote += tree_nodes(r->groups, tree_share(r->groups, ranks, i), nodes);
    for (int i = 0; i < r->slices.first[ranks]; i++) {
        int64_t size = reduce_extent(r, &r->slices.owned[i]);
        all += size;
        if (i >= r->slices.first[rank] && i < r->slices.first[rank + 1])
            own += size;
    }
    embedding = own_embedding(r, rank);
    gradients = r->ringed ? reduce_ring_size(r) + reduce_place_sums(r, rank, NULL)
                          : tree_buffers(r->groups, tree_share(r->groups, ranks, rank)) * r->extent;
    mapped = remote * (own + (r->params->tied_offset >= 0 ? embedding : 0));
    if (r->ringed && mapped > (ranks - 1) * reduce_ring_size(r))
        mapped = (ranks - 1) * reduce_ring_size(r);
    if (r->zero == 0 && rank > 0)
        mapped += all - own;
    return (struct reducer_memory){
        .gradients = (uint64_t)gradients * sizeof(float),
        .staging = (shared || ranks == 1 ? 0 : reduce_staging(remote)) +
                   (r->params->tied_offset < 0 ? reduce_tied_bytes(embedding) : 0),
        .mapped = shared && ranks > 1 ? (uint64_t)mapped * sizeof(float) : 0,
        .ring = r->ringed,
    };
}

static int
own_nodes(const struct reducer *r)
{
    int n = 0;

    for (int i = 0; i < r->node_count; i++)
        n += r->nodes[i].rank == r->comm->rank;
    return n;
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void
reducer_plan(const struct reducer_options *o, int ranks, int rank, bool shared,
             struct reducer_memory *m)
{
    struct reducer r = {.params = o->params, .groups = o->groups, .zero = o->zero};

    r.ringed = reduce_has_ring(o, ranks);
    if (o->mine)
        r.mine = mem_dup(o->mine, (size_t)o->params->count * sizeof *o->mine);
    reduce_lay_out(&r);
    slices_cut(&r.slices, r.params, r.mine, ranks);
    *m = (struct reducer_memory){.ring = r.ringed};
    for (int i = rank < 0 ? 0 : rank; i < (rank < 0 ? ranks : rank + 1); i++) {
        struct reducer_memory one = memory_of(&r, i, shared);
        m->gradients = larger(m->gradients, one.gradients);
        m->staging = larger(m->staging, one.staging);
        m->mapped = larger(m->mapped, one.mapped);
    }
    slices_release(&r.slices);
    free(r.tensor);
    free(r.mine);
}

void
reducer_memory(const struct reducer *r, struct reducer_memory *m)
{
    *m = memory_of(r, r->comm->rank, r->hosts.count == 1);
    if (r->hosts.count > 1 && r->hosts.count < r->comm->size) /* several ranks on several hosts */
        m->staging += reduce_staging(r->part_count - r->own_parts) -
                      reduce_staging(r->node_count - own_nodes(r));
}
