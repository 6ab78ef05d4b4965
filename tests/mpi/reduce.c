/*
 * The gradient reduction on this number of ranks, bit by bit against the definition:
 * tree(n) = tree(first p) + tree(rest), p the largest power of two < n.
 */
#include <math.h>

#include "base/die.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "parallel/reduce.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/table.h"

static struct comm *world;

/*
 * The contribution of a micro-batch to one element; magnitudes differ, so that order shows.
 */
static float
value(int step, int group, int micro_batch, int64_t element)
{
    uint64_t x = hash_mix((uint64_t)element << 20 ^
                          (uint64_t)(group * 8 + micro_batch * 4 + step + 1));

    return ((float)(int32_t)(x >> 33) / 1073741824.0f - 1.0f) * (float)(1 << (x & 15));
}

/* A case: what is reduced, and how. */
struct sums {
    const struct params *p;
    struct reducer_options o;
    int64_t sparse; /* the number of the input side's element 0 in value() */
    int64_t dense;  /* and of the embedding's */
    bool frozen;    /* some tensors are */
    int step;
};

static float
leaf(const struct sums *s, int group, int64_t element)
{
    float first = value(s->step, group, 0, element);

    return s->o.single ? first : first + value(s->step, group, 1, element);
}

static float
tree_sum(const struct sums *s, int first, int n, int64_t element)
{
    int p = 1;

    if (n == 1)
        return leaf(s, first, element);
    while (2 * p < n)
        p *= 2;
    return tree_sum(s, first, p, element) + tree_sum(s, first + p, n - p, element);
}

static bool
is_mine(const struct sums *s, int param)
{
    return (!s->o.mine || s->o.mine[param]) && !s->p->param[param].frozen;
}

/* The tensor that an element belongs to, or that the gap before it follows. */
static const struct param *
tensor_of(const struct sums *s, int64_t e)
{
    int i = s->p->count - 1;

    while (s->p->param[i].offset > e)
        i--;
    return &s->p->param[i];
}

/* The elements of a run that follow one another where the sums stand: from `begin` to the end of what is frozen alike. */
static int64_t
together(const struct sums *s, const struct reduced_run *run, int64_t begin)
{
    const struct param *i = tensor_of(s, begin), *end = s->p->param + s->p->count;
    bool frozen = i->frozen;

    while (i < end && i->offset < run->end && i->frozen == frozen)
        i++;
    return i < end && i->offset < run->end ? i->offset : run->end;
}

/* The number in value() of a tensor's first element. */
static int64_t
number(const struct sums *s, int param)
{
    if (param == s->p->count)
        return s->sparse;
    return param == s->p->embedding ? s->dense : s->p->param[param].offset;
}

/* One micro-batch's gradient of one tensor; every second one writes its first over what is there. */
static void
add_gradient(const struct sums *s, struct reducer *r, int group, int param, int micro_batch)
{
    int64_t from = number(s, param);
    int64_t size = s->p->param[param == s->p->count ? s->p->embedding : param].size;
    bool fresh = false;
    float *g = reducer_at(r, group, param, param % 2 ? &fresh : NULL);

    if (!g)
        die_err();
    for (int64_t e = 0; e < size; e++) {
        float x = value(s->step, group, micro_batch, from + e);
        g[e] = fresh ? x : g[e] + x;
    }
}

static void
one_tensor(const struct sums *s, struct reducer *r, int group, int param)
{
    for (int i = 0; i < (s->o.single ? 1 : 2); i++)
        add_gradient(s, r, group, param, i);
    if (s->step != 1 || param != 1 || s->o.zero >= 2) /* that one is left to reducer_finish */
        reducer_ready(r, group, param);
    for (int i = 0; i < 3; i++)
        comm_progress();
}

static bool
exists(const struct sums *s, int param)
{
    if (param == s->p->count)
        return s->p->tied_offset >= 0 && is_mine(s, s->p->embedding);
    return is_mine(s, param);
}

/* From the last tensor to the first; every third one a group behind the others. */
static void
all_groups(const struct sums *s, struct reducer *r)
{
    struct tree_run run = reducer_groups(r);

    for (int group = run.begin; group <= run.end; group++)
        for (int i = s->p->count - 1; i >= -1; i--) {
            int param = i < 0 ? s->p->count : i, at = param % 3 == 2 ? group - 1 : group;
            if (exists(s, param) && at >= run.begin && at < run.end)
                one_tensor(s, r, at, param);
        }
}

