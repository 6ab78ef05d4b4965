#include "kernels/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "kernels/blas.h"
#include "kernels/check_data.h"
#include "kernels/grid.h"

static bool
check_products(const struct kernels *k, enum precision p, const struct gemm *shapes, int count,
               int rounds, struct kernel_check *out)
{
    struct checker c;
    checker_init(&c, k, p, out);
    for (int round = 0; round < rounds; round++)
        check_gemm(&c, round);
    if (rounds > 2)
        check_gemm_sizes(&c);
    for (int i = 0; i < count; i++)
        check_gemm_shape(&c, &shapes[i]);
    return !c.failed;
}

static bool
check_others(const struct kernels *k, enum precision p, int rounds, struct kernel_check *out)
{
    struct checker c;
    checker_init(&c, k, p, out);
    for (int round = 0; round < rounds; round++)
        check_ops(&c, round);
    if (rounds > 2) {
        check_sizes(&c);
        check_extremes(&c);
    }
    check_parts(&c, rounds);
    return !c.failed;
}

static bool
check_all(const struct kernels *k, enum precision p, const struct gemm *shapes, int count,
          bool thorough, struct kernel_check *out)
{
    memset(out, 0, sizeof *out);
    int rounds = thorough ? 8 : 2;
    bool products = check_products(k, p, shapes, count, rounds, out);
    return check_others(k, p, rounds, out) && products;
}

/* The least part of the multiply-add rate that a healthy library reaches, noise allowed for. */
static const double slow = 0.35;

static double
thread_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* FLOP/s of BLAS on one cell of `shape`, the best of three. */
static double
product_rate(const struct gemm *shape)
{
    int64_t m, n, k = shape->k;
    gemm_grid(shape, &m, &n);
    float *a = mem_zarray((size_t)(m * k), sizeof *a), *b = mem_zarray((size_t)(n * k), sizeof *b);
    float *c = mem_zarray((size_t)(m * n), sizeof *c);
    double best = INFINITY;
    for (int i = 0; i < 3; i++) {
        double start = thread_seconds();
        blas_sgemm(false, true, m, n, k, a, k, b, k, 0.0f, c, n);
        best = fmin(best, thread_seconds() - start);
    }
    free(a);
    free(b);
    free(c);
    return 2.0 * (double)m * (double)n * (double)k / best;
}

/* Notes a BLAS that runs far below the machine's rate: it took the processor for an older one. */
static void
check_rate(const struct kernels *k, const struct gemm *shapes, int count, struct kernel_check *out)
{
    const struct gemm *largest = NULL;
    for (int i = 0; i < count; i++)
        if (shapes[i].m >= 128 && shapes[i].n >= 128 && shapes[i].k >= 128 &&
            (!largest || shapes[i].m * shapes[i].n > largest->m * largest->n))
            largest = &shapes[i];
    if (!largest || !blas_loaded() || !k->blas)
        return;
    double rate = product_rate(largest), peak = k->peak(PRECISION_FP32, 0.01);
    if (rate < slow * peak)
        snprintf(out->note, sizeof out->note,
                 "%.80s runs at %.0f GFLOP/s, %.0f %% of this CPU's rate (OPENBLAS_CORETYPE "
                 "may help)",
                 blas_describe(), rate / 1e9, 100 * rate / peak);
}

/*
 * A BLAS that computes wrong results is known (caches of new processors misread): do without
 * it then.
 */
int
kernels_check(const struct kernels *k, enum precision p, const struct gemm *shapes, int shape_count,
              bool thorough, struct kernel_check *out)
{
    if (check_all(k, p, shapes, shape_count, thorough, out)) {
        check_rate(k, shapes, shape_count, out);
        return 0;
    }
    if (!blas_loaded() || !k->blas)
        return -1;
    char found[200];
    snprintf(found, sizeof found, "%s", err_text());
    char name[100];
    snprintf(name, sizeof name, "%s", blas_describe());
    blas_disable("wrong results");
    if (!check_all(k, p, shapes, shape_count, thorough, out))
        return -1;
    err_clear();
    snprintf(out->note, sizeof out->note, "%.80s is not used: with it, %.140s", name, found);
    return 0;
}
