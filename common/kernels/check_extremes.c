/*
 * Values at the ends: zeros, subnormal and tiny numbers, logits and scores so far apart that
 * exponentials vanish. Bounds are absolute where a result may be zero.
 */
#include "kernels/check_data.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/float16.h"

static bool
is_double(const struct checker *c)
{
    return c->precision == PRECISION_FP64;
}

/* Sets element i of both copies to x, which every type can hold. */
static void
put(struct checker *c, struct array *a, int64_t i, double x)
{
    a->want[i] = x;
    array_put(c, a, i, x);
}

/* |got - want| <= bound, for each element. */
static void
compare_absolute(struct checker *c, const char *name, const struct array *a, double bound)
{
    double worst = 0;
    for (int64_t i = 0; i < a->n; i++) {
        double error = fabs(array_at(c, a, i) - a->want[i]);
        double ratio = error <= 0 ? 0 : error / bound;
        worst = ratio <= worst ? worst : ratio;
    }
    checker_ratio(c, name, worst);
}

/* Rows: far below, minus infinity but for one, all equal, one far above, all equally far below. */
static void
check_far_logits(struct checker *c)
{
    enum { ROWS = 5, N = 37 };
    const int32_t targets[ROWS] = {3, 36, 0, 17, 5};
    struct array *x = array_random(c, ARRAY_WIDE, ROWS * N, -3, 3);
    struct array *d = array_output(c, ARRAY_ACT, ROWS * N);
    double loss[2][ROWS], log_z[2][ROWS];
    for (int j = 0; j < N; j++) {
        if (j != 3)
            put(c, x, j, -1e4 - 16 * j);
        if (j != 36)
            put(c, x, N + j, -(double)INFINITY);
        put(c, x, 2 * N + j, 0);
        put(c, x, 3 * N + j, j == 17 ? 8192 : -8192);
        put(c, x, 4 * N + j, -65536);
    }
    c->ops->cross_entropy(x->got, N, d->got, N, targets, ROWS, N, 1, 0, loss[0], log_z[0]);
    c->exact.cross_entropy(x->want, N, d->want, N, targets, ROWS, N, 1, 0, loss[1], log_z[1]);
    const double allowed = 64 * checker_unit(c, ARRAY_WIDE);
    for (int i = 0; i < ROWS; i++) {
        checker_ratio(c, "cross_entropy of far logits",
                      fabs(loss[0][i] - loss[1][i]) / (allowed * (1 + fabs(loss[1][i]))));
        checker_ratio(c, "cross_entropy of far logits",
                      fabs(log_z[0][i] - log_z[1][i]) / (allowed * (1 + fabs(log_z[1][i]))));
    }
    compare_absolute(c, "cross_entropy of far logits", d, 64 * checker_unit(c, ARRAY_ACT));
    c->ops->softmax_gradient(x->got, N, d->got, N, targets, ROWS, N, 1, 0, log_z[1]);
    compare_absolute(c, "cross_entropy d_logits of far parts", d,
                     64 * checker_unit(c, ARRAY_ACT) + 65536 * 0x1p-53);
    checker_clear(c, "cross_entropy");
}

/* Rows of zeros, of subnormal numbers and of one number among zeros. */
static void
check_small_rows(struct checker *c)
{
    enum { ROWS = 3, DIM = 21 };
    struct array *x = array_random(c, ARRAY_ACT, ROWS * DIM, -1, 1);
    struct array *w = array_random(c, ARRAY_WIDE, DIM, 0.5, 1.5);
    struct array *b = array_random(c, ARRAY_WIDE, DIM, -1, 1);
    struct array *y = array_output(c, ARRAY_ACT, ROWS * DIM);
    struct array *mean = array_output(c, ARRAY_WIDE, ROWS), *rstd = array_output(c, ARRAY_WIDE, ROWS);
    for (int j = 0; j < DIM; j++) {
        put(c, x, j, 0);
        put(c, x, DIM + j, (j % 2 ? -1 : 1) * 0x1p-130);
        put(c, x, 2 * DIM + j, j == 20 ? 4096 : 0);
    }
    c->ops->rms_norm_forward(y->got, NULL, rstd->got, x->got, NULL, w->got, ROWS, DIM, 1e-5);
    c->exact.rms_norm_forward(y->want, NULL, rstd->want, x->want, NULL, w->want, ROWS, DIM, 1e-5);
    const double allowed = 64 * checker_unit(c, ARRAY_ACT);
    compare_absolute(c, "rms_norm of small rows", y, 8 * allowed);
    checker_compare(c, "rms_norm of small rows, rstd", rstd, 64 * checker_unit(c, ARRAY_WIDE));
    c->ops->layer_norm_forward(y->got, NULL, mean->got, rstd->got, x->got, NULL, w->got, b->got,
                               ROWS, DIM, 1e-5);
    c->exact.layer_norm_forward(y->want, NULL, mean->want, rstd->want, x->want, NULL, w->want,
                                b->want, ROWS, DIM, 1e-5);
    compare_absolute(c, "layer_norm of small rows", y, 8 * allowed);
    checker_clear(c, "small rows");
}

