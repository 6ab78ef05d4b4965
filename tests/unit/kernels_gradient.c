/*
 * The gradient of every operation of ref/ against central finite differences in
 * FP64, and the operations that have no gradient of their own against their definition.
 */
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tests/unit/tap.h"

enum { INPUTS = 4 };

/* y = forward(in); backward gives the gradient of sum(weight y) by each input that has a size. */
struct operation {
    const char *name;
    int64_t size[INPUTS], out;
    void (*forward)(double *const in[], double *y);
    void (*backward)(double *const in[], const double *y, const double *weight,
                     double *const d_in[]);
};

static const struct ops *ops;

enum { ROWS = 3, DIM = 7 };
static const double eps = 1e-5;
static double mean[ROWS], rstd[ROWS], sum[ROWS * DIM];

/* in: x, delta, weight; x + delta is summed before and returned for the residual path. */
static void
rms_forward(double *const in[], double *y)
{
    ops->rms_norm_forward(y, y + ROWS * DIM, rstd, in[0], in[1], in[2], ROWS, DIM, eps);
}

static void
rms_backward(double *const in[], const double *y, const double *weight, double *const d_in[])
{
    const double *x = y + ROWS * DIM;
    ops->rms_norm_backward(d_in[0], d_in[2], weight, weight + ROWS * DIM, x, rstd, in[2], ROWS,
                           DIM);
    memcpy(d_in[1], d_in[0], ROWS * DIM * sizeof(double));
}

/* in: x, weight, bias. */
static void
layer_forward(double *const in[], double *y)
{
    ops->layer_norm_forward(y, NULL, mean, rstd, in[0], NULL, in[1], in[2], ROWS, DIM, eps);
}

static void
layer_backward(double *const in[], const double *y, const double *weight, double *const d_in[])
{
    (void)y;
    ops->layer_norm_backward(d_in[0], d_in[1], d_in[2], weight, NULL, in[0], mean, rstd, in[1],
                             ROWS, DIM);
}

/* in: x, delta, weight, bias; as rms. */
static void
layer_residual_forward(double *const in[], double *y)
{
    ops->layer_norm_forward(y, sum, mean, rstd, in[0], in[1], in[2], in[3], ROWS, DIM, eps);
    memcpy(y + ROWS * DIM, sum, sizeof sum);
}

static void
layer_residual_backward(double *const in[], const double *y, const double *weight,
                        double *const d_in[])
{
    ops->layer_norm_backward(d_in[0], d_in[2], d_in[3], weight, weight + ROWS * DIM, y + ROWS * DIM,
                             mean, rstd, in[2], ROWS, DIM);
    memcpy(d_in[1], d_in[0], ROWS * DIM * sizeof(double));
}

static void
swiglu_forward(double *const in[], double *y)
{
    ops->swiglu_forward(y, in[0], ROWS, DIM);
}

static void
swiglu_backward(double *const in[], const double *y, const double *weight, double *const d_in[])
{
    (void)y;
    ops->swiglu_backward(d_in[0], NULL, in[0], weight, ROWS, DIM);
}

static void
erf_forward(double *const in[], double *y)
{
    ops->gelu_forward(y, in[0], 50, GELU_ERF);
}

static void
erf_backward(double *const in[], const double *y, const double *weight, double *const d_in[])
{
    (void)y;
    ops->gelu_backward(d_in[0], NULL, in[0], weight, 50, GELU_ERF);
}

static void
tanh_forward(double *const in[], double *y)
{
    ops->gelu_forward(y, in[0], 50, GELU_TANH);
}

static void
tanh_backward(double *const in[], const double *y, const double *weight, double *const d_in[])
{
    (void)y;
    ops->gelu_backward(d_in[0], NULL, in[0], weight, 50, GELU_TANH);
}

/* Two heads of 7, of which 6 are rotated. */
static const int32_t positions[ROWS] = {0, 2, 1};
static double cos_sin[3 * 6];

static void
rotary_forward(double *const in[], double *y)
{
    for (int i = 0; i < 9; i++) {
        cos_sin[i / 3 * 6 + i % 3] = cos(0.7 * i);
        cos_sin[i / 3 * 6 + 3 + i % 3] = sin(0.7 * i);
    }
    memcpy(y, in[0], ROWS * 14 * sizeof *y);
    ops->rotary(y, 14, ROWS, 2, 7, 6, positions, cos_sin, false);
}

static void
rotary_backward(double *const in[], const double *y, const double *weight, double *const d_in[])
{
    (void)in, (void)y;
    memcpy(d_in[0], weight, ROWS * 14 * sizeof *weight);
    ops->rotary(d_in[0], 14, ROWS, 2, 7, 6, positions, cos_sin, true);
}

/* Two heads over one key/value head, two pieces, a window of 4, two keys before the first query. */
enum { QUERIES = 6, Q0 = 2, KEYS = 8, HEADS = 2, HEAD = 3 };
static const int32_t first[QUERIES] = {0, 0, 1, 5, 5, 5};

static struct attention
attention_of(double *const in[], double *y)
{
    static double scratch[1024];
    static double lse[HEADS * QUERIES];
    return (struct attention){
        .queries = QUERIES,
        .keys = KEYS,
        .heads = HEADS,
        .head_dim = HEAD,
        .q0 = Q0,
        .first = first,
        .scale = 0.6,
        .q = in[0],
        .k = in[1],
        .v = in[2],
        .out = y,
        .q_stride = HEADS * HEAD,
        .kv_stride = HEAD,
        .out_stride = HEADS * HEAD,
        .lse = lse,
        .lse_stride = QUERIES,
        .dq_stride = HEADS * HEAD,
        .dkv_stride = HEAD,
        .scratch = scratch,
    };
}

