/*
 * Denormals are zero, as inputs and as results, in the thread that asked for it and in the
 * workers of pools made afterwards; in every table's kernels, too.
 */
#include "kernels/kernels.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/threads.h"
#include "tests/unit/tap.h"

/* By its bits: a comparison takes a denormal for 0 as well. */
static bool
is_zero(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits == 0;
}

static bool
flushes(void)
{
    volatile float tiny = 0x1p-128f, normal = 0x1p-126f, large = 0x1p100f, quarter = 0.25f;
    volatile float in = tiny * large, out = normal * quarter;
    return is_zero(in) && is_zero(out);
}

enum { CELLS = 64, WORKERS = 2 };
static int ran[WORKERS], flushed[WORKERS];

/* Each cell sleeps, so that every worker gets some. */
static int
cell(void *arg, size_t i, int worker)
{
    (void)arg, (void)i;
    const struct timespec pause = {.tv_nsec = 1000000};
    nanosleep(&pause, NULL);
    ran[worker]++;
    flushed[worker] += flushes();
    return 0;
}

enum { ELEMENTS = 100, STEPS = 400 };

static int
denormals(const float *x)
{
    int count = 0;
    for (int i = 0; i < ELEMENTS; i++)
        count += !is_zero(x[i]) && !isnormal(x[i]);
    return count;
}

/*
 * Moments of an element that gets no gradient any more shrink by beta every step, through the
 * denormal numbers, on which AdamW would slow down for hundreds of steps. They must become 0.
 */
static void
test_adamw(const struct kernels *k)
{
    const struct adamw h = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1,
                            .correction1 = 1, .correction2 = 1, .grad_scale = 1};
    float w[ELEMENTS], m[ELEMENTS], v[ELEMENTS], g[ELEMENTS] = {0};
    int seen = 0, left = 0;
    for (int i = 0; i < ELEMENTS; i++) {
        w[i] = 1;
        m[i] = i % 2 ? 1e-30f : 1e-40f; /* normal; denormal from the start: a checkpoint of others */
        v[i] = i % 3 ? 1e-34f : 1e-43f;
    }
    for (int step = 0; step < STEPS; step++) {
        k->ops[PRECISION_FP32].adamw(w, m, v, g, NULL, ELEMENTS, &h);
        seen += denormals(m) + denormals(v);
    }
    for (int i = 0; i < ELEMENTS; i++)
        left += !is_zero(m[i]) + !is_zero(v[i]);
    ok(seen == 0 && left == 0, "%s: AdamW leaves %d denormal moments in %d steps, %d that are not 0", k->name,
       seen, STEPS, left);
}

static void
test_tables(void)
{
    for (int level = 0; kernels_level_name(level); level++) {
        setenv("LLM_ISA", kernels_level_name(level), 1);
        const struct kernels *k = kernels_pick(NULL);
        if (!k)
            continue;
        enum { N = 40 };
        float x[N], y[N], sum[N];
        bool zero = true;
        for (int i = 0; i < N; i++)
            x[i] = y[i] = 0x1p-129f;
        k->ops[PRECISION_FP32].add(sum, x, y, N);
        for (int i = 0; i < N; i++)
            zero = zero && is_zero(sum[i]);
        ok(zero, "%s: the sum of denormals is 0", k->name);
        test_adamw(k);
    }
}

int
main(void)
{
    ok(!flushes(), "denormals count before");
    kernels_flush_denormals();
    ok(flushes(), "they are zero afterwards");
    struct threads *pool = threads_new(WORKERS);
    threads_run(pool, CELLS, cell, NULL);
    for (int i = 0; i < threads_count(pool); i++)
        ok(ran[i] > 0 && flushed[i] == ran[i], "worker %d: in %d of its %d cells", i, flushed[i],
           ran[i]);
    threads_free(pool);
    test_tables();
    return done();
}
