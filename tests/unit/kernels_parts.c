/*
 * Attention in chunks, as ranks that share a sequence compute it: every chunk of queries against
 * every chunk of keys that it may see, merged forward and added up backward, is the attention of
 * the whole sequence; every table, every precision.
 */
#include "kernels/merge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/float16.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/unit/tap.h"

struct shape {
    int64_t length, chunks, heads, head_dim, piece, window; /* piece, window 0: none */
};

static const struct shape shapes[] = {
    {64, 4, 2, 16, 0, 0},   {132, 4, 1, 24, 0, 0}, {300, 6, 3, 40, 70, 0}, {128, 8, 2, 64, 0, 21},
    {280, 4, 2, 80, 33, 9}, {8, 8, 2, 8, 0, 0},    {96, 4, 1, 128, 48, 0}, {520, 2, 2, 32, 0, 0},
};

enum { SHAPES = sizeof shapes / sizeof *shapes, ARRAYS = 10 };
enum array { Q, K, V, D_OUT, OUT, LSE, D_Q, D_K, D_V, SUM };

/* Arrays of one side: queries' [length][width], keys' [length][head_dim]. */
struct side {
    const struct ops *ops;
    const struct shape *shape;
    int64_t width;
    void *x[ARRAYS];
};

static double
at(const struct ops *ops, bool wide, const void *x, int64_t i)
{
    if (ops->wide_size == sizeof(double))
        return ((const double *)x)[i];
    if (wide || ops->act_size == sizeof(float))
        return (double)((const float *)x)[i];
    return (double)bf16_to_float(((const bf16 *)x)[i]);
}

static void
put(const struct ops *ops, void *x, int64_t i, double value)
{
    if (ops->act_size == sizeof(double))
        ((double *)x)[i] = value;
    else if (ops->act_size == sizeof(float))
        ((float *)x)[i] = (float)value;
    else
        ((bf16 *)x)[i] = bf16_from_float((float)value);
}

static bool
of_queries(int array)
{
    return array == Q || array == D_OUT || array == OUT || array == D_Q || array == SUM;
}

static struct side
side_new(const struct ops *ops, const struct shape *s)
{
    struct side x = {.ops = ops, .shape = s, .width = s->heads * s->head_dim};

    for (int i = 0; i < ARRAYS; i++) {
        int64_t n = s->length * (of_queries(i) ? x.width : s->head_dim);
        uint64_t key = rng_key((uint64_t)i, "parts");

        x.x[i] = mem_zarray((size_t)(i == LSE ? s->length * s->heads : n), sizeof(double));
        for (int64_t j = 0; i <= D_OUT && j < n; j++)
            put(ops, x.x[i], j, rng_normal(key, (uint64_t)j));
    }
    return x;
}

static void
side_free(struct side *x)
{
    for (int i = 0; i < ARRAYS; i++)
        free(x->x[i]);
}

static void *
row_of(const struct side *x, enum array array, bool wide, int64_t row)
{
    int64_t width = of_queries((int)array) ? x->width : x->shape->head_dim;
    size_t size = wide ? x->ops->wide_size : x->ops->act_size;

    return (char *)x->x[array] + (size_t)(row * width) * size;
}

static int32_t
first_of(const struct shape *s, int64_t position)
{
    int64_t piece = s->piece ? position / s->piece * s->piece : 0;
    int64_t window = s->window ? position - s->window + 1 : 0;

    return (int32_t)(window > piece ? window : piece);
}

/* Queries [row, row + rows) of the sequence over keys [key, key + keys). */
static struct attention
attention_of(const struct side *x, int64_t row, int64_t rows, int64_t key, int64_t keys,
             int32_t *first)
{
    const struct shape *s = x->shape;

    for (int64_t i = 0; i < rows; i++) {
        int64_t from = first_of(s, row + i) - key;
        first[i] = (int32_t)(from > 0 ? from : 0);
    }
    return (struct attention){.queries = rows,
                              .keys = keys,
                              .heads = s->heads,
                              .head_dim = s->head_dim,
                              .q0 = row - key,
                              .first = first,
                              .scale = 1 / sqrt((double)s->head_dim),
                              .q = row_of(x, Q, false, row),
                              .k = row_of(x, K, false, key),
                              .v = row_of(x, V, false, key),
                              .out = row_of(x, OUT, false, row),
                              .q_stride = x->width,
                              .kv_stride = s->head_dim,
                              .out_stride = x->width,
                              .lse = (char *)x->x[LSE] + (size_t)row * x->ops->wide_size,
                              .lse_stride = s->length,
                              .d_out = row_of(x, D_OUT, false, row),
                              .d_q = row_of(x, D_Q, false, row),
                              .d_k = row_of(x, D_K, false, key),
                              .d_v = row_of(x, D_V, false, key),
                              .dq_stride = x->width,
                              .dkv_stride = s->head_dim};
}

/* Over scratch and results full of NaN. */
static void
attend(const struct ops *ops, struct attention *a, bool backward)
{
    size_t n = ops->attention_scratch(a->queries, a->keys, a->heads, a->head_dim, backward);

    a->scratch = mem_aligned(n + 64);
    memset(a->scratch, 0xff, n);
    if (backward)
        ops->attention_backward(a);
    else
        ops->attention_forward(a);
    free(a->scratch);
}

static void
run_whole(const struct side *x, int32_t *first)
{
    struct attention a = attention_of(x, 0, x->shape->length, 0, x->shape->length, first);

    attend(x->ops, &a, false);
    attend(x->ops, &a, true);
}

