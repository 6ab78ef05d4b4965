/*
 * The SVE kernels compute the same bits with vectors of 512, 256 and 128 bits, and from a
 * packed B what they compute from B itself. Lengths that the processor has not are skipped.
 */
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/unit/kernel_numbers.h"
#include "tests/unit/tap.h"

/* Of every operation the name and the bytes it made, in order. */
enum { OPERATIONS = 80 };
struct results {
    struct {
        const char *name;
        void *bytes;
        size_t size;
    } of[OPERATIONS];
    int count;
};

static void *
numbers(const struct ops *ops, bool wide, int64_t n, uint64_t key, double least)
{
    return kernel_numbers(ops, wide, n, key, least, 3);
}

/* Room for n numbers that an operation makes, filled with its name's place. */
static void *
result(struct results *r, const char *name, int64_t n, size_t size)
{
    void *x = mem_array((size_t)n, size);
    memset(x, 0, (size_t)n * size);
    r->of[r->count].name = name;
    r->of[r->count].bytes = x;
    r->of[r->count++].size = (size_t)n * size;
    return x;
}

static void
keep(struct results *r, const char *name, void *x, int64_t n, size_t size)
{
    r->of[r->count].name = name;
    r->of[r->count].bytes = x;
    r->of[r->count++].size = (size_t)n * size;
}

/* The product, and again from a packed B: the same bits. */
static void
run_gemm(const struct ops *ops, struct results *r, bool ta, bool tb, int options)
{
    struct gemm g = {.ta = ta, .tb = tb, .k = 300};
    g.m = ta ? 173 : 23; /* more than one block of rows, or of columns */
    g.n = ta ? 70 : 401;
    void *a = numbers(ops, false, g.m * g.k, 1, -3), *b = numbers(ops, false, g.n * g.k, 2, -3);
    void *bias = numbers(ops, true, g.n, 3, -3);
    g.lda = ta ? g.m : g.k;
    g.ldb = tb ? g.k : g.n;
    g.ldc = g.n;
    g.c_wide = options & 1;
    g.accumulate = options & 2;
    g.bias = options & 4 ? bias : NULL;
    g.scale = options & 8 ? 0.3 : 0;
    g.a = a, g.b = b;
    size_t size = g.c_wide ? ops->wide_size : ops->act_size;
    g.c = numbers(ops, g.c_wide, g.m * g.n, 4, -3);
    keep(r, "gemm", g.c, g.m * g.n, size);
    ops->gemm(&g);

    void *packed = mem_aligned(ops->gemm_pack_size(tb, g.n, g.k));
    for (int64_t column = 0; column < g.n; column += PACK_COLUMNS) {
        int64_t columns = g.n - column < PACK_COLUMNS ? g.n - column : PACK_COLUMNS;
        ops->gemm_pack(tb, g.n, g.k, b, g.ldb, column, columns, packed);
    }
    void *want = g.c;
    g.c = numbers(ops, g.c_wide, g.m * g.n, 4, -3);
    g.b = NULL;
    g.b_packed = packed;
    ops->gemm(&g);
    if (memcmp(want, g.c, (size_t)(g.m * g.n) * size) != 0)
        ok(false, "a packed B gives other bits (transposes %d %d, options %d)", ta, tb, options);
    free(packed);
    free(g.c);
    free(a);
    free(b);
    free(bias);
}