static float
wanted(const struct sums *s, int64_t e)
{
    const struct params *p = s->p;
    int i = p->count - 1;

    while (p->param[i].offset > e)
        i--;
    int64_t in = e - p->param[i].offset;
    if (in >= p->param[i].size)
        return 0;
    float sum = tree_sum(s, 0, s->o.groups, number(s, i) + in);
    if (i == p->embedding && p->tied)
        sum += tree_sum(s, 0, s->o.groups, s->sparse + in);
    return sum;
}

static bool
is_right(const struct sums *s, float got, float want)
{
    if (s->o.message_type == COMM_BF16)
        return fabsf(got - want) <= 4096 + fabsf(want) / 64;
    return memcmp(&got, &want, sizeof got) == 0;
}

/* Is it looked at: the ends of every run, and of the rest every fifth, others in each step? */
static bool
is_looked_at(const struct sums *s, const struct reduced_run *run, int64_t e)
{
    return e < run->begin + 64 || e >= run->end - 64 || e % 5 == s->step;
}

static int64_t
wrong_of(const struct sums *s, const struct reducer *r, const struct reduced_run *run, int64_t begin, int64_t end)
{
    const float *sum = reducer_sum(r, begin);
    int64_t wrong = 0;

    for (int64_t e = begin; e < end; e++)
        wrong += is_looked_at(s, run, e) && !is_right(s, sum[e - begin], wanted(s, e));
    return wrong;
}

/* Of every rank's own runs, which must be all there is; the elements counted. */
static int64_t
wrong_elements(const struct sums *s, const struct reducer *r, int64_t *elements)
{
    int64_t wrong = 0;
    int count;
    const struct reduced_run *run = reducer_runs(r, s->o.comm->rank, &count);

    for (int i = 0; i < count; i++) {
        for (int64_t e = run[i].begin, end; e < run[i].end; e = end) {
            end = together(s, &run[i], e);
            if (!tensor_of(s, e)->frozen)
                wrong += wrong_of(s, r, &run[i], e, end);
        }
        *elements += run[i].end - run[i].begin;
    }
    return wrong;
}

/* With zero 0 every rank sees every run; the same one. */
static bool
all_see_all(const struct sums *s, const struct reducer *r)
{
    uint64_t least = 0, most;
    int count;

    for (int rank = 0; rank < s->o.comm->size; rank++) {
        const struct reduced_run *run = reducer_runs(r, rank, &count);
        for (int i = 0; i < count; i++) {
            int64_t end = together(s, &run[i], run[i].begin);
            const float *sum = reducer_sum(r, run[i].begin);
            if (tensor_of(s, run[i].begin)->frozen)
                continue;
            if (s->o.zero > 0 && rank != s->o.comm->rank) {
                if (sum)
                    return false;
                continue;
            }
            if (s->o.zero == 0 && !s->o.mine && !s->frozen && sum != reducer_sum(r, 0) + run[i].begin)
                return false; /* all in one array */
            size_t bytes = (size_t)(end - run[i].begin) * sizeof *sum;
            least = hash_mix(least ^ hash64(sum, bytes));
        }
    }
    if (s->o.zero > 0)
        return true;
    most = least;
    if (comm_all_reduce(s->o.comm, &least, 1, COMM_U64, COMM_MIN) != 0 ||
        comm_all_reduce(s->o.comm, &most, 1, COMM_U64, COMM_MAX) != 0)
        die_err();
    return least == most;
}

/* Elements from the first tensor of each unit to the last one's end, as slices count them. */
static int64_t
elements_of(const struct reducer *r)
{
    const struct slices *s = reducer_slices(r);
    int64_t n = 0;

    for (int u = 0; u < s->units; u++)
        for (int i = 0; i < s->owners; i++)
            n += slices_run(s, u, i)->end - slices_run(s, u, i)->begin;
    return n;
}

static bool
check_memory(const struct sums *s, const struct reducer *r, bool one_host)
{
    struct reducer_memory one, planned, most;
    bool ring = s->o.zero >= 2 && s->o.single && s->o.groups == s->o.comm->size &&
                s->o.comm->size > 1;

    reducer_memory(r, &one);
    reducer_plan(&s->o, s->o.comm->size, s->o.comm->rank, reducer_shared(r), &planned);
    reducer_plan(&s->o, s->o.comm->size, -1, reducer_shared(r), &most);
    bool some = s->o.share_ranks > 0 || (!one_host && !s->o.messages_only);
    return one.gradients == planned.gradients &&
           (some ? one.staging <= planned.staging : one.staging == planned.staging) &&
           one.mapped == planned.mapped && one.gradients <= most.gradients && one.ring == ring;
}