static void
attention_forward(double *const in[], double *y)
{
    struct attention a = attention_of(in, y);
    ops->attention_forward(&a);
}

static void
attention_backward(double *const in[], const double *y, const double *weight, double *const d_in[])
{
    double out[QUERIES * HEADS * HEAD];
    memcpy(out, y, sizeof out);
    struct attention a = attention_of(in, out);
    a.d_out = weight, a.d_q = d_in[0], a.d_k = d_in[1], a.d_v = d_in[2];
    ops->attention_backward(&a);
}

/* The loss is one number: its weight is the scale of the gradient. The second row is not scored. */
static const int32_t targets[ROWS] = {4, -1, 0};
static const double z_loss = 0.1;

static void
entropy_forward(double *const in[], double *y)
{
    double loss[ROWS], log_z[ROWS];
    ops->cross_entropy(in[0], DIM, NULL, 0, targets, ROWS, DIM, 1, z_loss, loss, log_z);
    y[0] = loss[0] + loss[2] + z_loss * (log_z[0] * log_z[0] + log_z[2] * log_z[2]);
}

static void
entropy_backward(double *const in[], const double *y, const double *weight, double *const d_in[])
{
    double loss[ROWS], log_z[ROWS];
    (void)y;
    ops->cross_entropy(in[0], DIM, d_in[0], DIM, targets, ROWS, DIM, weight[0], z_loss, loss,
                       log_z);
}

static const struct operation operations[] = {
    {"rms_norm with residual",
     {ROWS * DIM, ROWS *DIM, DIM},
     2 * ROWS *DIM,
     rms_forward,
     rms_backward},
    {"layer_norm", {ROWS * DIM, DIM, DIM}, ROWS *DIM, layer_forward, layer_backward},
    {"layer_norm with residual",
     {ROWS * DIM, ROWS *DIM, DIM, DIM},
     2 * ROWS *DIM,
     layer_residual_forward,
     layer_residual_backward},
    {"swiglu", {ROWS * 2 * DIM}, ROWS *DIM, swiglu_forward, swiglu_backward},
    {"gelu erf", {50}, 50, erf_forward, erf_backward},
    {"gelu tanh", {50}, 50, tanh_forward, tanh_backward},
    {"rotary", {ROWS * 14}, ROWS * 14, rotary_forward, rotary_backward},
    {"attention",
     {QUERIES * HEADS * HEAD, KEYS *HEAD, KEYS *HEAD},
     QUERIES *HEADS *HEAD,
     attention_forward,
     attention_backward},
    {"cross_entropy with z-loss", {ROWS * DIM}, 1, entropy_forward, entropy_backward},
};

static double *
normals(int64_t n, uint64_t key)
{
    double *x = mem_zarray((size_t)(n ? n : 1), sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = rng_normal(key, (uint64_t)i);
    return x;
}

static double
weighted(const struct operation *o, double *const in[], const double *weight, double *y)
{
    double total = 0;
    o->forward(in, y);
    for (int64_t i = 0; i < o->out; i++)
        total += weight[i] * y[i];
    return total;
}

/* The largest |analytic - numeric| / (1 + |numeric|). */
static double
worst_error(const struct operation *o)
{
    const double h = 1e-5;
    double *in[INPUTS], *d_in[INPUTS], *weight = normals(o->out, 99), *y = normals(o->out, 0),
                                       worst = 0;
    for (int k = 0; k < INPUTS; k++) {
        in[k] = normals(o->size[k], (uint64_t)k + 1);
        d_in[k] = normals(o->size[k], 50);
    }
    o->forward(in, y);
    o->backward(in, y, weight, d_in);
    for (int k = 0; k < INPUTS; k++)
        for (int64_t i = 0; i < o->size[k]; i++) {
            double x = in[k][i];
            in[k][i] = x + h;
            double up = weighted(o, in, weight, y);
            in[k][i] = x - h;
            double numeric = (up - weighted(o, in, weight, y)) / (2 * h);
            in[k][i] = x;
            double error = fabs(d_in[k][i] - numeric) / (1 + fabs(numeric));
            worst = error <= worst ? worst : error;
        }
    for (int k = 0; k < INPUTS; k++) {
        free(in[k]);
        free(d_in[k]);
    }
    free(weight);
    free(y);
    return worst;
}

/* The six steps of PyTorch's documentation of AdamW, written out. */
static void
test_adamw(void)
{
    const struct adamw h = {.lr = 0.01,
                            .beta1 = 0.9,
                            .beta2 = 0.95,
                            .eps = 1e-8,
                            .weight_decay = 0.1,
                            .correction1 = 1 - 0.9 * 0.9,
                            .correction2 = 1 - 0.95 * 0.95,
                            .grad_scale = 0.5};
    double w = 0.3, m = 0.2, v = 0.04, g = -1.5, out = 0;
    double d = g * 0.5, m2 = 0.9 * m + 0.1 * d, v2 = 0.95 * v + 0.05 * d * d;
    double want = w - 0.01 * 0.1 * w -
                  0.01 * (m2 / h.correction1) / (sqrt(v2 / h.correction2) + 1e-8);
    ops->adamw(&w, &m, &v, &g, &out, 1, &h);
    ok(fabs(w - want) < 1e-15 && out == w && fabs(m - m2) < 1e-15 && fabs(v - v2) < 1e-15, "adamw");
}

int
main(void)
{
    setenv("LLM_ISA", "ref", 1);
    ops = &kernels_pick(NULL)->ops[PRECISION_FP64];
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        double error = worst_error(&operations[i]);
        ok(error < 1e-8, "%s: largest relative difference %.1e", operations[i].name, error);
    }
    test_adamw();
    return done();
}
