/*
 * Attention of every table at every precision against the textbook: softmax over
 * all visible scores in double, written out here; with document pieces, sliding
 * windows, keys before the first query, grouped heads, and lengths around the blocks' sizes.
 */
#include "kernels/kernels.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/float16.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/unit/tap.h"

struct shape {
    int64_t queries, q0, heads, head_dim, piece, window; /* piece, window 0: none */
};

static const struct shape shapes[] = {
    {64, 0, 1, 16, 0, 0},  {128, 0, 2, 8, 0, 0},  {129, 0, 3, 4, 40, 0},  {200, 0, 2, 64, 0, 17},
    {1, 200, 4, 32, 0, 0}, {70, 60, 2, 12, 0, 0}, {300, 0, 1, 6, 70, 50}, {5, 0, 2, 128, 2, 0},
    {260, 0, 1, 16, 1, 0}, /* every token its own piece: out is v */
    {100, 0, 3, 80, 0, 0}, {40, 300, 2, 96, 0, 0}, {150, 0, 1, 144, 33, 0}, {9, 140, 4, 256, 0, 100},
    {1, 500, 1, 64, 0, 0}, {1, 300, 7, 144, 0, 90}, {2, 255, 2, 41, 128, 0},
};

/* One array in double, and rounded to the precision's type. */
struct numbers {
    double *exact;
    void *act;
};

static double
at(enum precision p, const void *x, int64_t i)
{
    if (p == PRECISION_FP64)
        return ((const double *)x)[i];
    return p == PRECISION_BF16 ? (double)bf16_to_float(((const bf16 *)x)[i])
                               : (double)((const float *)x)[i];
}

static struct numbers
numbers_new(enum precision p, int64_t n, uint64_t key)
{
    struct numbers x = {mem_array((size_t)n, sizeof(double)),
                        mem_aligned((size_t)n * sizeof(double))};
    for (int64_t i = 0; i < n; i++) {
        double v = rng_normal(key, (uint64_t)i);
        if (p == PRECISION_FP64)
            ((double *)x.act)[i] = v;
        else if (p == PRECISION_BF16)
            ((bf16 *)x.act)[i] = bf16_from_float((float)v);
        else
            ((float *)x.act)[i] = (float)v;
        x.exact[i] = at(p, x.act, i);
    }
    return x;
}

static void
numbers_free(struct numbers *x)
{
    free(x->exact);
    free(x->act);
}

/* One row of one head: out[head_dim] with the sums of its terms' sizes, and the log-sum-exp. */
static double
textbook_row(const struct shape *s, int64_t first, int64_t last, const double *q, const double *k,
             const double *v, double *out, double *size, double *largest)
{
    int64_t n = s->head_dim;
    double total = 0, max = -HUGE_VAL, *score = mem_array((size_t)(last + 1), sizeof *score);
    for (int64_t j = first; j <= last; j++) {
        score[j] = 0;
        for (int64_t d = 0; d < n; d++)
            score[j] += q[d] * k[j * n + d] / sqrt((double)n);
        max = fmax(max, score[j]);
    }
    for (int64_t j = first; j <= last; j++)
        total += exp(score[j] - max);
    for (int64_t d = 0; d < n; d++) {
        out[d] = size[d] = 0;
        for (int64_t j = first; j <= last; j++) {
            double term = exp(score[j] - max) / total * v[j * n + d];
            out[d] += term;
            size[d] += fabs(term);
        }
    }
    free(score);
    *largest = fmax(*largest, max);
    return max + log(total);
}

static int64_t
first_of(const struct shape *s, int64_t position)
{
    int64_t piece = s->piece ? position / s->piece * s->piece : 0;
    int64_t window = s->window ? position - s->window + 1 : 0;
    return window > piece ? window : piece;
}

/* The largest difference of out and lse, in units of what the precision allows. */
static double
worst_of(const struct ops *ops, enum precision p, const struct shape *s)
{
    int64_t keys = s->q0 + s->queries, width = s->heads * s->head_dim;
    struct numbers q = numbers_new(p, s->queries * width, 1),
                   k = numbers_new(p, keys * s->head_dim, 2);
    struct numbers v = numbers_new(p, keys * s->head_dim, 3),
                   out = numbers_new(p, s->queries * width, 4);
    int32_t *first = mem_array((size_t)s->queries, sizeof *first);
    double lse[1300], row[256], size[256], worst = 0, most = -HUGE_VAL;
    float largest = -INFINITY;
    for (int64_t i = 0; i < s->queries; i++)
        first[i] = (int32_t)first_of(s, s->q0 + i);
    struct attention a = {
        .queries = s->queries,
        .keys = keys,
        .heads = s->heads,
        .head_dim = s->head_dim,
        .q0 = s->q0,
        .first = first,
        .scale = 1 / sqrt((double)s->head_dim),
        .q = q.act,
        .k = k.act,
        .v = v.act,
        .out = out.act,
        .q_stride = width,
        .kv_stride = s->head_dim,
        .out_stride = width,
        .lse = lse,
        .lse_stride = s->queries,
        .largest = &largest,
        .scratch = mem_aligned(
            ops->attention_scratch(s->queries, keys, s->heads, s->head_dim, false) + 64),
    };
    ops->attention_forward(&a);
    enum precision wide = p == PRECISION_FP64 ? PRECISION_FP64 : PRECISION_FP32;
    double unit = p == PRECISION_FP64 ? 0x1p-53 : 0x1p-24;
    for (int64_t h = 0; h < s->heads; h++)
        for (int64_t i = 0; i < s->queries; i++) {
            double z = textbook_row(s, first[i], s->q0 + i, q.exact + i * width + h * s->head_dim,
                                    k.exact, v.exact, row, size, &most);
            double error = fabs(at(wide, lse, h * s->queries + i) - z) /
                           (64 * unit * (1 + fabs(z)));
            worst = error <= worst ? worst : error;
            for (int64_t d = 0; d < s->head_dim; d++) {
                double got = at(p, out.act, i * width + h * s->head_dim + d);
                double rounding = p == PRECISION_BF16 ? 0x1p-8 * fabs(row[d]) : 0;
                /* each probability rounded to BF16 */
                rounding += ops->attention_rounds ? 0x1p-8 * size[d] : 0;
                error = fabs(got - row[d]) / (rounding + 64 * unit * (1 + fabs(row[d])));
                worst = error <= worst ? worst : error;
            }
        }
    double error = fabs((double)largest - most) / (64 * 0x1p-24 * (1 + fabs(most)));
    worst = error <= worst ? worst : error;
    free(a.scratch);
    free(first);
    numbers_free(&q);
    numbers_free(&k);
    numbers_free(&v);
    numbers_free(&out);
    return worst;
}

int
main(void)
{
    for (int level = 0; kernels_level_name(level); level++) {
        setenv("LLM_ISA", kernels_level_name(level), 1);
        const struct kernels *k = kernels_pick(NULL);
        for (int p = 0; k && p < PRECISIONS; p++) {
            double worst = 0;
            for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
                double error = worst_of(&k->ops[p], (enum precision)p, &shapes[i]);
                worst = error <= worst ? worst : error;
            }
            ok(worst <= 1, "%s %s: largest error is %.2f of the allowed one", k->name,
               precision_name((enum precision)p), worst);
        }
    }
    return done();
}
