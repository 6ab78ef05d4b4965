/*
 * Every operation but GEMM against ref/ in FP64. A bound is a number of unit
 * roundoffs of the wide type: BASE for a few operations and an exponential, more where a
 * sum of n terms is taken (its error grows like the root of n).
 */
#include "kernels/check_data.h"

#include <math.h>
#include <string.h>

enum { BASE = 8 };

static double
bound(const struct checker *c, int64_t terms)
{
    return checker_unit(c, ARRAY_WIDE) * (BASE + 4 * sqrt((double)terms));
}

enum { SWEEP = 1000, SWEEP_SIZES = 67 }; /* rounds from SWEEP on: size 1, 2, 3 … */

static int64_t
odd_size(int round)
{
    static const int64_t sizes[] = {67, 1, 8, 257, 33, 16, 1000, 7};
    return round < SWEEP ? sizes[round % 8] : round - SWEEP + 1;
}

static void
check_rms_norm(struct checker *c, int round)
{
    const int64_t rows = 5, dim = odd_size(round);
    const double eps = 1e-5;
    struct array *x = array_random(c, ARRAY_ACT, rows * dim, -2, 2);
    struct array *delta = array_random(c, ARRAY_ACT, rows * dim, -2, 2);
    struct array *w = array_random(c, ARRAY_WIDE, dim, 0.5, 1.5);
    struct array *y = array_output(c, ARRAY_ACT, rows * dim),
                 *x_out = array_output(c, ARRAY_ACT, rows * dim);
    struct array *rstd = array_output(c, ARRAY_WIDE, rows);
    c->ops->rms_norm_forward(y->got, x_out->got, rstd->got, x->got, delta->got, w->got, rows, dim,
                             eps);
    c->exact.rms_norm_forward(y->want, x_out->want, rstd->want, x->want, delta->want, w->want, rows,
                              dim, eps);
    checker_compare(c, "rms_norm_forward x_out", x_out, bound(c, 1));
    /* The sum is rounded to act before it is normalized: do the same. */
    array_round(c, x_out);
    c->ops->rms_norm_forward(y->got, NULL, rstd->got, x_out->got, NULL, w->got, rows, dim, eps);
    c->exact.rms_norm_forward(y->want, NULL, rstd->want, x_out->want, NULL, w->want, rows, dim,
                              eps);
    checker_compare(c, "rms_norm_forward y", y, bound(c, dim));
    checker_compare(c, "rms_norm_forward rstd", rstd, bound(c, dim));

    array_round(c, rstd);
    struct array *dy = array_random(c, ARRAY_ACT, rows * dim, -1, 1);
    struct array *dx = array_output(c, ARRAY_ACT, rows * dim),
                 *dw = array_output(c, ARRAY_WIDE, dim);
    struct array *residual = array_random(c, ARRAY_ACT, rows * dim, -1, 1);
    /*
     * Without a residual, dx of a short row is the difference of equals: no relative bound
     * holds.
     */
    bool with = round % 2 == 0 || dim <= 32;
    c->ops->rms_norm_backward(dx->got, dw->got, dy->got, with ? residual->got : NULL, x_out->got,
                              rstd->got, w->got, rows, dim);
    c->exact.rms_norm_backward(dx->want, dw->want, dy->want, with ? residual->want : NULL,
                               x_out->want, rstd->want, w->want, rows, dim);
    checker_compare(c, "rms_norm_backward dx", dx, bound(c, dim));
    checker_compare(c, "rms_norm_backward d_weight", dw, bound(c, rows));
    checker_clear(c, "rms_norm");
}