static void
run_attention(const struct ops *ops, struct results *r)
{
    enum { QUERIES = 150, Q0 = 90, KEYS = Q0 + QUERIES, HEADS = 2, HEAD = 72, WIDTH = HEADS * HEAD };
    int32_t first[QUERIES];
    for (int i = 0; i < QUERIES; i++)
        first[i] = i < 40 ? 0 : (i + Q0) / 61 * 61;
    void *q = numbers(ops, false, QUERIES * WIDTH, 1, -3),
         *k = numbers(ops, false, KEYS * HEAD, 2, -3);
    void *v = numbers(ops, false, KEYS * HEAD, 3, -3),
         *d = numbers(ops, false, QUERIES * WIDTH, 4, -3);
    struct attention a = {.queries = QUERIES,
                          .keys = KEYS,
                          .heads = HEADS,
                          .head_dim = HEAD,
                          .q0 = Q0,
                          .first = first,
                          .scale = 0.12,
                          .q = q,
                          .k = k,
                          .v = v,
                          .q_stride = WIDTH,
                          .kv_stride = HEAD,
                          .out_stride = WIDTH,
                          .lse_stride = QUERIES,
                          .d_out = d,
                          .dq_stride = WIDTH,
                          .dkv_stride = HEAD};
    a.out = result(r, "attention out", QUERIES * WIDTH, ops->act_size);
    a.lse = result(r, "attention lse", QUERIES * HEADS, ops->wide_size);
    a.d_q = result(r, "attention d_q", QUERIES * WIDTH, ops->act_size);
    a.d_k = result(r, "attention d_k", KEYS * HEAD, ops->act_size);
    a.d_v = result(r, "attention d_v", KEYS * HEAD, ops->act_size);
    a.scratch = mem_aligned(ops->attention_scratch(QUERIES, KEYS, HEADS, HEAD, true));
    ops->attention_forward(&a);
    ops->attention_backward(&a);
    free(a.scratch);
    free(q);
    free(k);
    free(v);
    free(d);
}

enum { LINES = 5, DIM = 333, N = LINES * DIM };

static void
run_norms(const struct ops *ops, struct results *r)
{
    void *x = numbers(ops, false, N, 1, -3), *delta = numbers(ops, false, N, 2, -3);
    void *w = numbers(ops, true, DIM, 3, 0), *b = numbers(ops, true, DIM, 4, -3);
    void *dy = numbers(ops, false, N, 5, -3);
    size_t act = ops->act_size, wide = ops->wide_size;
    void *y = result(r, "rms_norm", N, act), *sum = result(r, "rms_norm sum", N, act);
    void *rstd = result(r, "rms_norm rstd", LINES, wide), *dx = result(r, "rms_norm dx", N, act);
    void *dw = result(r, "rms_norm d_weight", DIM, wide);
    ops->rms_norm_forward(y, sum, rstd, x, delta, w, LINES, DIM, 1e-5);
    ops->rms_norm_backward(dx, dw, dy, x, sum, rstd, w, LINES, DIM);
    void *y2 = result(r, "layer_norm", N, act), *mean = result(r, "layer_norm mean", LINES, wide);
    void *rstd2 = result(r, "layer_norm rstd", LINES, wide);
    void *dx2 = result(r, "layer_norm dx", N, act), *dw2 = result(r, "layer_norm dw", DIM, wide);
    void *db2 = result(r, "layer_norm db", DIM, wide);
    ops->layer_norm_forward(y2, NULL, mean, rstd2, x, NULL, w, b, LINES, DIM, 1e-5);
    ops->layer_norm_backward(dx2, dw2, db2, dy, NULL, x, mean, rstd2, w, LINES, DIM);
    free(x);
    free(delta);
    free(w);
    free(b);
    free(dy);
}

static void
run_activations(const struct ops *ops, struct results *r)
{
    size_t act = ops->act_size;
    void *x = numbers(ops, false, 2 * N, 1, -3), *d = numbers(ops, false, N, 2, -3);
    ops->swiglu_forward(result(r, "swiglu", N, act), x, LINES, DIM);
    ops->swiglu_backward(result(r, "swiglu_backward", 2 * N, act), NULL, x, d, LINES, DIM);
    for (int kind = GELU_ERF; kind <= GELU_TANH; kind++) {
        ops->gelu_forward(result(r, "gelu", N, act), x, N, (enum gelu)kind);
        ops->gelu_backward(result(r, "gelu_backward", N, act), NULL, x, d, N, (enum gelu)kind);
    }
    ops->add(result(r, "add", N, act), x, d, N);
    ops->column_sum(result(r, "column_sum", DIM, ops->wide_size), x, DIM, LINES, DIM);
    free(x);
    free(d);
}