/* Products that are subnormal in FP32 are not lost, and zeros give zero. */
static void
check_tiny_products(struct checker *c)
{
    enum { M = 17, N = 35, K = 9 };
    for (int tiny = 0; tiny < 2; tiny++) {
        struct array *a = array_random(c, ARRAY_ACT, M * K, -1, 1);
        struct array *b = array_random(c, ARRAY_ACT, N * K, -1, 1);
        struct array *out = array_output(c, ARRAY_WIDE, M * N);
        struct gemm got = {.tb = true, .m = M, .n = N, .k = K, .lda = K, .ldb = K, .ldc = N, .c_wide = true};
        for (int i = 0; i < M * K; i++)
            put(c, a, i, tiny ? (double)(i % 5 + 1) * 0x1p-70 : 0);
        for (int i = 0; i < N * K; i++)
            put(c, b, i, (double)(i % 3 - 1) * 0x1p-70);
        struct gemm want = got;
        got.a = a->got, got.b = b->got, got.c = out->got;
        want.a = a->want, want.b = b->want, want.c = out->want;
        c->ops->gemm(&got);
        c->exact.gemm(&want);
        /*
         * Each addition may round to a multiple of the least subnormal number; matrix tiles take
         * subnormal numbers for zero.
         */
        double least = is_double(c) ? 0x1p-180 : c->ops->attention_rounds ? 0x1p-126 : 0x1p-149;
        compare_absolute(c, "gemm of tiny numbers", out, K * least);
        checker_clear(c, "gemm");
    }
}

/* Activations of far arguments: the limits, no NaN. */
static void
check_far_activations(struct checker *c)
{
    static const double at[] = {0, -0.0, 0x1p-130, -0x1p-130, 64, -64, 128, -128, 4096, -4096, 65536, -65536};
    enum { N = sizeof at / sizeof *at };
    const double allowed = 64 * checker_unit(c, ARRAY_ACT);
    struct array *x = array_random(c, ARRAY_ACT, 2 * N, -1, 1), *y = array_output(c, ARRAY_ACT, N);
    for (int i = 0; i < N; i++)
        put(c, x, i, at[i]);
    c->ops->swiglu_forward(y->got, x->got, 1, N);
    c->exact.swiglu_forward(y->want, x->want, 1, N);
    checker_compare(c, "swiglu of far arguments", y, allowed);
    for (int kind = GELU_ERF; kind <= GELU_TANH; kind++) {
        c->ops->gelu_forward(y->got, x->got, N, (enum gelu)kind);
        c->exact.gelu_forward(y->want, x->want, N, (enum gelu)kind);
        checker_compare(c, "gelu of far arguments", y, allowed);
    }
    checker_clear(c, "activations");
}

/* Scores hundreds apart: the largest takes all, in whichever block of keys it is. */
static void
check_sharp_attention(struct checker *c)
{
    enum { ROWS = 150, HEAD = 16 };
    static int32_t first[ROWS];
    struct array *q = array_random(c, ARRAY_ACT, ROWS * HEAD, -1, 1);
    struct array *k = array_random(c, ARRAY_ACT, ROWS * HEAD, -1, 1);
    struct array *v = array_random(c, ARRAY_ACT, ROWS * HEAD, -1, 1);
    struct array *out = array_output(c, ARRAY_ACT, ROWS * HEAD);
    size_t bytes = c->ops->attention_scratch(ROWS, ROWS, 1, HEAD, false);
    struct array *scratch = array_output(c, ARRAY_WIDE, (int64_t)(bytes / c->ops->wide_size) + 32);
    struct array *exact = array_output(c, ARRAY_WIDE, 4 * ROWS * HEAD);
    struct attention got = {.queries = ROWS, .keys = ROWS, .heads = 1, .head_dim = HEAD, .first = first,
                            .scale = 1, .q_stride = HEAD, .kv_stride = HEAD, .out_stride = HEAD};
    for (int i = 0; i < ROWS * HEAD; i++) {
        put(c, q, i, i % HEAD ? 0 : 64);
        put(c, k, i, i % HEAD ? 0 : (double)(i / HEAD * 37 % 151) - 75); /* all different */
    }
    struct attention want = got;
    got.q = q->got, got.k = k->got, got.v = v->got, got.out = out->got;
    want.q = q->want, want.k = k->want, want.v = v->want, want.out = out->want;
    got.scratch = (void *)(((uintptr_t)scratch->got + 63) / 64 * 64);
    want.scratch = exact->want;
    c->ops->attention_forward(&got);
    c->exact.attention_forward(&want);
    compare_absolute(c, "attention of far scores", out, 64 * checker_unit(c, ARRAY_ACT));
    checker_clear(c, "attention");
}

/* The first step, gradients of zero and tiny ones: finite, and no division by zero. */
static void
check_small_gradients(struct checker *c)
{
    enum { N = 19 };
    const struct adamw h = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1,
                            .correction1 = 0.1, .correction2 = 0.05, .grad_scale = 1};
    struct array *w = array_random(c, ARRAY_WIDE, N, -1, 1), *g = array_random(c, ARRAY_WIDE, N, -1, 1);
    struct array *m = array_random(c, ARRAY_WIDE, N, 0, 0), *v = array_random(c, ARRAY_WIDE, N, 0, 0);
    for (int i = 0; i < N; i++)
        put(c, g, i, i % 3 == 0 ? 0 : i % 3 == 1 ? 0x1p-100 : 0x1p-40);
    c->ops->adamw(w->got, m->got, v->got, g->got, NULL, N, &h);
    c->exact.adamw(w->want, m->want, v->want, g->want, NULL, N, &h);
    checker_compare(c, "adamw of small gradients", w, 64 * checker_unit(c, ARRAY_WIDE));
    checker_clear(c, "adamw");
}

void
check_extremes(struct checker *c)
{
    check_far_logits(c);
    check_small_rows(c);
    check_tiny_products(c);
    check_far_activations(c);
    check_sharp_attention(c);
    check_small_gradients(c);
}
