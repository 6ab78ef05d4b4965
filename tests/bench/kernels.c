/*
 * Rates of the picked kernel table on one thread: GEMM at each precision beside
 * OpenBLAS called directly, attention, and the passes that memory bounds. Prints a table.
 * Times are of this thread on its CPU, so that other programs disturb less.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "kernels/blas.h"
#include "kernels/grid.h"
#include "tests/bench/measure.h"

static const struct kernels *table;

static double
time_of(void (*run)(void *arg), void *arg)
{
    double start = cpu_seconds();
    run(arg);
    return cpu_seconds() - start;
}

/* The best time of one call, over at least half a second. */
static double
best_time(void (*run)(void *arg), void *arg)
{
    double best = INFINITY, end = cpu_seconds() + 0.5;
    run(arg);
    while (cpu_seconds() < end) {
        double time = time_of(run, arg);
        best = time < best ? time : best;
    }
    return best;
}

struct product {
    struct gemm g;
    const struct ops *ops;
};

static void
run_grid(void *arg)
{
    struct product *p = arg;
    gemm_run(NULL, p->ops, &p->g);
}

static void
run_blas(void *arg)
{
    const struct gemm *g = &((struct product *)arg)->g;
    blas_sgemm(g->ta, g->tb, g->m, g->n, g->k, g->a, g->lda, g->b, g->ldb, g->accumulate, g->c,
               g->ldc);
}

static struct product
product_new(enum precision p, const struct gemm *shape)
{
    struct gemm g = *shape;
    g.lda = g.ta ? g.m : g.k;
    g.ldb = g.tb ? g.k : g.n;
    g.ldc = g.n;
    g.a = bench_numbers(&table->ops[p], g.m * g.k, false);
    g.b = bench_numbers(&table->ops[p], g.n * g.k, false);
    g.c = bench_numbers(&table->ops[p], g.m * g.n, true);
    return (struct product){g, &table->ops[p]};
}

static void
product_free(struct product *p)
{
    free((void *)(uintptr_t)p->g.a);
    free((void *)(uintptr_t)p->g.b);
    free(p->g.c);
}

static double
rate(const struct gemm *g, double seconds)
{
    return 2.0 * (double)g->m * (double)g->n * (double)g->k / seconds / 1e9;
}

/* Sums over the shapes, for the closing ratios. */
static double total_fp32, total_bf16, total_blas;

/* The three in alternation: what disturbs the machine meets all of them. */
static void
bench_gemm(const struct gemm *shape)
{
    struct product fp32 = product_new(PRECISION_FP32, shape),
                   bf16 = product_new(PRECISION_BF16, shape);
    double own = INFINITY, half = INFINITY, blas = INFINITY, end = cpu_seconds() + 1.5;
    do {
        own = fmin(own, time_of(run_grid, &fp32));
        half = fmin(half, time_of(run_grid, &bf16));
        if (blas_loaded())
            blas = fmin(blas, time_of(run_blas, &fp32));
    } while (cpu_seconds() < end);
    printf("gemm %c%c %5d x %5d x %5d  fp32 %6.1f  bf16 %6.1f  BLAS alone %6.1f GFLOP/s\n",
           shape->ta ? 'T' : 'N', shape->tb ? 'T' : 'N', (int)shape->m, (int)shape->n,
           (int)shape->k, rate(shape, own), rate(shape, half), rate(shape, blas));
    total_fp32 += own;
    total_bf16 += half;
    total_blas += blas;
    product_free(&fp32);
    product_free(&bf16);
}

struct attending {
    struct attention a;
    const struct ops *ops;
};

static void
run_forward(void *arg)
{
    struct attending *x = arg;
    x->ops->attention_forward(&x->a);
}

static void
run_backward(void *arg)
{
    struct attending *x = arg;
    x->ops->attention_backward(&x->a);
}

