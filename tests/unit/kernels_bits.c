/*
 * What results may not depend on: threads, the place of arrays in memory, what
 * outputs and scratch held before. And: NaN is passed on, BF16 is rounded to nearest even.
 */
#include "kernels/grid.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/float16.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/unit/tap.h"

static float
small(uint64_t key, int64_t i)
{
    return (float)(rng_uniform(key, (uint64_t)i) * 2 - 1);
}

/* Random elements of the act or wide type at an address that is `shift` elements off. */
struct block {
    void *memory, *x;
    size_t bytes;
};

static struct block
block_new(const struct ops *ops, enum precision p, bool wide, int64_t n, uint64_t key, int shift)
{
    size_t size = wide ? ops->wide_size : ops->act_size;
    struct block b = {.memory = mem_aligned(((size_t)n + 16) * size), .bytes = (size_t)n * size};
    b.x = (char *)b.memory + (size_t)shift * size;
    for (int64_t i = 0; i < n; i++)
        if (size == sizeof(double))
            ((double *)b.x)[i] = (double)small(key, i);
        else if (p == PRECISION_BF16 && !wide)
            ((bf16 *)b.x)[i] = bf16_from_float(small(key, i));
        else
            ((float *)b.x)[i] = small(key, i);
    return b;
}

/* The bytes of C for one way of running the product; freed by the caller. */
static struct block
product(const struct ops *ops, enum precision p, const struct gemm *shape, int threads, int shift,
        int garbage)
{
    struct gemm g = *shape;
    g.lda = g.ta ? g.m : g.k;
    g.ldb = g.tb ? g.k : g.n;
    g.ldc = g.n;
    struct block a = block_new(ops, p, false, g.m * g.k, 1, shift),
                 b = block_new(ops, p, false, g.n * g.k, 2, shift);
    struct block c = block_new(ops, p, g.c_wide, g.m * g.n, 3, shift),
                 bias = block_new(ops, p, true, g.n, 4, shift);
    if (!g.accumulate)
        memset(c.x, garbage, c.bytes);
    g.a = a.x;
    g.b = b.x;
    g.c = c.x;
    g.bias = bias.x;
    struct threads *pool = threads ? threads_new(threads) : NULL;
    gemm_run(pool, ops, &g);
    threads_free(pool);
    free(a.memory);
    free(b.memory);
    free(bias.memory);
    return c;
}

static const struct gemm shapes[] = {
    {.tb = true, .m = 300, .n = 700, .k = 129, .c_wide = true},
    {.m = 257, .n = 530, .k = 300},
    {.ta = true, .m = 400, .n = 333, .k = 128, .c_wide = true, .accumulate = true},
    {.tb = true, .m = 3, .n = 1000, .k = 77},
    {.tb = true, .m = 1, .n = 1, .k = 1},
};

static void
test_gemm(const struct kernels *k, enum precision p)
{
    const struct ops *ops = &k->ops[p];
    bool same = true;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct block want = product(ops, p, &shapes[i], 0, 0, 0xff);
        for (int way = 1; way <= 4; way++) {
            struct block got = product(ops, p, &shapes[i], way % 4, way * 3 % 16, way);
            same = same && !memcmp(got.x, want.x, want.bytes);
            free(got.memory);
        }
        free(want.memory);
    }
    ok(same,
       "%s %s: GEMM has the same bits on 1, 2 and 3 threads, at any address, over any garbage",
       k->name, precision_name(p));
}