static void
check_layer_norm(struct checker *c, int round)
{
    const int64_t rows = 4, dim = odd_size(round) + 7;
    const double eps = 1e-5;
    struct array *x = array_random(c, ARRAY_ACT, rows * dim, -2, 3);
    struct array *delta = array_random(c, ARRAY_ACT, rows * dim, -2, 2);
    struct array *w = array_random(c, ARRAY_WIDE, dim, 0.5, 1.5),
                 *b = array_random(c, ARRAY_WIDE, dim, -1, 1);
    struct array *y = array_output(c, ARRAY_ACT, rows * dim),
                 *x_out = array_output(c, ARRAY_ACT, rows * dim);
    struct array *mean = array_output(c, ARRAY_WIDE, rows),
                 *rstd = array_output(c, ARRAY_WIDE, rows);
    c->ops->layer_norm_forward(y->got, x_out->got, mean->got, rstd->got, x->got, delta->got, w->got,
                               b->got, rows, dim, eps);
    c->exact.layer_norm_forward(y->want, x_out->want, mean->want, rstd->want, x->want, delta->want,
                                w->want, b->want, rows, dim, eps);
    checker_compare(c, "layer_norm_forward x_out", x_out, bound(c, 1));
    array_round(c, x_out);
    c->ops->layer_norm_forward(y->got, NULL, mean->got, rstd->got, x_out->got, NULL, w->got, b->got,
                               rows, dim, eps);
    c->exact.layer_norm_forward(y->want, NULL, mean->want, rstd->want, x_out->want, NULL, w->want,
                                b->want, rows, dim, eps);
    checker_compare(c, "layer_norm_forward y", y, bound(c, dim));
    checker_compare(c, "layer_norm_forward mean", mean, 4 * bound(c, dim));
    checker_compare(c, "layer_norm_forward rstd", rstd, bound(c, dim));

    array_round(c, mean);
    array_round(c, rstd);
    struct array *dy = array_random(c, ARRAY_ACT, rows * dim, -1, 1);
    struct array *dx = array_output(c, ARRAY_ACT, rows * dim);
    struct array *dw = array_output(c, ARRAY_WIDE, dim), *db = array_output(c, ARRAY_WIDE, dim);
    struct array *residual = array_random(c, ARRAY_ACT, rows * dim, -1, 1);
    bool with = round % 2 == 0 || dim <= 32;
    c->ops->layer_norm_backward(dx->got, dw->got, db->got, dy->got, with ? residual->got : NULL,
                                x_out->got, mean->got, rstd->got, w->got, rows, dim);
    c->exact.layer_norm_backward(dx->want, dw->want, db->want, dy->want,
                                 with ? residual->want : NULL, x_out->want, mean->want, rstd->want,
                                 w->want, rows, dim);
    checker_compare(c, "layer_norm_backward dx", dx, 2 * bound(c, dim));
    checker_compare(c, "layer_norm_backward d_weight", dw, 2 * bound(c, rows));
    checker_compare(c, "layer_norm_backward d_bias", db, bound(c, rows));
    checker_clear(c, "layer_norm");
}

static void
check_rotary(struct checker *c, int round)
{
    enum { ROWS = 6, HEADS = 3 };
    static const int64_t dims[] = {16, 8, 64, 128, 6, 2}, heads[] = {16, 20, 64, 128, 6, 5};
    const int64_t dim = dims[round % 6], head_dim = heads[round % 6], stride = HEADS * head_dim + 3;
    const int32_t positions[ROWS] = {0, 1, 2, 0, 1, 5};
    struct array *x = array_random(c, ARRAY_ACT, ROWS * stride, -1, 1);
    struct array *table = array_random(c, ARRAY_WIDE, 6 * dim, -1, 1);
    bool inverse = round % 2;
    c->ops->rotary(x->got, stride, ROWS, HEADS, head_dim, dim, positions, table->got, inverse);
    c->exact.rotary(x->want, stride, ROWS, HEADS, head_dim, dim, positions, table->want, inverse);
    checker_compare(c, "rotary", x, bound(c, 1));
    checker_clear(c, "rotary");
}

/* Two results of one operation: the same bits. */
static void
check_again(struct checker *c, const char *name, const struct array *a, const struct array *b)
{
    checker_ratio(c, name, memcmp(a->got, b->got, a->size) == 0 ? 0 : INFINITY);
}

static void
check_swiglu(struct checker *c, int round)
{
    const int64_t rows = 3, n = odd_size(round);
    struct array *x = array_random(c, ARRAY_ACT, rows * 2 * n, -6, 6);
    struct array *d = array_random(c, ARRAY_ACT, rows * n, -1, 1);
    struct array *y = array_output(c, ARRAY_ACT, rows * n),
                 *dx = array_output(c, ARRAY_ACT, rows * 2 * n),
                 *again = array_output(c, ARRAY_ACT, rows * n);
    c->ops->swiglu_forward(y->got, x->got, rows, n);
    c->exact.swiglu_forward(y->want, x->want, rows, n);
    checker_compare(c, "swiglu_forward", y, bound(c, 1));
    c->ops->swiglu_backward(dx->got, again->got, x->got, d->got, rows, n);
    c->exact.swiglu_backward(dx->want, NULL, x->want, d->want, rows, n);
    checker_compare(c, "swiglu_backward", dx, bound(c, 1));
    check_again(c, "swiglu_backward's forward", again, y);
    c->ops->swiglu_backward(x->got, d->got, x->got, d->got, rows, n);
    check_again(c, "swiglu_backward in place", x, dx);
    check_again(c, "swiglu_backward's forward in place", d, y);
    checker_clear(c, "swiglu");
}

