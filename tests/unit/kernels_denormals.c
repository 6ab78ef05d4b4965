/*
 * Denormals are zero, as inputs and as results, in the thread that asked for it and in the
 * workers of pools made afterwards; in every table's kernels, too.
 */
#include "kernels/kernels.h"

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
