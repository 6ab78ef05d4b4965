/*
 * Products alone, timed on demand, for tests/bench/train.py. Reads lines
 *
 *     forward|wgrad M N K fp32|bf16 RUNS
 *
 * and answers each with the least CPU seconds of a run, packed as the trainer has its weights, and
 * of packing them. forward: C [M][N] = A [M][K] W [N][K]^T; wgrad: C [M][N] += A [K][M]^T B [K][N].
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "kernels/grid.h"
#include "tests/bench/measure.h"

static const struct kernels *table;

static void *
pack(const struct ops *ops, const struct gemm *g, double *seconds)
{
    size_t size = g->ta ? 0 : ops->gemm_pack_size(g->tb, g->n, g->k);
    double start;
    void *packed;

    *seconds = 0;
    if (size == 0)
        return NULL;
    packed = mem_aligned(size);
    memset(packed, 0, size); /* its pages are there before the clock runs */
    start = cpu_seconds();
    ops->gemm_pack(g->tb, g->n, g->k, g->b, g->ldb, 0, g->n, packed);
    *seconds = cpu_seconds() - start;
    return packed;
}

static void
time_product(const struct ops *ops, struct gemm *g, int runs)
{
    double best = INFINITY, packing;
    void *a = bench_numbers(ops, g->m * g->k, false), *b = bench_numbers(ops, g->n * g->k, false), *packed;

    g->a = a;
    g->b = b;
    g->c = mem_zalloc((size_t)(g->m * g->n) * sizeof(float));
    g->b_packed = packed = pack(ops, g, &packing);
    gemm_run(NULL, ops, g);
    for (int i = 0; i < runs; i++) {
        double start = cpu_seconds();
        gemm_run(NULL, ops, g);
        best = fmin(best, cpu_seconds() - start);
    }
    printf("%.6f %.6f\n", best, packing);
    fflush(stdout);
    free(a);
    free(b);
    free(packed);
    free(g->c);
}

int
main(void)
{
    char line[256], kind[16], precision[16];
    long m, n, k;
    int runs;

    table = kernels_pick(NULL);
    if (!table) {
        fprintf(stderr, "%s\n", err_text());
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%15s %ld %ld %ld %15s %d", kind, &m, &n, &k, precision, &runs) != 6)
            return 2;
        bool wgrad = strcmp(kind, "wgrad") == 0;
        struct gemm g = {.ta = wgrad, .tb = !wgrad, .m = m, .n = n, .k = k, .lda = wgrad ? m : k,
                         .ldb = wgrad ? n : k, .ldc = n, .c_wide = wgrad, .accumulate = wgrad};
        enum precision p = strcmp(precision, "bf16") == 0 ? PRECISION_BF16 : PRECISION_FP32;
        time_product(&table->ops[p], &g, runs);
    }
    return 0;
}
