/*
 * The gradient reduction on this number of ranks, bit by bit against the definition:
 * tree(n) = tree(first p) + tree(rest), p the largest power of two < n.
 */
#include "base/die.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "parallel/reduce.h"
#include "tests/mpi/ranks.h"

static struct comm *world;
static bool one_host;

/* A table of tensors with gaps, several pieces large. */
static void
make_params(struct params *p, struct param tensor[5], bool tied)
{
    static const int64_t sizes[] = {270 * 1000 + 3, 777, 20 * 1000, 40000, 5};

    *p = (struct params){.param = tensor, .count = 5, .embedding = 0, .tied_offset = -1};
    for (int i = 0; i < 5; i++) {
        tensor[i] = (struct param){
            .rows = 1, .columns = sizes[i], .offset = p->elements, .size = sizes[i]};
        p->elements = (p->elements + sizes[i] + 15) / 16 * 16;
    }
    p->grad_elements = p->elements;
    if (tied) {
        p->tied_offset = p->elements;
        p->grad_elements += (sizes[0] + 15) / 16 * 16;
    }
}

/*
 * The contribution of a micro-batch (two a group) to one element; magnitudes differ, so that
 * order shows.
 */
static float
value(int step, int group, int micro_batch, int64_t element)
{
    uint64_t x = hash_mix((uint64_t)element << 20 ^
                          (uint64_t)(group * 8 + micro_batch * 4 + step + 1));

    return ((float)(int32_t)(x >> 33) / 1073741824.0f - 1.0f) * (float)(1 << (x & 15));
}

static float
leaf(int step, int group, int64_t element)
{
    return value(step, group, 0, element) + value(step, group, 1, element);
}

static float
tree_sum(int step, int first, int n, int64_t element)
{
    int p = 1;

    if (n == 1)
        return leaf(step, first, element);
    while (2 * p < n)
        p *= 2;
    return tree_sum(step, first, p, element) + tree_sum(step, first + p, n - p, element);
}

static bool
in_tensor(const struct params *p, int64_t e)
{
    for (int i = 0; i < p->count; i++)
        if (e >= p->param[i].offset && e < p->param[i].offset + p->param[i].size)
            return true;
    return p->tied_offset >= 0 && e >= p->tied_offset && e < p->tied_offset + p->param[0].size;
}

static void
fill(const struct params *p, float *grads, int step, int group, int micro_batch)
{
    for (int64_t e = 0; e < p->grad_elements; e++)
        if (in_tensor(p, e))
            grads[e] += value(step, group, micro_batch, e);
}

/* As decoder_train: from the last tensor to the first; one range is left to reducer_finish. */
static void
report_ready(const struct params *p, struct reducer *r, bool all)
{
    for (int i = p->count - 1; i >= 0; i--) {
        const struct param *t = &p->param[i];
        if (i == 1 && !all)
            continue;
        reducer_ready(r, t->offset, t->offset + t->size / 2);
        reducer_ready(r, t->offset + t->size / 2, t->offset + t->size);
        for (int k = 0; k < 3; k++)
            comm_progress();
    }
    if (p->tied_offset >= 0)
        reducer_ready(r, p->tied_offset, p->tied_offset + p->param[0].size);
}

/* Each rank compares its part of the elements; a hash of all shows that the ranks have the same. */
static int64_t
wrong_elements(const struct params *p, const float *sum, int step, int groups)
{
    int64_t wrong = 0;

    for (int64_t e = world->rank; e < p->elements; e += world->size) {
        float want = in_tensor(p, e) ? tree_sum(step, 0, groups, e) : 0;
        if (p->tied_offset >= 0 && e < p->param[0].size)
            want += tree_sum(step, 0, groups, p->tied_offset + e);
        wrong += memcmp(&want, &sum[e], sizeof want) != 0;
    }
    uint64_t least = hash64(sum, (size_t)p->elements * sizeof *sum), most = least;
    if (comm_all_reduce(world, &least, 1, COMM_U64, COMM_MIN) != 0 ||
        comm_all_reduce(world, &most, 1, COMM_U64, COMM_MAX) != 0)
        die_err();
    return wrong + (least != most);
}

static int64_t
one_step(const struct params *p, struct reducer *r, int step, int groups)
{
    const float *sum;

    for (int group = reducer_groups(r).begin; reducer_more(r); group++) {
        float *grads = reducer_group(r);
        if (!grads)
            die_err();
        fill(p, grads, step, group, 0);
        fill(p, grads, step, group, 1);
        report_ready(p, r, step != 1);
    }
    if (reducer_finish(r, &sum) != 0)
        die_err();
    return wrong_elements(p, sum, step, groups);
}

