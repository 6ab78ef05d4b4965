/* Rates of the update, and of the ways between ranks. */
#include "cmd/llm-train/probe_rates.h"

#include "base/mem.h"
#include "base/sys.h"

/* ---- update ---- */

struct update {
    const struct trainer *t;
    const struct ops *ops;
    float *master, *m, *v, *gradients;
    void *act; /* NULL: FP32 */
    double *sums;
};

/* Blocks of NORM_BLOCK elements: more than caches hold, unless the run has fewer itself. */
static size_t
blocks_of(const struct trainer *t)
{
    enum { MOST = 1024 };
    int64_t n = t->params.elements / NORM_BLOCK / t->world->size;

    return n < 1 ? 1 : n < MOST ? (size_t)n : MOST;
}

static int
norm_block(void *arg, size_t cell, int worker)
{
    const struct update *u = arg;

    (void)worker;
    u->sums[cell] = u->ops->sum_squares(u->gradients + cell * NORM_BLOCK, NORM_BLOCK);
    return 0;
}

static int
update_block(void *arg, size_t cell, int worker)
{
    static const struct adamw h = {
        .lr = 1e-4, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1,
        .correction1 = 0.5, .correction2 = 0.5, .grad_scale = 1,
    };
    const struct update *u = arg;
    size_t at = cell * NORM_BLOCK;
    void *act = u->act ? (char *)u->act + at * u->ops->act_size : NULL;
    struct fp8_seen seen = {0};

    (void)worker;
    u->ops->adamw(u->master + at, u->m + at, u->v + at, u->gradients + at, act, NORM_BLOCK, &h);
    if (u->t->phase->fp8)
        u->ops->quantize(act, act, NORM_BLOCK, FP8_E4M3, 1, &seen);
    return 0;
}

int
probe_update(const struct trainer *t, double seconds, double *rate)
{
    size_t blocks = blocks_of(t), elements = blocks * NORM_BLOCK;
    struct update u = {.t = t, .ops = &t->kernels->ops[t->precision]};
    float *arrays = mem_large(4 * elements * sizeof *arrays);
    double bytes = 8 * (double)elements * (double)u.ops->wide_size, best = 0, start = sys_seconds();
    int32_t more = 1;

    u.master = arrays;
    u.m = arrays + elements;
    u.v = arrays + 2 * elements;
    u.gradients = arrays + 3 * elements;
    u.sums = mem_zarray(blocks, sizeof *u.sums);
    if (t->precision != PRECISION_FP32) {
        u.act = mem_large(elements * u.ops->act_size);
        bytes += (double)elements * (double)u.ops->act_size;
    }
    for (size_t i = 0; i < elements; i++)
        u.gradients[i] = u.master[i] = 0.01F;
    int result = comm_barrier(t->world);
    for (int i = 0; result == 0 && more && i < 20; i++) {
        double begin = sys_seconds();
        threads_run(t->pool, blocks, norm_block, &u);
        threads_run(t->pool, blocks, update_block, &u);
        double now = sys_seconds(), one = bytes / (now - begin);
        best = one > best ? one : best;
        more = i == 0 || now - start < seconds;
        result = comm_all_reduce(t->world, &more, 1, COMM_I32, COMM_MAX);
    }
    *rate = best;
    free(arrays);
    free(u.act);
    free(u.sums);
    return result < 0 ? -1 : comm_all_reduce(t->world, rate, 1, COMM_F64, COMM_MIN);
}

/* ---- ways ---- */

static int
exchange_messages(const struct trainer *t, char *send, char *receive, size_t bytes)
{
    enum { TAG = 1 << 20 };
    struct comm *c = t->world;
    struct comm_request *out = NULL, *in = NULL;
    int next = (c->rank + 1) % c->size, before = (c->rank + c->size - 1) % c->size;

    if (c->ops->receive(c, receive, bytes, before, TAG, &in) < 0 ||
        c->ops->send(c, send, bytes, next, TAG, &out) < 0)
        return -1;
    return comm_wait(c, &in) < 0 || comm_wait(c, &out) < 0 ? -1 : 0;
}

/* Seconds of one, the fastest of some: waits for ranks that came late are not the way's. */
static int
time_one(const struct trainer *t, bool messages, char *buffer, size_t bytes, double seconds, double *best)
{
    double start = sys_seconds();
    int32_t more = 1;

    *best = 1e9;
    for (int i = 0; more; i++) {
        if (comm_barrier(t->world) < 0)
            return -1;
        double begin = sys_seconds();
        if ((messages ? exchange_messages(t, buffer, buffer + bytes, bytes)
                      : comm_sum(t->world, buffer, bytes / sizeof(float), COMM_F32)) < 0)
            return -1;
        double now = sys_seconds();
        *best = i > 0 && now - begin < *best ? now - begin : *best;
        more = i < 3 || (i < 50 && now - start < seconds);
        if (comm_all_reduce(t->world, &more, 1, COMM_I32, COMM_MAX) < 0)
            return -1;
    }
    return comm_all_reduce(t->world, best, 1, COMM_F64, COMM_MAX);
}

int
probe_ways(const struct trainer *t, double seconds, struct machine_file *m)
{
    enum { SMALL = 256, LARGE = 1 << 20 };
    const int *size = t->layout.size;
    bool messages = size[AXIS_PIPELINE] > 1 || size[AXIS_CONTEXT] > 1 || size[AXIS_EXPERT] > 1;
    double ranks = t->world->size, few, many;
    char *buffer;

    if (t->world->size == 1)
        return 0;
    buffer = mem_large(2 * LARGE);
    int result = time_one(t, messages, buffer, SMALL, seconds / 2, &few) < 0 ||
                         time_one(t, messages, buffer, LARGE, seconds / 2, &many) < 0
                     ? -1
                     : 0;
    free(buffer);
    if (result < 0)
        return -1;
    /* Of a sum, as plan_work's ways count it: twice round, an n-th at a time. */
    double steps = messages ? 1 : 2 * (ranks - 1), bytes = LARGE * (messages ? 1 : 2 * (ranks - 1) / ranks);
    m->inner_latency = m->latency = few / steps;
    m->inner = m->link = many > few ? bytes / (many - few) : 0;
    return 0;
}