/* Causal over itself, as in training: half of the products count. */
static void
bench_attention(enum precision p, int64_t n, int64_t heads, int64_t head_dim)
{
    const struct ops *ops = &table->ops[p];
    int64_t width = heads * head_dim;
    struct attending x = {.ops = ops};
    struct attention *a = &x.a;
    *a = (struct attention){.queries = n,
                            .keys = n,
                            .heads = heads,
                            .head_dim = head_dim,
                            .scale = 1 / sqrt((double)head_dim),
                            .q_stride = width,
                            .kv_stride = head_dim,
                            .out_stride = width,
                            .lse_stride = n,
                            .dq_stride = width,
                            .dkv_stride = head_dim};
    int32_t *first = mem_zarray((size_t)n, sizeof *first);
    a->first = first;
    a->q = bench_numbers(&table->ops[p], n * width, false);
    a->k = bench_numbers(&table->ops[p], n * head_dim, false);
    a->v = bench_numbers(&table->ops[p], n * head_dim, false);
    a->out = bench_numbers(&table->ops[p], n * width, false);
    a->d_out = bench_numbers(&table->ops[p], n * width, false);
    a->d_q = bench_numbers(&table->ops[p], n * width, false);
    a->d_k = bench_numbers(&table->ops[p], n * head_dim, false);
    a->d_v = bench_numbers(&table->ops[p], n * head_dim, false);
    a->lse = bench_numbers(&table->ops[p], n * heads, true);
    a->scratch = mem_aligned(ops->attention_scratch(n, n, heads, head_dim, true));
    double flops = 2.0 * (double)(n * n) * (double)width;
    double forward = best_time(run_forward, &x), backward = best_time(run_backward, &x);
    printf("attention %s %d x %d heads x %d  forward %6.1f  backward %6.1f GFLOP/s\n",
           precision_name(p), (int)n, (int)heads, (int)head_dim, flops / forward / 1e9,
           2.5 * flops / backward / 1e9);
}

/* Passes over memory, with the bytes that each moves an element at fp32 and bf16. */
enum { ROWS = 2048, DIM = 1536, N = ROWS * DIM };

struct pass {
    const struct ops *ops;
    void *act[6], *wide[4];
    int32_t *index;
    double *loss;
};

static void
pass_add(void *arg)
{
    struct pass *x = arg;
    x->ops->add(x->act[0], x->act[1], x->act[2], N);
}

static void
pass_rms_forward(void *arg)
{
    struct pass *x = arg;
    x->ops->rms_norm_forward(x->act[0], x->act[1], x->wide[1], x->act[2], x->act[3], x->wide[0],
                             ROWS, DIM, 1e-5);
}

static void
pass_rms_backward(void *arg)
{
    struct pass *x = arg;
    x->ops->rms_norm_backward(x->act[0], x->wide[2], x->act[1], x->act[2], x->act[3], x->wide[1],
                              x->wide[0], ROWS, DIM);
}

static void
pass_swiglu_forward(void *arg)
{
    struct pass *x = arg;
    x->ops->swiglu_forward(x->act[0], x->act[1], ROWS / 2, DIM);
}

static void
pass_swiglu_backward(void *arg)
{
    struct pass *x = arg;
    x->ops->swiglu_backward(x->act[0], NULL, x->act[1], x->act[2], ROWS / 2, DIM);
}

static void
pass_gelu_forward(void *arg)
{
    struct pass *x = arg;
    x->ops->gelu_forward(x->act[0], x->act[1], N, GELU_TANH);
}

static void
pass_gelu_backward(void *arg)
{
    struct pass *x = arg;
    x->ops->gelu_backward(x->act[0], NULL, x->act[1], x->act[2], N, GELU_ERF);
}

static void
pass_entropy(void *arg)
{
    struct pass *x = arg;
    x->ops->cross_entropy(x->wide[0], N / 96, x->act[0], N / 96, x->index, 96, N / 96, 1, 0,
                          x->loss, x->loss + 96);
}

static void
pass_adamw(void *arg)
{
    const struct adamw h = {1e-3, 0.9, 0.95, 1e-8, 0.1, 0.1, 0.05, 1};
    struct pass *x = arg;
    x->ops->adamw(x->wide[0], x->wide[1], x->wide[2], x->wide[3],
                  x->ops->act_size < 4 ? x->act[0] : NULL, N, &h);
}

static void
pass_squares(void *arg)
{
    struct pass *x = arg;
    x->loss[0] = x->ops->sum_squares(x->wide[0], N);
}