static void
test_sums(int groups, bool tied, bool messages, struct threads *pool)
{
    struct param tensor[5];
    struct params p;
    int64_t wrong = 0;

    make_params(&p, tensor, tied);
    struct reducer_options o = {
        .comm = world, .params = &p, .groups = groups, .pool = pool, .messages_only = messages};
    struct reducer *r = reducer_new(&o);
    if (!r)
        die_err();
    for (int step = 0; step < 2; step++)
        wrong += one_step(&p, r, step, groups);
    ok_all(world, wrong == 0, "%d ranks, %d groups%s%s%s: the tree's sum, bit by bit", world->size,
           groups, tied ? ", tied" : "", messages ? ", messages" : "", pool ? ", 2 threads" : "");
    ok_all(world, reducer_shared(r) == (!messages && world->size > 1 && one_host),
           "by the way that was asked for");

    struct reducer_memory one, most;
    reducer_plan(&p, groups, world->size, -1, reducer_shared(r), &most);
    reducer_memory(r, &one);
    ok_all(world,
           one.gradients <= most.gradients && one.staging <= most.staging &&
               most.gradients % ((uint64_t)p.grad_elements * 4) == 0,
           "memory within the plan");
    reducer_free(r);
}

static void
test_refusal(void)
{
    struct param tensor[5];
    struct params p;

    make_params(&p, tensor, false);
    struct reducer_options o = {.comm = world, .params = &p, .groups = world->size - 1};
    ok_all(world, reducer_new(&o) == NULL && err_status() == STATUS_USAGE,
           "fewer groups than ranks: refused");
    o.groups = world->size;
    struct reducer *r = reducer_new(&o);
    const float *sum;
    ok_all(world, r && reducer_finish(r, &sum) == -1, "finishing without a group: refused");
    reducer_free(r);

    r = reducer_new(&o);
    ok_all(world, r && reducer_group(r), "a group");
    reducer_ready(r, 0, REDUCE_PIECE);
    reducer_ready(r, 50, 150);
    ok_all(world, reducer_finish(r, &sum) == -1 && strstr(err_text(), "twice"),
           "a range reported twice: refused");
    reducer_free(r);
}

static void
test_block_sums(void)
{
    struct param tensor[5];
    struct params p;
    double sums[64] = {0};
    uint64_t flags = world->rank == world->size - 1 ? 4 : 1;

    make_params(&p, tensor, true);
    struct reducer_options o = {.comm = world, .params = &p, .groups = world->size};
    struct reducer *r = reducer_new(&o);
    if (!r)
        die_err();
    const struct slice *s = reducer_slice(r, world->rank);
    for (int64_t b = s->block; b < s->block_end; b++)
        sums[b] = (double)b + 0.5;
    int64_t blocks = reducer_slice(r, world->size - 1)->block_end;
    bool good = reducer_gather_sums(r, sums, &flags) == 0;
    for (int64_t b = 0; b < blocks; b++)
        good = good && sums[b] == (double)b + 0.5;
    ok_all(world, good && blocks == 17 + 1 + 2 + 3 + 1, "block sums of all slices on every rank");
    ok_all(world, flags == (world->size > 1 ? 5 : 4), "flags of all ranks");
    reducer_free(r);
}

static void
test_losses(int groups)
{
    enum { EACH = 3 };
    struct sequence_loss mine[8 * EACH], all[8 * EACH], total;
    struct tree_run run = tree_share(groups, world->size, world->rank);
    int64_t n = 0, scored = 0;
    double loss = 0, z_loss = 0;

    for (int64_t i = (int64_t)run.begin * EACH; i < (int64_t)run.end * EACH; i++)
        mine[n++] = (struct sequence_loss){(double)leaf(0, 0, i), (double)leaf(1, 0, i), i};
    for (int64_t i = 0; i < (int64_t)groups * EACH; i++) {
        loss += (double)leaf(0, 0, i);
        z_loss += (double)leaf(1, 0, i);
        scored += i;
    }
    struct param tensor[5];
    struct params p;

    make_params(&p, tensor, false);
    struct reducer_options o = {.comm = world, .params = &p, .groups = groups};
    struct reducer *r = reducer_new(&o);
    if (!r)
        die_err();
    int result = reduce_losses(r, (int64_t)groups * EACH, mine, all, &total);
    ok_all(world,
           result == 0 && total.loss == loss && total.z_loss == z_loss && total.scored == scored &&
               all[groups * EACH - 1].scored == groups * EACH - 1,
           "losses of %d groups, added in order", groups);
    ok_all(world,
           reduce_losses(r, (int64_t)groups * EACH + 1, mine, all, &total) ==
               (groups == 1 ? 0 : -1),
           "sequences that groups do not divide: refused");
    reducer_free(r);
}

int
main(int argc, char **argv)
{
    static const int counts[] = {1, 2, 3, 4, 5, 8};
    struct threads *pool;

    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    int place;
    one_host = ranks_here(world, &place) == world->size;
    pool = threads_new(2);
    for (int i = 0; i < 6; i++) {
        if (counts[i] < world->size)
            continue;
        test_sums(counts[i], counts[i] % 2 == 0, false, i == 5 ? pool : NULL);
        test_sums(counts[i], counts[i] % 2 == 1, true, NULL);
        if (counts[i] * 3 < 24)
            test_losses(counts[i]);
    }
    test_refusal();
    test_block_sums();
    threads_free(pool);
    finish((enum status)mpi_end(world, done_all(world)));
}