/* out wide is merged in SUM, then rounded to OUT. */
static void
forward_chunk(const struct side *x, int64_t row, int64_t chunk, int32_t *first)
{
    int64_t n = chunk * x->width;
    void *part = mem_array((size_t)n, sizeof(double));
    void *lse = mem_array((size_t)(chunk * x->shape->heads), sizeof(double));

    for (int64_t h = 0; h < x->shape->heads; h++)
        for (int64_t i = 0; i < chunk; i++) {
            int64_t j = h * x->shape->length + row + i;
            if (x->ops->wide_size == sizeof(double))
                ((double *)x->x[LSE])[j] = -HUGE_VAL;
            else
                ((float *)x->x[LSE])[j] = -HUGE_VALF;
        }
    for (int64_t key = row; key >= 0; key -= chunk) {
        struct attention a = attention_of(x, row, chunk, key, chunk, first);
        void *merged = a.lse;

        memset(part, 0xff, (size_t)n * sizeof(double));
        a.part = true;
        a.out = part;
        a.lse = lse;
        a.lse_stride = chunk;
        attend(x->ops, &a, false);
        attention_merge(x->ops, &a, row_of(x, SUM, true, row), x->width, merged, x->shape->length);
    }
    x->ops->to_act(row_of(x, OUT, false, row), row_of(x, SUM, true, row), n);
    free(part);
    free(lse);
}

/* d_q, d_k, d_v wide are added up in place of the results. */
static void
backward_chunk(const struct side *x, int64_t row, int64_t chunk, int32_t *first)
{
    int64_t q = chunk * x->width, kv = chunk * x->shape->head_dim;
    void *part = mem_array((size_t)(q + 2 * kv), sizeof(double));

    for (int64_t key = row; key >= 0; key -= chunk) {
        struct attention a = attention_of(x, row, chunk, key, chunk, first);

        memset(part, 0xff, (size_t)(q + 2 * kv) * sizeof(double));
        a.part = true;
        a.d_q = part;
        a.d_k = (double *)part + q;
        a.d_v = (double *)part + q + kv;
        attend(x->ops, &a, true);
        x->ops->add_wide(row_of(x, D_Q, true, row), a.d_q, q);
        x->ops->add_wide(row_of(x, D_K, true, key), a.d_k, kv);
        x->ops->add_wide(row_of(x, D_V, true, key), a.d_v, kv);
    }
    free(part);
}

/* The largest difference of an array, beside the value and the whole's root mean square. */
static double
difference(const struct side *whole, const struct side *chunks, enum array array)
{
    const struct shape *s = whole->shape;
    int64_t n = s->length * (of_queries((int)array) ? whole->width : s->head_dim);
    double squares = 0, worst = 0;

    n = array == LSE ? s->length * s->heads : n;
    for (int64_t i = 0; i < n; i++) {
        double want = at(whole->ops, array == LSE, whole->x[array], i);
        squares += want * want;
    }
    for (int64_t i = 0; i < n; i++) {
        double want = at(whole->ops, array == LSE, whole->x[array], i);
        double got = at(chunks->ops, array != OUT, chunks->x[array], i);
        double error = fabs(got - want) / (fabs(want) + sqrt(squares / (double)n));

        worst = error <= worst ? worst : error;
    }
    return worst;
}

static double
worst_of(const struct ops *ops, const struct shape *s)
{
    static const enum array results[] = {OUT, LSE, D_Q, D_K, D_V};
    struct side whole = side_new(ops, s), chunks = side_new(ops, s);
    int32_t *first = mem_array((size_t)s->length, sizeof *first);
    int64_t chunk = s->length / s->chunks;
    double worst = 0;

    run_whole(&whole, first);
    for (int64_t row = 0; row < s->length; row += chunk)
        forward_chunk(&chunks, row, chunk, first);
    for (int64_t row = 0; row < s->length; row += chunk)
        backward_chunk(&chunks, row, chunk, first);
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        double error = difference(&whole, &chunks, results[i]);
        worst = error <= worst ? worst : error;
    }
    free(first);
    side_free(&whole);
    side_free(&chunks);
    return worst;
}

/* BF16: out is rounded and enters the gradients, whose whole is rounded, too. */
static const double bounds[PRECISIONS] = {
    [PRECISION_FP32] = 1e-5, [PRECISION_BF16] = 0x1p-7, [PRECISION_FP64] = 1e-13};

static double
bound_of(const struct kernels *k, int p)
{
    return bounds[p] + (k->ops[p].attention_rounds ? 0x1p-6 : 0);
}

int
main(void)
{
    bool quick = getenv("LLM_QUICK") != NULL; /* an emulated processor */

    for (int level = 0; kernels_level_name(level); level++) {
        setenv("LLM_ISA", kernels_level_name(level), 1);
        const struct kernels *k = kernels_pick(NULL);
        for (int p = 0; k && p < PRECISIONS; p++) {
            double worst = 0;

            for (size_t i = quick ? 3 : 0; i < (quick ? 6 : SHAPES); i += quick ? 2 : 1) {
                double error = worst_of(&k->ops[p], &shapes[i]);
                worst = error <= worst ? worst : error;
            }
            ok(worst <= bound_of(k, p), "%s %s: attention in chunks differs by %.1e of the whole",
               k->name, precision_name((enum precision)p), worst);
        }
    }
    return done();
}