static const struct {
    const char *name;
    void (*run)(void *arg);
    double elements, act, wide; /* arrays read or written, of each type */
} passes[] = {
    {"add", pass_add, N, 3, 0},
    {"rms_norm forward", pass_rms_forward, N, 4, 0},
    {"rms_norm backward", pass_rms_backward, N, 4, 0},
    {"swiglu forward", pass_swiglu_forward, N / 2, 3, 0},
    {"swiglu backward", pass_swiglu_backward, N / 2, 5, 0},
    {"gelu forward tanh", pass_gelu_forward, N, 2, 0},
    {"gelu backward erf", pass_gelu_backward, N, 3, 0},
    {"cross_entropy", pass_entropy, N, 1, 1},
    {"adamw", pass_adamw, N, 0, 7},
    {"sum_squares", pass_squares, N, 0, 1},
};

static void
bench_passes(enum precision p)
{
    struct pass x = {.ops = &table->ops[p]};
    for (int i = 0; i < 6; i++)
        x.act[i] = bench_numbers(&table->ops[p], N, false);
    for (int i = 0; i < 4; i++)
        x.wide[i] = bench_numbers(&table->ops[p], N, true);
    float *v = x.wide[2];
    for (int64_t i = 0; i < N; i++)
        v[i] = fabsf(v[i]);
    x.index = mem_zarray(96, sizeof *x.index);
    x.loss = mem_zarray(192, sizeof *x.loss);
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        double bytes = passes[i].elements *
                       (passes[i].act * (double)x.ops->act_size + 4 * passes[i].wide);
        double seconds = best_time(passes[i].run, &x);
        printf("%-18s %s %6.2f ns/8  %6.1f GB/s\n", passes[i].name, precision_name(p),
               seconds / passes[i].elements * 8e9, bytes / seconds / 1e9);
    }
}

int
main(int argc, char **argv)
{
    /* A step of the 107M Llama on 512 tokens, its head on 256; then a few rows. */
    static const struct gemm shapes[] = {
        {.tb = true, .m = 512, .n = 1280, .k = 768},
        {.tb = true, .m = 512, .n = 768, .k = 768},
        {.tb = true, .m = 512, .n = 4608, .k = 768},
        {.tb = true, .m = 512, .n = 768, .k = 2304},
        {.tb = true, .m = 256, .n = 32000, .k = 768, .c_wide = true},
        {.m = 512, .n = 768, .k = 1280},
        {.m = 512, .n = 768, .k = 4608},
        {.m = 512, .n = 2304, .k = 768},
        {.m = 256, .n = 768, .k = 32000},
        {.ta = true, .m = 1280, .n = 768, .k = 512, .c_wide = true, .accumulate = true},
        {.ta = true, .m = 768, .n = 768, .k = 512, .c_wide = true, .accumulate = true},
        {.ta = true, .m = 4608, .n = 768, .k = 512, .c_wide = true, .accumulate = true},
        {.ta = true, .m = 768, .n = 2304, .k = 512, .c_wide = true, .accumulate = true},
        {.ta = true, .m = 32000, .n = 768, .k = 256, .c_wide = true, .accumulate = true},
        {.tb = true, .m = 2048, .n = 2304, .k = 768},
        {.tb = true, .m = 1, .n = 32000, .k = 768, .c_wide = true},
        {.tb = true, .m = 16, .n = 4608, .k = 768, .c_wide = true},
    };
    blas_load();
    table = kernels_pick(NULL);
    if (!table) {
        fprintf(stderr, "%s\n", err_text());
        return 1;
    }
    printf("table %s, %s, peak %.1f GFLOP/s\n", table->name, blas_describe(),
           table->peak(PRECISION_FP32, 0.3) / 1e9);
    const char *what = argc > 1 ? argv[1] : "gemm attention passes";
    for (size_t i = 0; strstr(what, "gemm") && i < sizeof shapes / sizeof *shapes; i++)
        bench_gemm(&shapes[i]);
    for (int p = 0; p <= PRECISION_BF16; p++) {
        if (strstr(what, "attention")) {
            bench_attention((enum precision)p, 512, 3, 64);
            bench_attention((enum precision)p, 1024, 3, 64);
        }
        if (strstr(what, "passes"))
            bench_passes((enum precision)p);
    }
    if (total_fp32 > 0)
        printf("GEMM time of OpenBLAS alone / of the table: fp32 %.2f, bf16 %.2f\n",
               total_blas / total_fp32, total_blas / total_bf16);
    return 0;
}