/* Forward and backward of attention into one buffer of results. */
static struct block
attend(const struct ops *ops, enum precision p, int shift, int garbage)
{
    enum { QUERIES = 150, HEADS = 2, HEAD = 24, WIDTH = HEADS * HEAD };
    static int32_t first[QUERIES];
    for (int i = 0; i < QUERIES; i++)
        first[i] = i / 70 * 70;
    size_t head = QUERIES * HEAD * ops->act_size, all = QUERIES * WIDTH * ops->act_size;
    size_t lse = QUERIES * HEADS * ops->wide_size, bytes = 2 * all + 2 * head + lse;
    struct block out = {.memory = mem_aligned(bytes), .bytes = bytes};
    memset(out.memory, garbage, bytes);
    out.x = out.memory;
    struct block q = block_new(ops, p, false, QUERIES * WIDTH, 1, shift),
                 k = block_new(ops, p, false, QUERIES * HEAD, 2, shift);
    struct block v = block_new(ops, p, false, QUERIES * HEAD, 3, shift),
                 d = block_new(ops, p, false, QUERIES * WIDTH, 4, shift);
    size_t scratch = ops->attention_scratch(QUERIES, QUERIES, HEADS, HEAD, true);
    char *base = out.x;
    struct attention a = {.queries = QUERIES,
                          .keys = QUERIES,
                          .heads = HEADS,
                          .head_dim = HEAD,
                          .first = first,
                          .scale = 0.2,
                          .q = q.x,
                          .k = k.x,
                          .v = v.x,
                          .q_stride = WIDTH,
                          .kv_stride = HEAD,
                          .out_stride = WIDTH,
                          .lse_stride = QUERIES,
                          .d_out = d.x,
                          .dq_stride = WIDTH,
                          .dkv_stride = HEAD,
                          .scratch = mem_aligned(scratch)};
    a.lse = base;
    a.out = base + lse;
    a.d_q = base + lse + all;
    a.d_k = base + lse + 2 * all;
    a.d_v = base + lse + 2 * all + head;
    memset(a.scratch, garbage, scratch);
    ops->attention_forward(&a);
    memset(a.scratch, garbage, scratch);
    ops->attention_backward(&a);
    free(a.scratch);
    free(q.memory);
    free(k.memory);
    free(v.memory);
    free(d.memory);
    return out;
}

static void
test_attention(const struct kernels *k, enum precision p)
{
    struct block want = attend(&k->ops[p], p, 0, 0), got = attend(&k->ops[p], p, 5, 0xff);
    ok(!memcmp(want.x, got.x, want.bytes),
       "%s %s: attention has the same bits at any address, over any garbage", k->name,
       precision_name(p));
    free(want.memory);
    free(got.memory);
}

/* Every float exponent with mantissas around the halves, infinities and NaN. */
static void
test_rounding(const struct kernels *k)
{
    const struct ops *ops = &k->ops[PRECISION_BF16];
    static const uint32_t low[] = {0,      1,       0x7fff,   0x8000,  0x8001,
                                   0xffff, 0x18000, 0x7f8000, 0x7fffff};
    enum { LOWS = sizeof low / sizeof *low, N = 512 * LOWS };
    static float in[N], back[N];
    static bf16 out[N];
    for (int i = 0; i < N; i++) {
        uint32_t bits = (uint32_t)(i / LOWS) << 23 | low[i % LOWS];
        memcpy(&in[i], &bits, 4);
    }
    ops->to_act(out, in, N);
    ops->to_wide(back, out, N);
    int wrong = 0;
    for (int i = 0; i < N; i++) {
        bf16 want = bf16_from_float(in[i]);
        bool good = isnan(in[i]) ? isnan(bf16_to_float(out[i])) && isnan(back[i])
                                 : out[i] == want && back[i] == bf16_to_float(want);
        wrong += !good;
    }
    ok(wrong == 0, "%s: %d floats to BF16 and back, %d wrong", k->name, N, wrong);
}

/* A NaN in one input must reach the outputs that depend on it. */
static void
test_nan(const struct kernels *k)
{
    const struct ops *ops = &k->ops[PRECISION_FP32];
    enum { N = 20 };
    float x[2 * N], y[2 * N], w[N], r[2];
    double loss[1], log_z[1];
    const int32_t target[1] = {2};
    for (int i = 0; i < 2 * N; i++)
        x[i] = y[i] = 0.5f;
    for (int i = 0; i < N; i++)
        w[i] = 1;
    x[17] = NAN;
    ops->rms_norm_forward(y, NULL, r, x, NULL, w, 1, N, 1e-5);
    bool all = isnan(y[0]) && isnan(r[0]);
    ops->layer_norm_forward(y, NULL, r, r + 1, x, NULL, w, w, 1, N, 1e-5);
    all = all && isnan(y[0]);
    ops->swiglu_forward(y, x, 1, N);
    all = all && isnan(y[17]) && !isnan(y[16]);
    ops->gelu_forward(y, x, N, GELU_ERF);
    all = all && isnan(y[17]) && !isnan(y[16]);
    ops->gelu_forward(y, x, N, GELU_TANH);
    all = all && isnan(y[17]) && !isnan(y[16]);
    ops->cross_entropy(x, N, y, N, target, 1, N, 1, 0, loss, log_z);
    all = all && isnan(loss[0]) && isnan(y[0]);
    ops->softmax_gradient(x, N, y, N, target, 1, N, 1, 0, log_z);
    all = all && isnan(y[0]) && isnan(y[2]);
    all = all && isnan(ops->sum_squares(x, N));
    ok(all, "%s: NaN is passed on", k->name);
}