static void
check_gelu(struct checker *c, int round)
{
    const int64_t n = odd_size(round);
    for (int kind = GELU_ERF; kind <= GELU_TANH; kind++) {
        struct array *x = array_random(c, ARRAY_ACT, n, -6, 6),
                     *d = array_random(c, ARRAY_ACT, n, -1, 1);
        struct array *y = array_output(c, ARRAY_ACT, n), *dx = array_output(c, ARRAY_ACT, n),
                     *again = array_output(c, ARRAY_ACT, n);
        c->ops->gelu_forward(y->got, x->got, n, (enum gelu)kind);
        c->exact.gelu_forward(y->want, x->want, n, (enum gelu)kind);
        checker_compare(c, kind ? "gelu_forward tanh" : "gelu_forward erf", y, bound(c, 1));
        c->ops->gelu_backward(dx->got, again->got, x->got, d->got, n, (enum gelu)kind);
        c->exact.gelu_backward(dx->want, NULL, x->want, d->want, n, (enum gelu)kind);
        checker_compare(c, kind ? "gelu_backward tanh" : "gelu_backward erf", dx, bound(c, 1));
        check_again(c, "gelu_backward's forward", again, y);
        c->ops->gelu_backward(x->got, d->got, x->got, d->got, n, (enum gelu)kind);
        check_again(c, "gelu_backward in place", x, dx);
        check_again(c, "gelu_backward's forward in place", d, y);
        checker_clear(c, "gelu");
    }
}

static void
check_doubles(struct checker *c, const char *name, const double *got, const double *want, int n,
              double allowed)
{
    for (int i = 0; i < n; i++)
        checker_ratio(c, name, fabs(got[i] - want[i]) / (allowed * (1 + fabs(want[i]))));
}

/* The rows cut in two or three parts, each of which gets the whole row's log_z. */
static void
check_softmax_parts(struct checker *c, const struct array *x, int64_t ld, int64_t n,
                    const int32_t *targets, int rows, double scale, double z, const double *log_z,
                    const struct array *whole)
{
    enum { ROWS_MAX = 8 };
    struct array *d = array_random(c, ARRAY_ACT, rows * ld, 0, 1);
    size_t act = c->ops->act_size, wide = c->ops->wide_size;
    int64_t each = (n + 2) / 3;

    memcpy(d->want, whole->want, (size_t)(rows * ld) * sizeof *d->want);
    for (int64_t begin = 0; begin < n; begin += each) {
        int64_t count = n - begin < each ? n - begin : each;
        int32_t inside[ROWS_MAX];

        for (int i = 0; i < rows; i++) {
            int64_t at = targets[i] - begin;
            inside[i] = targets[i] < 0 ? -1 : (int32_t)(at >= 0 && at < count ? at : count);
        }
        c->ops->softmax_gradient((char *)x->got + (size_t)begin * wide, ld,
                                 (char *)d->got + (size_t)begin * act, ld, inside, rows, count,
                                 scale, z, log_z);
    }
    for (int i = 0; i < rows; i++) /* what lies behind rows was random in both */
        for (int64_t j = n; j < ld; j++)
            d->want[i * ld + j] = array_at(c, d, i * ld + j);
    checker_compare(c, "cross_entropy d_logits of parts", d, bound(c, n));
}

static void
check_cross_entropy(struct checker *c, int round)
{
    enum { ROWS = 4 };
    const int64_t n = odd_size(round) + (round == 3 ? 9000 : 0), ld = n + 3;
    const int32_t targets[ROWS] = {0, (int32_t)n - 1, -1, (int32_t)n / 2};
    struct array *x = array_random(c, ARRAY_WIDE, ROWS * ld, -12, 12);
    struct array *d = array_random(c, ARRAY_ACT, ROWS * ld, 0, 1);
    double loss[2][ROWS], log_z[2][ROWS];
    const double scale = 0.125, z = 1e-4 * (round % 2);
    c->ops->cross_entropy(x->got, ld, d->got, ld, targets, ROWS, n, scale, z, loss[0], log_z[0]);
    c->exact.cross_entropy(x->want, ld, d->want, ld, targets, ROWS, n, scale, z, loss[1], log_z[1]);
    checker_compare(c, "cross_entropy d_logits", d, bound(c, n));
    check_doubles(c, "cross_entropy loss", loss[0], loss[1], ROWS, bound(c, n));
    check_doubles(c, "cross_entropy log_z", log_z[0], log_z[1], ROWS, bound(c, n));
    c->ops->cross_entropy(x->got, ld, NULL, 0, targets, ROWS, n, scale, z, loss[0], log_z[0]);
    check_doubles(c, "cross_entropy loss alone", loss[0], loss[1], ROWS, bound(c, n));
    check_softmax_parts(c, x, ld, n, targets, ROWS, scale, z, log_z[1], d);
    checker_clear(c, "cross_entropy");
}

