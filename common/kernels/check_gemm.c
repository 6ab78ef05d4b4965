/*
 * Checks of GEMM: every transpose and option against FP64, and a run's own shapes by
 * Freivalds' method.
 */
#include "kernels/check_data.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kernels/grid.h"

/* Rounding errors of a sum of k products grow like the root of k; 8 covers the largest of many. */
static double
product_bound(const struct checker *c, int64_t k)
{
    return 8 * checker_unit(c, ARRAY_WIDE) * sqrt((double)k + 16);
}

struct product {
    struct gemm got, want;
    struct array *c;
};

/*
 * The product of `shape` with random operands; rows of all three are `pad` elements longer
 * than needed.
 */
static struct product
product_new(struct checker *k, const struct gemm *shape, bool bias, int64_t pad)
{
    struct gemm g = *shape;
    g.lda = (g.ta ? g.m : g.k) + pad;
    g.ldb = (g.tb ? g.k : g.n) + pad;
    g.ldc = g.n + pad;
    g.b_packed = NULL;
    g.bias = NULL;
    struct array *a = array_random(k, ARRAY_ACT, g.lda * (g.ta ? g.k : g.m), -1, 1);
    struct array *b = array_random(k, ARRAY_ACT, g.ldb * (g.tb ? g.n : g.k), -1, 1);
    enum array_kind kind = g.c_wide ? ARRAY_WIDE : ARRAY_ACT;
    struct array *c = g.accumulate || pad ? array_random(k, kind, g.m * g.ldc, -1, 1)
                                          : array_output(k, kind, g.m * g.ldc);
    struct product p = {g, g, c};
    p.got.a = a->got, p.want.a = a->want;
    p.got.b = b->got, p.want.b = b->want;
    p.got.c = c->got, p.want.c = c->want;
    p.want.c_wide = true;
    if (bias) {
        struct array *x = array_random(k, ARRAY_WIDE, g.n, -1, 1);
        p.got.bias = x->got, p.want.bias = x->want;
    }
    return p;
}

static int64_t
random_size(struct checker *c, int64_t most)
{
    return 1 + (int64_t)(checker_uniform(c) * (double)most);
}

void
check_gemm(struct checker *c, int round)
{
    for (int i = 0; i < 16; i++) {
        struct gemm g = {.ta = i & 1, .tb = i & 2, .c_wide = i & 4, .accumulate = i & 8};
        int64_t most = round % 4 == 3 ? 600 : 70;
        g.m = random_size(c, round % 3 ? most / 4 : 4);
        g.n = random_size(c, most);
        g.k = random_size(c, most);
        g.scale = (i + round) % 5 == 1 ? -0.7 : 0;
        struct product p = product_new(c, &g, (i + round) % 3 == 0, i % 4 == 1 ? 5 : 0);
        c->ops->gemm(&p.got);
        c->exact.gemm(&p.want);
        checker_compare(c, "gemm", p.c, product_bound(c, g.k));
        checker_clear(c, "gemm");
    }
}

/* One size takes every value up to more than a tile, the others are odd. */
void
check_gemm_sizes(struct checker *c)
{
    for (int64_t size = 1; size <= 67; size++)
        for (int way = 0; way < 3; way++) {
            struct gemm g = {.ta = size % 3 == 1, .tb = size % 2, .c_wide = size % 4 < 2};
            g.m = way == 0 ? size : 5;
            g.n = way == 1 ? size : 33;
            g.k = way == 2 ? size : 19;
            struct product p = product_new(c, &g, size % 5 == 0, size % 7 == 0 ? 3 : 0);
            c->ops->gemm(&p.got);
            c->exact.gemm(&p.want);
            checker_compare(c, "gemm", p.c, product_bound(c, g.k));
            checker_clear(c, "gemm");
        }
}

/* y = op(X) x, op(X) [rows][columns], over the exact values. */
static void
matrix_vector(double *y, const double *x_matrix, int64_t ld, bool transposed, const double *x,
              int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++)
        y[i] = 0;
    if (transposed)
        for (int64_t j = 0; j < columns; j++)
            for (int64_t i = 0; i < rows; i++)
                y[i] += x_matrix[j * ld + i] * x[j];
    else
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++)
                y[i] += x_matrix[i * ld + j] * x[j];
}

void
check_gemm_shape(struct checker *c, const struct gemm *shape)
{
    struct gemm g = {.ta = shape->ta, .tb = shape->tb, .m = shape->m, .n = shape->n, .k = shape->k};
    gemm_grid(shape, &g.m, &g.n);
    g.m = g.m < shape->m ? g.m : shape->m;
    g.n = g.n < shape->n ? g.n : shape->n;
    g.c_wide = true;
    struct product p = product_new(c, &g, false, 0);
    c->ops->gemm(&p.got);
    for (int64_t i = 0; i < p.c->n; i++)
        p.c->want[i] = array_at(c, p.c, i);

    double *r = mem_array((size_t)g.n, sizeof *r), *br = mem_array((size_t)g.k, sizeof *br);
    double *abr = mem_array((size_t)g.m, sizeof *abr), *cr = mem_array((size_t)g.m, sizeof *cr);
    for (int64_t j = 0; j < g.n; j++)
        r[j] = checker_uniform(c) * 2 - 1;
    matrix_vector(br, p.want.b, g.tb ? g.k : g.n, g.tb, r, g.k, g.n);
    matrix_vector(abr, p.want.a, g.ta ? g.m : g.k, g.ta, br, g.m, g.k);
    matrix_vector(cr, p.want.c, g.n, false, r, g.m, g.n);
    /*
     * Elements of the product are about sqrt(k)/3, a row's sum with r about sqrt(n/3) times
     * that.
     */
    double allowed = product_bound(c, g.k) * sqrt((double)g.k / 9) * sqrt((double)g.n / 3);
    double worst = 0;
    for (int64_t i = 0; i < g.m && !isnan(worst); i++) {
        double ratio = fabs(cr[i] - abr[i]) / allowed;
        worst = ratio <= worst ? worst : ratio;
    }
    checker_ratio(c, "gemm", worst);
    checker_clear(c, "gemm");
    free(r);
    free(br);
    free(abr);
    free(cr);
}