/* Far arguments: no NaN, no infinity where the limit is finite. */
static void
test_limits(const struct kernels *k)
{
    const struct ops *ops = &k->ops[PRECISION_FP32];
    enum { N = 8 };
    const float x[N] = {-1e30f, -200, -104, -88, 88, 104, 200, 1e10f},
                one[N] = {1, 1, 1, 1, 1, 1, 1, 1};
    float gate_up[2 * N], y[N], d[N];
    memcpy(gate_up, x, sizeof x);
    memcpy(gate_up + N, one, sizeof one);
    bool good = true;
    ops->swiglu_forward(y, gate_up, 1, N);
    for (int i = 0; i < N; i++)
        good = good && (i < 4 ? fabsf(y[i]) < 1e-6f : y[i] == x[i]);
    for (int kind = GELU_ERF; kind <= GELU_TANH; kind++) {
        ops->gelu_forward(y, x + 1, N - 1, (enum gelu)kind);
        ops->gelu_backward(d, NULL, x + 1, one, N - 1, (enum gelu)kind);
        for (int i = 0; i < N - 1; i++)
            good = good &&
                   (i < 3 ? fabsf(y[i]) + fabsf(d[i]) < 1e-30f : y[i] == x[i + 1] && d[i] == 1);
    }
    ok(good, "%s: SwiGLU and GELU of large arguments", k->name);
    const float logits[N] = {-INFINITY, 500, -500, 500, 0, -INFINITY, 499, 0};
    const int32_t target = 1;
    double loss, log_z;
    ops->cross_entropy(logits, N, d, N, &target, 1, N, 1, 0, &loss, &log_z);
    double z = 2 + exp(-1);
    ok(fabs(loss - log(z)) < 1e-6 && d[0] == 0 && d[5] == 0 && fabs((double)d[3] - 1 / z) < 1e-6,
       "%s: cross-entropy of far and infinite logits", k->name);
}

static void
test_pick(void)
{
    setenv("LLM_ISA", "avx9", 1);
    ok(!kernels_pick(NULL) && err_status() == STATUS_FAILED && strstr(err_text(), "LLM_ISA=avx9"),
       "an unknown name is refused: %s", err_text());
#ifdef __aarch64__
    setenv("LLM_ISA", "avx2", 1);
#else
    setenv("LLM_ISA", "sve", 1);
#endif
    ok(!kernels_pick(NULL) && err_status() == STATUS_FAILED, "so is what is not built: %s",
       err_text());
    unsetenv("LLM_ISA");
    const struct kernels *best = kernels_pick(NULL), *least = kernels_pick("ref");
    ok(best && least && !strcmp(least->name, "ref"), "best here is %s; a limit lowers it",
       best ? best->name : "?");
    ok(kernels_level("ref") == 0 && kernels_level("avx2") > 0 && kernels_level("x") == -1 &&
           !kernels_level_name(99),
       "levels have an order");
}

int
main(void)
{
    for (int level = 0; kernels_level_name(level); level++) {
        setenv("LLM_ISA", kernels_level_name(level), 1);
        const struct kernels *k = kernels_pick(NULL);
        /* $LLM_QUICK: an emulated processor, whose own table is of interest. */
        if (!k || (getenv("LLM_QUICK") && level == 0))
            continue;
        for (int p = 0; p < PRECISIONS; p++) {
            test_gemm(k, (enum precision)p);
            test_attention(k, (enum precision)p);
        }
        test_rounding(k);
        test_nan(k);
        test_limits(k);
    }
    test_pick();
    return done();
}