static const char *
describe(const struct sums *s, char *text, size_t size)
{
    snprintf(text, size, "%d ranks, %d groups%s, zero %d%s%s%s%s%s", s->o.comm->size, s->o.groups,
             s->o.single ? " of one micro-batch" : "", s->o.zero,
             s->p->tied ? s->o.tied ? ", tied across stages" : ", tied" : "",
             s->o.messages_only ? ", messages" : s->o.share_ranks ? ", pairs" : "", s->o.mine || s->frozen ? ", some tensors" : "",
             s->o.message_type == COMM_BF16 ? ", BF16" : "", s->o.pool ? ", 2 threads" : "");
    return text;
}

static void
test_sums(struct sums s)
{
    char text[160];
    int64_t wrong = 0, elements = 0;
    int place;
    bool seen = true, one_host = ranks_here(s.o.comm, &place) == s.o.comm->size;
    struct reducer *r = reducer_new(&s.o);

    if (!r)
        die_err();
    for (s.step = 0; s.step < 2; s.step++) {
        all_groups(&s, r);
        if (reducer_finish(r) != 0)
            die_err();
        elements = 0;
        wrong += wrong_elements(&s, r, &elements);
        seen = seen && all_see_all(&s, r);
    }
    int64_t owned = elements;
    if (comm_all_reduce(s.o.comm, &owned, 1, COMM_U64, COMM_SUM) != 0)
        die_err();
    ok_all(world, wrong == 0 && owned == elements_of(r), "%s: the tree's sum, bit by bit",
           describe(&s, text, sizeof text));
    ok_all(world,
           seen && check_memory(&s, r, one_host) &&
               reducer_shared(r) == (!s.o.messages_only && s.o.comm->size > 1 && one_host &&
                                     (!s.o.share_ranks || s.o.comm->size <= s.o.share_ranks)),
           "where it is promised, the way that was asked for, memory as planned");
    reducer_free(r);
}

static void
test_case(const struct test_table *t, struct reducer_options o)
{
    struct sums s = {.p = &t->params, .o = o, .sparse = t->params.tied_offset};

    for (int i = 0; i < t->params.count; i++)
        s.frozen |= t->params.param[i].frozen;
    s.o.params = &t->params;
    test_sums(s);
}

/* Every stage of ZeRO, with groups of one and of two micro-batches. */
static void
test_stages(int groups, struct threads *pool)
{
    struct test_table tied, untied;

    test_table_make(&tied, true);
    test_table_make(&untied, false);
    for (int zero = 0; zero < 4; zero++) {
        struct reducer_options o = {.comm = world, .groups = groups, .zero = zero};
        o.single = (groups + zero) % 2 == 0 || groups == world->size;
        o.messages_only = zero % 2;
        test_case(zero % 2 ? &tied : &untied, o);
        o.messages_only = !o.messages_only;
        o.single = !o.single;
        o.pool = zero == 2 ? pool : NULL;
        test_case(zero == 3 ? &untied : &tied, o);
    }
}

/* The ring of ZeRO-2 and 3 both ways, with and without the input side. */
static void
test_ring(void)
{
    struct test_table tied, untied;

    test_table_make(&tied, true);
    test_table_make(&untied, false);
    for (int i = 0; i < 2; i++) {
        struct reducer_options o = {.comm = world, .groups = world->size, .zero = 2 + i};
        o.single = true;
        o.messages_only = i;
        test_case(&tied, o);
        o.messages_only = !o.messages_only;
        test_case(&untied, o);
    }
}

/* Two ranks a host. */
static void
test_hosts(void)
{
    struct test_table tied, untied;

    test_table_make(&tied, true);
    test_table_make(&untied, false);
    for (int i = 0; i < 8; i++) {
        struct reducer_options o = {.comm = world, .zero = i / 2, .share_ranks = 2};
        o.groups = world->size + (i % 2 ? 0 : 1);
        o.single = i % 2;
        o.message_type = i == 1 && world->size > 2 ? COMM_BF16 : COMM_F32;
        test_case(i % 4 < 2 ? &tied : &untied, o);
    }
}

/* A model with experts has a reducer for each kind of tensors. */
static void
test_some(void)
{
    struct test_table t;
    bool mine[TEST_TENSORS], others[TEST_TENSORS];

    test_table_make(&t, true);
    for (int i = 0; i < t.params.count; i++) {
        mine[i] = i == 4;
        others[i] = !mine[i];
    }
    for (int i = 0; i < 4; i++) {
        struct reducer_options o = {.comm = world, .groups = world->size, .zero = i};
        o.single = true;
        o.messages_only = i % 2;
        o.mine = mine;
        test_case(&t, o);
        o.mine = others;
        test_case(&t, o);
    }
}