static void
run_loss_and_optimizer(const struct ops *ops, struct results *r)
{
    enum { VOCABULARY = 5003 };
    static const int32_t targets[2] = {77, 5002};
    float *logits = numbers(ops, true, 2 * VOCABULARY, 1, -3);
    double *loss = result(r, "loss", 4, sizeof(double));
    ops->cross_entropy(logits, VOCABULARY, result(r, "d_logits", 2 * VOCABULARY, ops->act_size),
                       VOCABULARY, targets, 2, VOCABULARY, 0.5, 1e-4, loss, loss + 2);
    void *part = result(r, "d_logits of a part", 2 * VOCABULARY, ops->act_size);
    ops->softmax_gradient(logits, VOCABULARY, part, VOCABULARY, targets, 2, VOCABULARY - 1, 0.5,
                          1e-4, loss + 2);
    *(double *)result(r, "sum_squares", 1, sizeof(double)) = ops->sum_squares(logits, 9999);
    free(logits);

    const struct adamw h = {1e-2, 0.9, 0.95, 1e-8, 0.1, 0.271, 0.142625, 0.5};
    float *w = numbers(ops, true, N, 1, -3), *m = numbers(ops, true, N, 2, -3);
    float *v = numbers(ops, true, N, 3, 0), *g = numbers(ops, true, N, 4, -3);
    ops->adamw(w, m, v, g, result(r, "adamw weights", N, ops->act_size), N, &h);
    keep(r, "adamw master", w, N, sizeof *w);
    keep(r, "adamw m", m, N, sizeof *m);
    keep(r, "adamw v", v, N, sizeof *v);
    free(g);
}

static void
run(const struct ops *ops, struct results *r)
{
    r->count = 0;
    for (int i = 0; i < 8; i++)
        run_gemm(ops, r, i & 1, i & 2, (i * 5 + 1) % 16);
    run_attention(ops, r);
    run_norms(ops, r);
    run_activations(ops, r);
    run_loss_and_optimizer(ops, r);
}

static void
compare(const struct results *want, const struct results *got, enum precision p, int bits)
{
    int wrong = want->count != got->count;
    for (int i = 0; i < want->count && i < got->count; i++)
        if (memcmp(want->of[i].bytes, got->of[i].bytes, want->of[i].size) != 0) {
            diag("%s has other bits", want->of[i].name);
            wrong++;
        }
    ok(wrong == 0, "%s: %d results with vectors of %d bits are those of 512", precision_name(p),
       got->count, bits);
}

static void
release(struct results *r)
{
    for (int i = 0; i < r->count; i++)
        free(r->of[i].bytes);
}

/* Sets the length of this thread's vectors. */
static bool
set_vectors(int bits)
{
#ifdef PR_SVE_SET_VL
    return prctl(PR_SVE_SET_VL, bits / 8) == bits / 8;
#else
    (void)bits;
    return false;
#endif
}

int
main(void)
{
    static const int lengths[] = {256, 128};
    setenv("LLM_ISA", "sve", 1);
    const struct kernels *k = kernels_pick(NULL);
    if (!k || !set_vectors(512)) {
        skip("vector lengths", k ? "this processor has no vectors of 512 bits" : err_text());
        return done();
    }
    for (enum precision p = PRECISION_FP32; p <= PRECISION_BF16; p++) {
        static struct results want, got;
        set_vectors(512);
        run(&k->ops[p], &want);
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            if (!set_vectors(lengths[i])) {
                skip(precision_name(p), "this processor lacks a length of vectors");
                continue;
            }
            run(&k->ops[p], &got);
            compare(&want, &got, p, lengths[i]);
            release(&got);
        }
        release(&want);
    }
    return done();
}
