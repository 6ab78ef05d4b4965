/*
 * Rates of the AMX table on one thread: BF16 GEMM with B as it is and packed beforehand, and
 * attention, in GFLOP/s and against the tile units' measured peak. CPU time of this thread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "kernels/grid.h"
#include "tests/bench/measure.h"

static const struct ops *ops;
static double peak;

/* GFLOP/s of the fastest of the runs that fit into a second. */
static double
rate(void (*run)(void *arg), void *arg, double flops)
{
    double best = INFINITY, end = cpu_seconds() + 1;
    run(arg);
    while (cpu_seconds() < end) {
        double start = cpu_seconds();
        run(arg);
        best = fmin(best, cpu_seconds() - start);
    }
    return flops / best / 1e9;
}

static void
run_gemm(void *arg)
{
    gemm_run(NULL, ops, arg);
}

static void
run_pack(void *arg)
{
    struct gemm *g = arg;
    ops->gemm_pack(g->tb, g->n, g->k, g->b, g->ldb, 0, g->n, (void *)(uintptr_t)g->b_packed);
}

static double
bench_gemm(const struct gemm *shape)
{
    struct gemm g = *shape;
    double flops = 2.0 * (double)g.m * (double)g.n * (double)g.k;
    g.lda = g.ta ? g.m : g.k;
    g.ldb = g.tb ? g.k : g.n;
    g.ldc = g.n;
    void *a = bench_numbers(ops, g.m * g.k, false), *b = bench_numbers(ops, g.n * g.k, false);
    g.a = a;
    g.b = b;
    g.c = mem_zarray((size_t)(g.m * g.n), sizeof(float));
    double plain = rate(run_gemm, &g, flops);
    void *packed = mem_aligned(ops->gemm_pack_size(g.tb, g.n, g.k));
    g.b_packed = packed;
    double numbers_packed = rate(run_pack, &g, (double)g.n * (double)g.k);
    double with = rate(run_gemm, &g, flops);
    double best = g.ta ? plain : with; /* weights are packed beforehand, activations are not */
    printf("gemm %c%c %4d x %4d x %4d  %5.0f GFLOP/s, packed %5.0f (packing %.1f G/s)  %2.0f %% of "
           "the peak\n",
           g.ta ? 'T' : 'N', g.tb ? 'T' : 'N', (int)g.m, (int)g.n, (int)g.k, plain, with,
           numbers_packed, 100 * best / peak);
    free(packed);
    free(a);
    free(b);
    free(g.c);
    return best;
}

static void
run_forward(void *arg)
{
    ops->attention_forward(arg);
}

static void
run_backward(void *arg)
{
    ops->attention_backward(arg);
}

/* Causal: half of the products count. */
static void
bench_attention(int64_t n, int64_t heads, int64_t head_dim)
{
    int64_t width = heads * head_dim;
    double flops = 2.0 * (double)(n * n) * (double)width;
    struct attention a = {.queries = n,
                          .keys = n,
                          .heads = heads,
                          .head_dim = head_dim,
                          .first = mem_zarray((size_t)n, sizeof(int32_t)),
                          .scale = 1 / sqrt((double)head_dim),
                          .q = bench_numbers(ops, n * width, false),
                          .k = bench_numbers(ops, n * head_dim, false),
                          .v = bench_numbers(ops, n * head_dim, false),
                          .out = bench_numbers(ops, n * width, false),
                          .q_stride = width,
                          .kv_stride = head_dim,
                          .out_stride = width,
                          .lse = mem_zarray((size_t)(n * heads), sizeof(float)),
                          .lse_stride = n,
                          .d_out = bench_numbers(ops, n * width, false),
                          .d_q = bench_numbers(ops, n * width, false),
                          .d_k = bench_numbers(ops, n * head_dim, false),
                          .d_v = bench_numbers(ops, n * head_dim, false),
                          .dq_stride = width,
                          .dkv_stride = head_dim};
    a.scratch = mem_aligned(ops->attention_scratch(n, n, heads, head_dim, true));
    double forward = rate(run_forward, &a, flops), backward = rate(run_backward, &a, 2.5 * flops);
    printf(
        "attention %4d x %d x %3d   %5.0f GFLOP/s, backward %5.0f  %2.0f, %2.0f %% of the peak\n",
        (int)n, (int)heads, (int)head_dim, forward, backward, 100 * forward / peak,
        100 * backward / peak);
}

int
main(void)
{
    static const struct gemm shapes[] = {
        {.tb = true, .m = 2048, .n = 2304, .k = 768},
        {.tb = true, .m = 512, .n = 4096, .k = 4096},
        {.tb = true, .m = 512, .n = 8192, .k = 2048},
        {.ta = true, .m = 3072, .n = 768, .k = 2048, .c_wide = true, .accumulate = true},
    };
    setenv("LLM_ISA", "amx", 1);
    const struct kernels *table = kernels_pick(NULL);
    if (!table) {
        printf("skipped: %s\n", err_text());
        return 0;
    }
    ops = &table->ops[PRECISION_BF16];
    peak = table->peak(PRECISION_BF16, 1) / 1e9;
    printf("tiles in registers: %.0f GFLOP/s\n", peak);
    double least = INFINITY;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        least = fmin(least, bench_gemm(&shapes[i]));
    bench_attention(1024, 3, 64);
    bench_attention(1024, 4, 128);
    bench_attention(4096, 3, 64);
    printf("BF16 GEMM on AMX, the slowest shape / the peak in registers: %.2f\n", least / peak);
    return 0;
}