static void
check_elementwise(struct checker *c, int round)
{
    const int64_t n = odd_size(round), rows = 9;
    struct array *a = array_random(c, ARRAY_ACT, n, -1, 1),
                 *b = array_random(c, ARRAY_ACT, n, -1, 1);
    struct array *w = array_random(c, ARRAY_WIDE, n, -1, 1),
                 *v = array_random(c, ARRAY_WIDE, n, -1, 1);
    struct array *out = array_output(c, ARRAY_ACT, n), *wide = array_output(c, ARRAY_WIDE, n);
    struct array *x = array_random(c, ARRAY_ACT, rows * (n + 1), -1, 1);
    c->ops->add(out->got, a->got, b->got, n);
    c->exact.add(out->want, a->want, b->want, n);
    checker_compare(c, "add", out, bound(c, 1));
    c->ops->to_act(out->got, w->got, n);
    c->exact.to_act(out->want, w->want, n);
    checker_compare(c, "to_act", out, 0);
    c->ops->to_wide(wide->got, a->got, n);
    c->exact.to_wide(wide->want, a->want, n);
    checker_compare(c, "to_wide", wide, 0);
    c->ops->column_sum(wide->got, x->got, n + 1, rows, n);
    c->exact.column_sum(wide->want, x->want, n + 1, rows, n);
    checker_compare(c, "column_sum", wide, bound(c, rows));
    double got = c->ops->sum_squares(w->got, n), want = c->exact.sum_squares(w->want, n);
    checker_ratio(c, "sum_squares", fabs(got - want) / (0x1p-53 * (double)(n + 16) * want));
    c->ops->add_wide(w->got, v->got, n);
    c->exact.add_wide(w->want, v->want, n);
    checker_compare(c, "add_wide", w, bound(c, 1));
    c->ops->add_act_to_wide(v->got, a->got, n);
    c->exact.add_act_to_wide(v->want, a->want, n);
    checker_compare(c, "add_act_to_wide", v, bound(c, 1));
    array_round(c, v);
    array_round(c, w);
    c->ops->blend_wide(w->got, 0.25, v->got, 0.7, n);
    c->exact.blend_wide(w->want, 0.25, v->want, 0.7, n);
    checker_compare(c, "blend_wide", w, bound(c, 1));
    checker_clear(c, "elementwise");
}

/* Every value exactly; a fifth of them saturates, some are subnormal. */
static void
check_quantize(struct checker *c, int round)
{
    const int64_t n = odd_size(round);
    const enum fp8_format format = round % 2 ? FP8_E5M2 : FP8_E4M3;
    const float scale = fp8_max(format) * 1.25f;
    struct array *x = array_random(c, ARRAY_ACT, n, -1, 1), *out = array_output(c, ARRAY_ACT, n);
    struct fp8_seen got = {0}, want = {0}, looked = {0};
    int64_t wrong = 0;
    c->ops->quantize(out->got, x->got, n, format, scale, &got);
    c->exact.quantize(out->want, x->want, n, format, scale, &want);
    c->ops->quantize(NULL, x->got, n, format, scale, &looked);
    for (int64_t i = 0; i < n; i++)
        wrong += array_at(c, out, i) < out->want[i] || array_at(c, out, i) > out->want[i];
    checker_ratio(c, "quantize", wrong ? 2 : 0);
    checker_ratio(c, "quantize saturated", got.saturated == want.saturated ? 0 : 2);
    bool same = got.amax <= want.amax && got.amax >= want.amax && looked.amax >= want.amax;
    checker_ratio(c, "quantize amax", same ? 0 : 2);
    checker_clear(c, "quantize");
}

