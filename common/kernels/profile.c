#include "kernels/profile.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/sys.h"

/*
 * Operations have no context, so each precision has a copy of the wrappers with its own
 * table behind (profile.inc).
 */
enum kind {
    K_GEMM,
    K_GEMM_NARROW, /* up to four rows: generation */
    K_PACK,
    K_ATTENTION_FORWARD,
    K_ATTENTION_BACKWARD,
    K_NORM_FORWARD,
    K_NORM_BACKWARD,
    K_ROTARY,
    K_MLP_FORWARD,
    K_MLP_BACKWARD,
    K_CROSS_ENTROPY,
    K_COLUMN_SUM,
    K_ADD,
    K_CONVERT,
    K_QUANTIZE,
    K_SUM_SQUARES,
    K_ADAMW,
    KINDS
};

static const char *const names[KINDS] = {
    "gemm",         "gemm (up to 4 rows)", "pack weights",     "attention forward",
    "attention backward", "norm forward",  "norm backward",    "rotary",
    "activation forward", "activation backward", "cross-entropy", "column sum",
    "add",          "convert",             "quantize",         "sum of squares",
    "adamw",
};

struct counter {
    uint64_t calls;
    double seconds, flops, bytes;
};

struct counters {
    struct counter of[KINDS];
    struct counters *next;
};

static _Thread_local struct counters *mine;
static struct counters *all; /* of every thread that ever counted; never freed */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct counters *
counters(void)
{
    if (!mine) {
        mine = mem_zalloc(sizeof *mine);
        pthread_mutex_lock(&lock);
        mine->next = all;
        all = mine;
        pthread_mutex_unlock(&lock);
    }
    return mine;
}

static void
count(enum kind kind, double start, double flops, double bytes)
{
    struct counter *c = &counters()->of[kind];
    c->calls++;
    c->seconds += sys_seconds() - start;
    c->flops += flops;
    c->bytes += bytes;
}

void
profile_reset(void)
{
    pthread_mutex_lock(&lock);
    for (struct counters *c = all; c; c = c->next)
        memset(c->of, 0, sizeof c->of);
    pthread_mutex_unlock(&lock);
}

size_t
profile_take(struct profile_row rows[PROFILE_ROWS])
{
    size_t n = 0;
    pthread_mutex_lock(&lock);
    for (int kind = 0; kind < KINDS; kind++) {
        struct profile_row row = {.name = names[kind]};
        for (const struct counters *c = all; c; c = c->next) {
            row.calls += c->of[kind].calls;
            row.seconds += c->of[kind].seconds;
            row.flops += c->of[kind].flops;
            row.bytes += c->of[kind].bytes;
        }
        if (row.calls > 0)
            rows[n++] = row;
    }
    pthread_mutex_unlock(&lock);
    return n;
}

static enum profile_work
work_of(enum kind kind)
{
    switch (kind) {
    case K_GEMM:
    case K_GEMM_NARROW:
    case K_PACK:
        return PROFILE_PRODUCTS;
    case K_ATTENTION_FORWARD:
    case K_ATTENTION_BACKWARD:
        return PROFILE_ATTENTION;
    default:
        return PROFILE_OTHERS;
    }
}

void
profile_caller_work(double seconds[PROFILE_WORKS])
{
    const struct counters *c = counters();

    for (int work = 0; work < PROFILE_WORKS; work++)
        seconds[work] = 0;
    for (int kind = 0; kind < KINDS; kind++)
        seconds[work_of((enum kind)kind)] += c->of[kind].seconds;
}

double
profile_caller_seconds(void)
{
    double work[PROFILE_WORKS];

    profile_caller_work(work);
    return work[PROFILE_PRODUCTS] + work[PROFILE_ATTENTION] + work[PROFILE_OTHERS];
}

/* Pairs of a query and a key it sees. */
static double
visible_pairs(const struct attention *a)
{
    double pairs = 0;
    for (int64_t i = 0; i < a->queries; i++) {
        int64_t end = a->q0 + i < a->keys ? a->q0 + i + 1 : a->keys;
        pairs += end > a->first[i] ? (double)(end - a->first[i]) : 0;
    }
    return pairs;
}

#define PRECISION PRECISION_FP32
#define WRAP(name) fp32_##name
#include "kernels/profile.inc"
#undef PRECISION
#undef WRAP
#define PRECISION PRECISION_BF16
#define WRAP(name) bf16_##name
#include "kernels/profile.inc"
#undef PRECISION
#undef WRAP

const struct kernels *
profile_kernels(const struct kernels *k)
{
    static struct kernels table;
    table = *k;
    fp32_wrap(k, &table.ops[PRECISION_FP32]);
    bf16_wrap(k, &table.ops[PRECISION_BF16]);
    return &table;
}

double
profile_read_rate(double seconds)
{
    enum { WORDS = 8 << 20 }; /* 64 MiB */
    uint64_t *x = mem_array(WORDS, sizeof *x);
    volatile uint64_t sink;
    double best = 0, start = sys_seconds(), now = start;
    for (size_t i = 0; i < WORDS; i++)
        x[i] = i;
    do {
        double begin = sys_seconds();
        uint64_t sum[8] = {0};
        for (size_t i = 0; i < WORDS; i += 8)
            for (size_t lane = 0; lane < 8; lane++)
                sum[lane] += x[i + lane];
        for (size_t lane = 1; lane < 8; lane++)
            sum[0] += sum[lane];
        sink = sum[0];
        now = sys_seconds();
        double rate = (double)WORDS * sizeof *x / (now - begin);
        best = rate > best ? rate : best;
    } while (now - start < seconds);
    (void)sink;
    free(x);
    return best;
}
