/* Norms and biases, of which every rank has all: the owners' parts, packed. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "parallel/weights_private.h"

static int64_t
larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t
smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The elements of vectors in a rank's runs: copied between arrays of all vectors, or counted. */
static int64_t
walk(const struct weights *w, const struct share *s, int rank, float *to, const float *from,
     float *packed, bool unpack)
{
    const struct params *p = w->params;
    int count;
    const struct reduced_run *run = slices_of(s->slices, rank, &count);
    int64_t n = 0;

    for (int i = 0; i < count; i++)
        for (int k = weights_param_at(p, run[i].begin);
             k < p->count && p->param[k].offset < run[i].end; k++) {
            const struct param *t = &p->param[k];
            int64_t begin = larger(run[i].begin, t->offset);
            int64_t size = smaller(run[i].end, t->offset + t->size) - begin;
            int64_t at = t->vector + begin - t->offset;
            if (t->vector < 0 || size <= 0)
                continue;
            if (packed && unpack)
                memcpy(to + at, packed + n, (size_t)size * sizeof *to);
            else if (packed)
                memcpy(packed + n, from + at, (size_t)size * sizeof *from);
            else if (to)
                memcpy(to + at, from + at, (size_t)size * sizeof *to);
            n += size;
        }
    return n;
}

void
vectors_copy(const struct weights *w, const struct share *s, int rank, float *to, const float *from)
{
    walk(w, s, rank, to, from, NULL, false);
}

void
vectors_open(struct weights *w, struct share *s)
{
    size_t ranks = (size_t)s->comm->size, at = 0;

    s->vector_sizes = mem_array(ranks, sizeof *s->vector_sizes);
    s->vector_offsets = mem_array(ranks, sizeof *s->vector_offsets);
    for (int i = 0; i < s->comm->size; i++) {
        s->vector_offsets[i] = at;
        s->vector_sizes[i] = (size_t)walk(w, s, i, NULL, NULL, NULL, false) * sizeof(float);
        at += s->vector_sizes[i];
    }
    s->packed = mem_aligned(at + 64);
}

int
vectors_gather(struct weights *w, struct share *s)
{
    struct comm_request *q = NULL;
    int me = s->comm->rank;
    float *mine = s->packed + s->vector_offsets[me] / sizeof(float);

    walk(w, s, me, NULL, w->vectors, mine, false);
    if (s->comm->ops->all_gather_v(s->comm, mine, s->vector_sizes[me], s->packed, s->vector_sizes,
                                   s->vector_offsets, &q) != 0 ||
        comm_wait(s->comm, &q) != 0)
        return -1;
    for (int i = 0; i < s->comm->size; i++)
        walk(w, s, i, w->vectors, NULL, s->packed + s->vector_offsets[i] / sizeof(float), true);
    return 0;
}