static void
check_adamw(struct checker *c, int round)
{
    const int64_t n = odd_size(round);
    const struct adamw h = {.lr = 1e-2,
                            .beta1 = 0.9,
                            .beta2 = 0.95,
                            .eps = 1e-8,
                            .weight_decay = 0.1,
                            .correction1 = 0.271,
                            .correction2 = 0.142625,
                            .grad_scale = 0.5};
    struct array *w = array_random(c, ARRAY_WIDE, n, -1, 1),
                 *g = array_random(c, ARRAY_WIDE, n, -1, 1);
    struct array *m = array_random(c, ARRAY_WIDE, n, -1, 1),
                 *v = array_random(c, ARRAY_WIDE, n, 0, 1);
    struct array *out = array_output(c, ARRAY_ACT, n);
    bool with = round % 2 == 0;
    c->ops->adamw(w->got, m->got, v->got, g->got, with ? out->got : NULL, n, &h);
    c->exact.adamw(w->want, m->want, v->want, g->want, with ? out->want : NULL, n, &h);
    checker_compare(c, "adamw master", w, bound(c, 1));
    checker_compare(c, "adamw m", m, bound(c, 1));
    checker_compare(c, "adamw v", v, bound(c, 1));
    if (with)
        checker_compare(c, "adamw weights", out, bound(c, 1));
    checker_clear(c, "adamw");
}

/* The fields of the two attention descriptions that are equal. part: keys end before the queries. */
static struct attention
attention_shape(int round, bool part, int32_t *first)
{
    static const struct {
        int64_t queries, q0, heads, head_dim;
    } shapes[] = {{37, 0, 2, 16}, {1, 70, 3, 64},  {150, 5, 1, 8},  {130, 0, 2, 64},
                  {3, 0, 1, 6},   {65, 64, 2, 32}, {200, 0, 4, 80}, {64, 0, 1, 128},
                  {33, 97, 3, 144}, {90, 0, 2, 96}, {40, 130, 1, 256}, {1, 255, 7, 100},
                  {7, 140, 3, 41}, {2, 0, 2, 72}, {250, 6, 5, 24}, {5, 200, 2, 256}};
    int i = round % 16;
    struct attention a = {.queries = shapes[i].queries,
                          .q0 = shapes[i].q0,
                          .heads = shapes[i].heads,
                          .head_dim = shapes[i].head_dim,
                          .keys = shapes[i].q0 + shapes[i].queries,
                          .part = part,
                          .first = first,
                          .scale = 1 / sqrt((double)shapes[i].head_dim)};
    a.q_stride = a.heads * a.head_dim + 2 * (round % 3);
    a.kv_stride = a.head_dim + 5 * (round % 2);
    a.out_stride = a.heads * a.head_dim + round % 3;
    a.dq_stride = a.q_stride;
    a.dkv_stride = a.kv_stride;
    a.lse_stride = a.queries + 1;
    if (part)
        a.keys = a.q0 > 0 ? a.q0 : (a.queries + 1) / 2;
    /* Odd rounds: pieces of 50 keys, and never more than 40 keys back. */
    for (int64_t r = 0; r < a.queries; r++) {
        int64_t last = a.q0 + r, piece = last / 50 * 50, window = last - 39;
        first[r] = (int32_t)(round % 2 == 0 ? 0 : window > piece ? window : piece);
    }
    return a;
}

/* Rows that see no key: nothing comes out, which is no number to compare. */
static void
check_unseen(struct checker *c, const struct attention *a, struct array *lse)
{
    for (int64_t r = 0; r < a->queries; r++)
        for (int64_t h = 0; h < a->heads && a->first[r] >= a->keys; h++) {
            int64_t i = h * a->lse_stride + r;
            bool right = array_at(c, lse, i) == -INFINITY && lse->want[i] == -INFINITY;
            checker_ratio(c, "attention_forward lse of nothing", right ? 0 : INFINITY);
            array_put(c, lse, i, 0);
            lse->want[i] = 0;
        }
}

/* The largest score: rounded once in each product and in the scale. */
static void
check_largest(struct checker *c, float got, float want, double allowed)
{
    double error = fabs((double)got - (double)want);
    bool none = got == want; /* -infinity: no row saw a key */

    checker_ratio(c, "attention_forward largest", none ? 0 : error / (allowed * (1 + fabs((double)want)) + 0x1p-23));
}

