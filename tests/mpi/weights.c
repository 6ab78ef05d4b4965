/* Weights that ranks divide among themselves: after publishing, all ranks read what owners wrote. */
#include "parallel/weights.h"

#include "base/die.h"
#include "base/err.h"
#include "base/float16.h"
#include "base/hash.h"
#include "base/mem.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/table.h"

static struct comm *world;
static bool one_host;

struct world_case {
    struct test_table *t;
    struct weights_options o;
    bool expert[TEST_TENSORS]; /* of which each half of the ranks has its own */
    int half, step;
};

/* What an element is to be; never 0. */
static uint16_t
pattern(const struct world_case *c, int param, int64_t element)
{
    int half = c->expert[param] ? c->half : 2;

    return (uint16_t)(hash_mix((uint64_t)element * 8 + (uint64_t)(half + 3 * c->step)) | 1);
}

static void
put(const struct world_case *c, void *at, uint16_t x)
{
    if (c->o.act_size == sizeof x)
        memcpy(at, &x, sizeof x);
    else
        memcpy(at, &(float){x}, sizeof(float));
}

static bool
is(const struct world_case *c, const void *at, uint16_t x)
{
    if (c->o.act_size == sizeof x)
        return memcmp(at, &x, sizeof x) == 0;
    return memcmp(at, &(float){x}, sizeof(float)) == 0;
}

/* An owner's update of its runs. */
static void
write_runs(const struct world_case *c, struct weights *w, const struct reducer *r, int rank)
{
    const struct params *p = &c->t->params;
    int count;
    const struct reduced_run *run = reducer_runs(r, rank, &count);

    for (int i = 0; i < count; i++) {
        char *act = weights_act(w, run[i].begin);
        for (int k = 0; k < p->count; k++)
            for (int64_t e = p->param[k].offset; e < p->param[k].offset + p->param[k].size; e++) {
                if (e < run[i].begin || e >= run[i].end)
                    continue;
                if (p->param[k].vector >= 0)
                    weights_vectors(w)[p->param[k].vector + e - p->param[k].offset] =
                        pattern(c, k, e);
                if (c->o.act_size == sizeof(float) || p->param[k].vector < 0) /* the master itself */
                    put(c, act + (size_t)(e - run[i].begin) * c->o.act_size, pattern(c, k, e));
            }
    }
}

static int64_t
wrong_tensor(const struct world_case *c, const struct weights *w, int k)
{
    const struct weight_source *source = weights_source(w);
    const struct param *t = &c->t->params.param[k];
    const char *at = source ? source->act(source->arg, k)
                            : (const char *)weights_act(w, 0) + (size_t)t->offset * c->o.act_size;
    int64_t wrong = 0;

    for (int64_t e = 0; e < t->size; e++)
        wrong += !is(c, at + (size_t)e * c->o.act_size, pattern(c, k, t->offset + e));
    return wrong;
}

static int
unit_of(const struct params *p, int k)
{
    return p->param[k].layer >= 0 ? p->param[k].layer + 1 : k == p->embedding ? 0 : 3;
}

/* As the decoder reads a unit. */
static int64_t
wrong_unit(const struct world_case *c, const struct weights *w, int unit, int next)
{
    const struct weight_source *source = weights_source(w);
    const struct params *p = &c->t->params;
    bool head = unit == 3 && p->tied;
    int64_t wrong = 0;

    if (source && (source->need(source->arg, unit, next) != 0 ||
                   (head && source->need(source->arg, 0, next) != 0)))
        die_err();
    for (int k = 0; k < p->count; k++)
        if (p->param[k].vector < 0 && (unit_of(p, k) == unit || (head && k == 0)))
            wrong += wrong_tensor(c, w, k);
    if (source && head)
        source->done(source->arg, 0);
    if (source)
        source->done(source->arg, unit);
    return wrong;
}

/* Forward and backward. */
static int64_t
wrong_weights(const struct world_case *c, const struct weights *w)
{
    const struct params *p = &c->t->params;
    int64_t wrong = 0;

    for (int unit = 0; unit < 4; unit++)
        wrong += wrong_unit(c, w, unit, unit < 3 ? unit + 1 : -1);
    for (int unit = 3; unit > 0; unit--)
        wrong += wrong_unit(c, w, unit, unit > 1 ? unit - 1 : -1);
    for (int k = 0; k < p->count; k++)
        for (int64_t e = 0; e < p->param[k].size && p->param[k].vector >= 0; e++)
            wrong += weights_vectors(w)[p->param[k].vector + e] !=
                     (float)pattern(c, k, p->param[k].offset + e);
    return wrong;
}

