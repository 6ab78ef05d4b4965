/* The weights that the decoder reads: where they lie, and how all ranks come to see all. */
#include "parallel/weights.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "comm/progress.h"
#include "parallel/weights_private.h"

int
weights_unit_of(const struct params *p, int param)
{
    if (p->param[param].layer >= 0)
        return p->param[param].layer + 1;
    return param == p->embedding || param == p->position ? 0 : INT_MAX;
}

int
weights_param_at(const struct params *p, int64_t e)
{
    int low = 0, high = p->count - 1;

    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (p->param[middle].offset <= e)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* ---- one window for all ranks of a share: rank 0's ---- */

/* How often a rank has come to either call; the window begins with a line of each. */
struct line {
    _Alignas(64) _Atomic uint32_t begun;
    _Atomic uint32_t written;
};

static size_t
head_bytes(const struct share *s)
{
    return ((size_t)s->comm->size * sizeof(struct line) + 4095) & ~(size_t)4095;
}

static size_t
vector_bytes(const struct params *p)
{
    return ((size_t)p->vectors * sizeof(float) + 4095) & ~(size_t)4095;
}

static struct line *
line_of(const struct share *s, int rank)
{
    return (struct line *)s->base[0] + rank;
}

/* Vectors as their owners have written them. */
static float *
written_vectors(const struct share *s)
{
    return (float *)(void *)((char *)s->base[0] + head_bytes(s));
}

static int
open_window(const struct weights *w, struct share *s)
{
    size_t head = head_bytes(s) + vector_bytes(w->params);
    size_t bytes = head + (size_t)w->params->elements * w->act_size;

    if (s->comm->ops->share(s->comm, s->comm->rank == 0 ? bytes : 0, &s->base, &s->window) != 0)
        return -1;
    s->act = (char *)s->base[0] + head;
    return comm_barrier(s->comm);
}

/* Waits until all ranks came as often as this one. */
static int
meet(struct share *s, bool written)
{
    struct comm_pause pause = {.what = written ? "new weights" : "release of the weights"};
    struct line *mine = line_of(s, s->comm->rank);
    uint32_t count = written ? ++s->written : ++s->begun;

    atomic_store_explicit(written ? &mine->written : &mine->begun, count, memory_order_release);
    for (int i = 0; i < s->comm->size; i++) {
        struct line *l = line_of(s, i);
        const _Atomic uint32_t *at = written ? &l->written : &l->begun;
        while ((int32_t)(atomic_load_explicit(at, memory_order_acquire) - count) < 0)
            if (comm_pause(&pause) != 0)
                return -1;
    }
    return 0;
}

static int
publish_in_window(struct weights *w, struct share *s)
{
    float *written = written_vectors(s);

    vectors_copy(w, s, s->comm->rank, written, w->vectors);
    if (meet(s, true) != 0)
        return -1;
    for (int i = 0; i < s->comm->size; i++)
        if (i != s->comm->rank)
            vectors_copy(w, s, i, w->vectors, written);
    return 0;
}

/* Parts of the model on different shares are not one array. */
static int
window_need(void *arg, int unit, int next)
{
    (void)arg, (void)unit, (void)next;
    return 0;
}

static void
window_done(void *arg, int unit)
{
    (void)arg, (void)unit;
}

static const void *
window_act(void *arg, int param)
{
    const struct weights *w = arg;

    return weights_act(w, w->params->param[param].offset);
}

static const struct weight_source window_source = {
    .need = window_need, .done = window_done, .act = window_act};

/* ---- private arrays, and messages ---- */

/* Starts to gather unit u of the slices in place. */
static int
start_gather(struct weights *w, struct share *s, int u)
{
    size_t *sizes = s->sizes + (size_t)u * (size_t)s->comm->size;
    size_t *offsets = s->offsets + (size_t)u * (size_t)s->comm->size;
    int me = s->comm->rank;

    for (int i = 0; i < s->comm->size; i++) {
        const struct reduced_run *run = slices_run(s->slices, u, i);
        sizes[i] = (size_t)(run->end - run->begin) * w->act_size;
        offsets[i] = (size_t)run->begin * w->act_size;
    }
    return s->comm->ops->all_gather_v(s->comm, s->act + offsets[me], sizes[me], s->act, sizes,
                                      offsets, &s->gathers[u]);
}

static int
publish_by_messages(struct weights *w, struct share *s)
{
    for (int u = 0; u < s->slices->units; u++)
        if (start_gather(w, s, u) != 0)
            return -1;
    for (int u = 0; u < s->slices->units; u++)
        if (comm_wait(s->comm, &s->gathers[u]) != 0)
            return -1;
    return vectors_gather(w, s);
}

/* ---- publishing ---- */

int
weights_publish_begin(struct weights *w)
{
    if (w->kind == WEIGHTS_UNITS)
        return units_forget(w);
    for (int i = 0; i < w->shares && w->kind == WEIGHTS_WINDOW; i++)
        if (meet(&w->share[i], false) != 0)
            return -1;
    return 0;
}

int
weights_publish(struct weights *w)
{
    for (int i = 0; i < w->shares && w->kind != WEIGHTS_PRIVATE; i++) {
        struct share *s = &w->share[i];
        int result = w->kind == WEIGHTS_WINDOW     ? publish_in_window(w, s)
                     : w->kind == WEIGHTS_GATHERED ? publish_by_messages(w, s)
                                                   : vectors_gather(w, s);
        if (result != 0)
            return -1;
    }
    return 0;
}

/* ---- where they are ---- */

void *
weights_act(const struct weights *w, int64_t e)
{
    if (w->kind == WEIGHTS_UNITS)
        return units_own(w, e);
    const struct share *s = &w->share[w->share_of[weights_param_at(w->params, e)]];
    return s->act + (size_t)e * w->act_size;
}

float *
weights_vectors(const struct weights *w)
{
    return w->vectors;
}

const struct weight_source *
weights_source(const struct weights *w)
{
    return w->source.need ? &w->source : NULL;
}

/* ---- memory ---- */

static int64_t
owned(const struct slices *s, int rank)
{
    int count;
    const struct reduced_run *run = slices_of(s, rank, &count);
    int64_t n = 0;

    for (int i = 0; i < count; i++)
        n += run[i].end - run[i].begin;
    return n;
}

/* Of w, whose shares have slices; ranks: this rank's place in each. */
static void
count_memory(struct weights *w, const int *ranks, struct weights_memory *m)
{
    size_t gathered = 0;
    uint64_t elements = (uint64_t)w->params->elements, own = 0;

    *m = (struct weights_memory){.vectors = (uint64_t)w->params->vectors * sizeof(float)};
    for (int i = 0; i < w->shares; i++)
        own += (uint64_t)owned(w->share[i].slices, ranks[i]);
    switch (w->kind) {
    case WEIGHTS_PRIVATE:
    case WEIGHTS_GATHERED: m->act = elements * w->act_size; break;
    case WEIGHTS_WINDOW:
        m->act = own * w->act_size;
        m->mapped = (elements - own) * w->act_size + m->vectors;
        break;
    case WEIGHTS_UNITS: m->act = units_bytes(&w->units, &gathered); break;
    }
    m->gathered = gathered;
}

static enum weights_kind
kind_of(int zero, bool alone, bool shared)
{
    if (zero == 0 || alone)
        return WEIGHTS_PRIVATE;
    if (shared)
        return WEIGHTS_WINDOW;
    return zero < 3 ? WEIGHTS_GATHERED : WEIGHTS_UNITS;
}

void
weights_plan(const struct params *p, const struct slices *slices, int rank,
             const struct slices *experts, int experts_rank, size_t act_size, int zero, bool shared,
             struct weights_memory *m)
{
    struct weights w = {.params = p, .act_size = act_size, .shares = experts ? 2 : 1};
    int ranks[2] = {rank, experts_rank};

    w.share[0].slices = slices;
    w.share[1].slices = experts;
    w.kind = kind_of(zero, slices->owners == 1, shared);
    if (w.kind == WEIGHTS_UNITS)
        units_lay_out(&w, ranks);
    count_memory(&w, ranks, m);
    units_release(&w);
}

static void
places(const struct weights *w, int ranks[2])
{
    for (int i = 0; i < w->shares; i++)
        ranks[i] = w->share[i].comm->rank;
}

uint64_t
weights_bytes(const struct weights *w)
{
    struct weights_memory m;
    struct weights copy = *w; /* counting changes nothing in what it points to */
    int ranks[2];

    places(w, ranks);
    count_memory(&copy, ranks, &m);
    return m.act + m.vectors + m.gathered;
}

/* ---- making them ---- */

static int
open_share(struct share *s, struct comm *comm, const struct reducer *r)
{
    s->slices = reducer_slices(r);
    if (comm->ops->split(comm, 0, comm->rank, &s->comm) != 0)
        return -1;
    size_t n = (size_t)s->slices->units * (size_t)s->comm->size + 1;
    s->sizes = mem_array(n, sizeof *s->sizes);
    s->offsets = mem_array(n, sizeof *s->offsets);
    s->gathers = mem_zarray((size_t)s->slices->units + 1, sizeof(struct comm_request *));
    return 0;
}

static void
assign_tensors(struct weights *w)
{
    w->share_of = mem_zarray((size_t)w->params->count + 1, sizeof *w->share_of);
    for (int i = 1; i < w->shares; i++)
        for (int u = 0; u < w->share[i].slices->units; u++)
            for (int k = w->share[i].slices->unit[u].param;
                 k < w->share[i].slices->unit[u].param_end; k++)
                w->share_of[k] = (uint8_t)i;
}

/* What is private to this rank. */
static int
take_private(struct weights *w)
{
    struct weights_memory m;
    int ranks[2];

    places(w, ranks);
    if (w->kind == WEIGHTS_UNITS)
        units_lay_out(w, ranks);
    count_memory(w, ranks, &m);
    if (arena_init(&w->arena, m.vectors + 64 +
                                  (w->kind == WEIGHTS_WINDOW ? 0 : m.act + m.gathered + 512)) != 0)
        return -1;
    w->vectors = arena_take(&w->arena, m.vectors);
    if (w->kind == WEIGHTS_UNITS) {
        units_take_memory(w);
    } else if (w->kind != WEIGHTS_WINDOW) {
        char *act = arena_take(&w->arena, m.act);
        for (int i = 0; i < w->shares; i++)
            w->share[i].act = act;
    }
    return 0;
}

static int
open_all(struct weights *w, const struct weights_options *o)
{
    bool alone, shared = !o->messages_only;

    if (open_share(&w->share[w->shares++], o->comm, o->dense) != 0 ||
        (o->expert && open_share(&w->share[w->shares++], o->expert_comm, o->expert) != 0))
        return -1;
    alone = o->comm->size == 1;
    for (int i = 0; i < w->shares; i++)
        shared = shared && (w->share[i].comm->size == 1 || reducer_shared(i ? o->expert : o->dense));
    w->kind = kind_of(o->zero, alone, shared);
    assign_tensors(w);
    for (int i = 0; i < w->shares; i++) {
        vectors_open(w, &w->share[i]);
        if (w->kind == WEIGHTS_WINDOW && open_window(w, &w->share[i]) != 0)
            return -1;
    }
    if (w->kind == WEIGHTS_UNITS)
        w->source = units_source;
    else if (w->kind == WEIGHTS_WINDOW && w->shares > 1)
        w->source = window_source;
    w->source.arg = w;
    return take_private(w);
}

struct weights *
weights_new(const struct weights_options *o)
{
    struct weights *w = mem_zalloc(sizeof *w);

    w->params = o->params;
    w->act_size = o->act_size;
    int status = open_all(w, o) != 0 ? STATUS_FAILED : STATUS_OK;
    if (comm_agree(o->comm, status) != 0) {
        weights_free(w);
        return NULL;
    }
    return w;
}

void
weights_free(struct weights *w)
{
    if (!w)
        return;
    if (w->kind == WEIGHTS_UNITS && w->units.own && units_forget(w) != 0)
        err_clear();
    for (int i = 0; i < w->shares; i++) {
        struct share *s = &w->share[i];
        if (s->window)
            s->comm->ops->unshare(s->comm, s->window);
        comm_release(s->comm);
        free(s->sizes);
        free(s->offsets);
        free(s->gathers);
        free(s->packed);
        free(s->vector_sizes);
        free(s->vector_offsets);
    }
    units_release(w);
    arena_release(&w->arena);
    free(w->share_of);
    free(w);
}