/* Frozen: the embedding, alternate tensors, all. Every way and stage. */
static void
test_frozen(void)
{
    for (int i = 0; i < 8; i++) {
        struct test_table t;
        struct reducer_options o = {.comm = world, .zero = i % 4, .share_ranks = i == 6 ? 2 : 0};
        o.groups = world->size + (i >= 4);
        o.single = i < 4;
        o.messages_only = (i + i / 4) % 2;
        test_table_make(&t, i < 6);
        for (int k = 0; k < t.params.count; k++)
            t.tensor[k].frozen = i == 7 || (i % 3 == 0 ? k == t.params.embedding : k % 2 == i % 2);
        test_case(&t, o);
    }
}

static void
test_bf16(void)
{
    struct test_table t;

    test_table_make(&t, true);
    for (int i = 0; i < 2; i++) {
        struct reducer_options o = {.comm = world, .groups = world->size, .zero = 2 * i};
        o.single = i;
        o.messages_only = true;
        o.message_type = COMM_BF16;
        test_case(&t, o);
    }
}

/*
 * Two stages of a pipeline, each on half of the ranks: the first has the embedding as an
 * input, the last as the head.
 */
static void
test_tied_stages(void)
{
    int ranks = world->size / 2, stage = world->rank / ranks;
    struct comm *stage_comm, *pair;
    struct test_table t;

    test_table_make_stage(&t, stage);
    if (world->ops->split(world, stage, world->rank, &stage_comm) != 0 ||
        world->ops->split(world, world->rank % ranks, world->rank, &pair) != 0)
        die_err();
    for (int i = 0; i < 8; i++) {
        struct sums s = {.p = &t.params, .sparse = 1 << 24};
        s.o = (struct reducer_options){
            .comm = stage_comm,
            .params = &t.params,
            .groups = i % 2 ? ranks : ranks + 1,
            .zero = i / 2,
            .single = i % 2,
            .tied = pair,
            .tied_sparse = stage == 0,
            .messages_only = i % 4 == 1,
            .share_ranks = i == 6,
        };
        s.dense = stage == 0 ? s.sparse : 0;
        s.sparse = stage == 0 ? 0 : s.sparse; /* the other one's */
        test_sums(s);
    }
    struct reducer_options o = {.comm = stage_comm,
                                .params = &t.params,
                                .groups = ranks,
                                .tied = pair,
                                .tied_sparse = true};
    ok_all(world, !reducer_new(&o), "two stages with the same use of an embedding: refused");
    comm_release(stage_comm);
    comm_release(pair);
}

static void
test_refusal(void)
{
    struct test_table t;
    bool none[TEST_TENSORS] = {0};

    test_table_make(&t, false);
    struct reducer_options o = {.comm = world, .params = &t.params, .groups = world->size - 1};
    ok_all(world, reducer_new(&o) == NULL && err_status() == STATUS_USAGE,
           "fewer groups than ranks: refused");
    o.groups = world->size;
    struct reducer *r = reducer_new(&o);
    ok_all(world, r && reducer_finish(r) == -1 && strstr(err_text(), "not begun"),
           "finishing without a group: refused");
    reducer_free(r);

    r = reducer_new(&o);
    int group = r ? reducer_groups(r).begin : 0;
    ok_all(world, r && reducer_at(r, group, 1, NULL), "a group");
    reducer_ready(r, group, 1);
    reducer_ready(r, group, 1);
    ok_all(world, reducer_finish(r) == -1 && strstr(err_text(), "twice"),
           "a tensor reported twice: refused");
    reducer_free(r);

    r = reducer_new(&o);
    ok_all(world, r && reducer_at(r, group + 1, 1, NULL) && reducer_finish(r) == -1,
           "a group too far: refused");
    reducer_free(r);

    o.mine = none;
    r = reducer_new(&o);
    ok_all(world, r && !reducer_at(r, group, 1, NULL), "a tensor that is not reduced: none");
    reducer_free(r);
}

int
main(int argc, char **argv)
{
    static const int counts[] = {1, 3, 5, 9};
    struct threads *pool;

    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    pool = threads_new(2);
    for (int i = 0; i < 4; i++)
        if (counts[i] >= world->size)
            test_stages(counts[i], pool);
    test_ring();
    test_frozen();
    if (world->size > 2)
        test_hosts();
    test_some();
    if (world->size > 1)
        test_bf16();
    if (world->size > 1 && world->size % 2 == 0)
        test_tied_stages();
    test_refusal();
    threads_free(pool);
    finish((enum status)mpi_end(world, done_all(world)));
}