static bool
as_planned(const struct world_case *c, const struct weights *w)
{
    struct weights_memory m;
    const struct slices *s = reducer_slices(c->o.dense);
    const struct slices *e = c->o.expert ? reducer_slices(c->o.expert) : NULL;
    bool shared = one_host && !c->o.messages_only;

    weights_plan(&c->t->params, s, world->rank, e, e ? c->o.expert_comm->rank : 0, c->o.act_size,
                 c->o.zero, shared, &m);
    if (e)
        return weights_bytes(w) == m.act + m.vectors + m.gathered;
    bool units = c->o.zero == 3 && !shared && world->size > 1;
    bool whole = m.act == (uint64_t)c->t->params.elements * c->o.act_size;
    return weights_bytes(w) == m.act + m.vectors + m.gathered && (m.gathered > 0) == units &&
           whole == (c->o.zero == 0 || world->size == 1 || (!shared && !units)) &&
           (weights_source(w) != NULL) == units;
}

static void
test_case(struct world_case c)
{
    int64_t wrong = 0;
    struct weights *w = weights_new(&c.o);

    if (!w)
        die_err();
    for (c.step = 0; c.step < 3; c.step++) {
        if (weights_publish_begin(w) != 0)
            die_err();
        for (int rank = 0; rank < world->size; rank++)
            if (c.o.zero == 0 || rank == world->rank)
                write_runs(&c, w, c.o.dense, rank);
        for (int rank = 0; c.o.expert && rank < c.o.expert_comm->size; rank++)
            if (c.o.zero == 0 || rank == c.o.expert_comm->rank)
                write_runs(&c, w, c.o.expert, rank);
        if (weights_publish(w) != 0)
            die_err();
        wrong += wrong_weights(&c, w);
    }
    ok_all(world, wrong == 0 && as_planned(&c, w), "%d ranks, zero %d%s%s, %zu bytes%s",
           world->size, c.o.zero, c.o.messages_only ? ", messages" : "",
           c.t->params.tied ? ", tied" : "", c.o.act_size, c.o.expert ? ", experts apart" : "");
    weights_free(w);
}

static struct reducer *
reducer_with(struct comm *comm, const struct params *p, const bool *mine)
{
    struct reducer_options o = {.comm = comm, .params = p, .groups = comm->size, .mine = mine};
    struct reducer *r = reducer_new(&o);

    if (!r)
        die_err();
    return r;
}

static void
test_all(bool tied)
{
    struct test_table t;

    test_table_make(&t, tied);
    struct world_case c = {.t = &t, .o = {.comm = world, .params = &t.params}};
    struct reducer *r = reducer_with(world, &t.params, NULL);
    c.o.dense = r;
    for (int i = 0; i < 8; i++) {
        c.o.zero = i / 2;
        c.o.messages_only = i % 2;
        c.o.act_size = (i % 2) ^ tied ? sizeof(float) : sizeof(bf16);
        test_case(c);
    }
    reducer_free(r);
}

/* Two expert ranks, each with experts of its own, shared by half of the ranks. */
static void
test_experts(void)
{
    struct test_table t;
    bool dense[TEST_TENSORS];
    struct comm *half;

    test_table_make(&t, true);
    struct world_case c = {.t = &t, .o = {.comm = world, .params = &t.params}};
    c.half = world->rank % 2;
    for (int i = 0; i < TEST_TENSORS; i++) {
        c.expert[i] = i == 4 || i == 3;
        dense[i] = !c.expert[i];
    }
    if (world->ops->split(world, c.half, world->rank, &half) != 0)
        die_err();
    struct reducer *r = reducer_with(world, &t.params, dense);
    struct reducer *e = reducer_with(half, &t.params, c.expert);
    c.o.dense = r;
    c.o.expert = e;
    c.o.expert_comm = half;
    c.o.act_size = sizeof(bf16);
    for (int i = 0; i < 8; i++) {
        c.o.zero = i / 2;
        c.o.messages_only = i % 2;
        test_case(c);
    }
    reducer_free(e);
    reducer_free(r);
    comm_release(half);
}

int
main(int argc, char **argv)
{
    int place;

    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    one_host = ranks_here(world, &place) == world->size;
    test_all(false);
    test_all(true);
    if (world->size > 1)
        test_experts();
    finish((enum status)mpi_end(world, done_all(world)));
}