static void
check_attention(struct checker *c, int round, bool part)
{
    int32_t first[256];
    struct attention got = attention_shape(round, part, first), want = got;
    const enum array_kind kind = part ? ARRAY_WIDE : ARRAY_ACT;
    const int64_t rows = got.queries, keys = got.keys;
    struct array *q = array_random(c, ARRAY_ACT, rows * got.q_stride, -2, 2);
    struct array *k = array_random(c, ARRAY_ACT, keys * got.kv_stride, -2, 2);
    struct array *v = array_random(c, ARRAY_ACT, keys * got.kv_stride, -1, 1);
    struct array *out = array_random(c, kind, rows * got.out_stride, -1, 1);
    struct array *lse = array_random(c, ARRAY_WIDE, got.heads * got.lse_stride, -1, 1);
    size_t bytes = c->ops->attention_scratch(rows, keys, got.heads, got.head_dim, true);
    struct array *scratch = array_output(c, ARRAY_WIDE, (int64_t)(bytes / c->ops->wide_size) + 32);
    size_t exact_bytes = c->exact.attention_scratch(rows, keys, got.heads, got.head_dim, true);
    struct array *exact = array_output(c, ARRAY_WIDE, (int64_t)(exact_bytes / sizeof(double)));
    got.q = q->got, got.k = k->got, got.v = v->got, got.out = out->got, got.lse = lse->got;
    want.q = q->want, want.k = k->want, want.v = v->want, want.out = out->want,
    want.lse = lse->want;
    got.scratch = (void *)(((uintptr_t)scratch->got + 63) / 64 * 64);
    want.scratch = exact->want;
    float largest = -INFINITY, exact_largest = -INFINITY;
    got.largest = &largest, want.largest = &exact_largest;
    c->ops->attention_forward(&got);
    c->exact.attention_forward(&want);
    /* Scores are exponents of e: their own rounding error enters the result, times their size. */
    const double allowed = 4 * bound(c, keys + got.head_dim);
    /*
     * Rounded operands: each term of a sum is off by half a unit of itself, with either sign; a
     * few rows' terms are larger than the whole's mean.
     */
    const double rounded = c->ops->attention_rounds ? 2 * checker_unit(c, ARRAY_ACT) : 0;
    checker_compare(c, "attention_forward out", out, allowed + rounded);
    check_unseen(c, &got, lse);
    checker_compare(c, "attention_forward lse", lse, allowed);
    check_largest(c, largest, exact_largest, allowed);

    if (part) {
        out = array_random(c, ARRAY_ACT, rows * got.out_stride, -1, 1);
        got.out = out->got, want.out = out->want;
    }
    array_round(c, out);
    array_round(c, lse);
    struct array *d_out = array_random(c, ARRAY_ACT, rows * got.out_stride, -1, 1);
    struct array *dq = array_random(c, kind, rows * got.dq_stride, 0, 1);
    struct array *dk = array_random(c, kind, keys * got.dkv_stride, 0, 1);
    struct array *dv = array_random(c, kind, keys * got.dkv_stride, 0, 1);
    got.d_out = d_out->got, got.d_q = dq->got, got.d_k = dk->got, got.d_v = dv->got;
    want.d_out = d_out->want, want.d_q = dq->want, want.d_k = dk->want, want.d_v = dv->want;
    c->ops->attention_backward(&got);
    c->exact.attention_backward(&want);
    /* Both factors of its products are rounded, and rows with few keys have no sum in which that
     * evens out: two units, one and a half times. */
    const double backward = 2 * allowed + 3 * rounded;
    checker_compare(c, "attention_backward d_q", dq, backward);
    checker_compare(c, "attention_backward d_k", dk, backward);
    checker_compare(c, "attention_backward d_v", dv, backward);
    checker_clear(c, "attention");
}

static void
check_rows(struct checker *c, int round)
{
    check_rms_norm(c, round);
    check_layer_norm(c, round);
    check_rotary(c, round);
    check_swiglu(c, round);
    check_gelu(c, round);
    check_cross_entropy(c, round);
    check_elementwise(c, round);
    check_quantize(c, round);
    check_adamw(c, round);
}

void
check_ops(struct checker *c, int round)
{
    check_rows(c, round);
    check_attention(c, round, false);
    check_attention(c, round + 8, false);
}

void
check_parts(struct checker *c, int rounds)
{
    for (int i = 0; i < rounds; i++)
        check_attention(c, 3 * i, true);
}

void
check_sizes(struct checker *c)
{
    for (int i = 0; i < SWEEP_SIZES; i++)
        check_rows(c, SWEEP + i);
}
