/*
 * The AMX kernels, on machines without AMX too. Three subjects go through the same tests:
 * the source compiled over tiles in software; the objects that ship, their tile instructions
 * trapped and emulated where the CPU has none (tile_trap.h); and the CPU itself where it has
 * them. All must compute the same bits.
 */
#include "kernels/kernels.h"

#if defined(KERNELS_AMX)

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/float16.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/amx/amx.h"
#include "kernels/amx/tile.h"
#include "kernels/check.h"
#include "kernels/grid.h"
#include "kernels/ref/ref.h"
#include "tests/unit/tap.h"
#include "tests/unit/tile_trap.h"

void emulated_amx_bf16(struct ops *o);
double emulated_amx_peak(enum precision p, double seconds);

/* ---- the tiles in software themselves ---- */

/* Whether run() ends its process by abort(). */
static bool
aborts(void (*run)(void))
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        run();
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGABRT;
}

static void
use_unconfigured(void)
{
    soft_tile_zero(0);
}

static void
use_released(void)
{
    static const struct tile_config all = TILE_CONFIG_ALL;
    soft_tile_configure(&all);
    soft_tile_release();
    soft_tile_dot(0, 1, 2);
}

static void
use_too_many_rows(void)
{
    struct tile_config c = TILE_CONFIG_ALL;
    c.rows[3] = 17;
    soft_tile_configure(&c);
}

static void
use_palette_2(void)
{
    struct tile_config c = TILE_CONFIG_ALL;
    c.palette = 2;
    soft_tile_configure(&c);
}

static void
use_mismatch(void)
{
    struct tile_config c = TILE_CONFIG_ALL;
    c.rows[2] = 8; /* B has pairs for 16 of k, A wants 32 */
    soft_tile_configure(&c);
    soft_tile_dot(0, 1, 2);
}

static void
use_one_twice(void)
{
    static const struct tile_config all = TILE_CONFIG_ALL;
    soft_tile_configure(&all);
    soft_tile_dot(0, 1, 1);
}

/* One element: pairs (a_k, b_k) for k = 0 … and the sum before. */
static float
one_element(const float *a, const float *b, int k, float before)
{
    static const struct tile_config all = TILE_CONFIG_ALL;
    bf16 x[16][32] = {{0}}, y[16][16][2] = {{{0}}};
    float c[16][16] = {{0}};
    for (int i = 0; i < k; i++) {
        x[5][i] = bf16_from_float(a[i]);
        y[i / 2][3][i % 2] = bf16_from_float(b[i]);
    }
    c[5][3] = before;
    soft_tile_configure(&all);
    soft_tile_load(0, c, 64);
    soft_tile_load(1, x, 64);
    soft_tile_load(2, y, 64);
    soft_tile_dot(0, 1, 2);
    soft_tile_store(c, 64, 0);
    soft_tile_release();
    return c[5][3];
}

static void
test_soft_tiles(void)
{
    ok(aborts(use_unconfigured), "software tiles: one that is not configured aborts");
    ok(aborts(use_released), "so does one that was released");
    ok(aborts(use_too_many_rows) && aborts(use_palette_2), "and a configuration of 17 rows, or of "
                                                           "another palette");
    ok(aborts(use_mismatch) && aborts(use_one_twice),
       "and shapes that do not fit, and A that is B");

    /* The chains of even and odd k: 2^24 and 1 meet in neither, but for the last sum. */
    const float big[4] = {0x1p24f, 1, 1, 1}, ones[4] = {1, 1, 1, 1};
    is_near((double)one_element(big, ones, 4, 0), 0x1p24 + 2, 0,
            "even k: 2^24 + 1 is 2^24; odd k: 2; together");
    const float cancel[4] = {0x1p24f, 0, 1, 0}, small[4] = {1, 1, 1, 1};
    is_near((double)one_element(cancel, small, 4, -0x1p24f), 0, 0,
            "what was there is added last: (2^24 + 1) - 2^24 is 0");
    const float tiny[2] = {0x1p-126f, 0}, half[2] = {0.5f, 0};
    is_near((double)one_element(tiny, half, 2, 0), 0, 0, "a denormal product is 0");
    is_near((double)one_element(tiny, half, 2, 0x1p-130f), 0, 0, "a denormal sum before is 0");
    const float up[2] = {1 + 0x1p-7f, 0};
    is_near((double)one_element(up, up, 2, 0x1p10f), 0x1p10 + 1 + 0x1p-6, 0,
            "half a unit is rounded to even");
}

/* ---- products ---- */

struct subject {
    const char *name;
    struct ops ops;
    const struct kernels *table; /* ops in BF16, the AVX-512 table else */
};

static bf16 *
numbers(int64_t n, uint64_t key)
{
    bf16 *x = mem_aligned((size_t)(n ? n : 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = bf16_from_float((float)rng_normal(key, (uint64_t)i));
    return x;
}

static float *
wide_numbers(int64_t n, uint64_t key)
{
    float *x = mem_aligned((size_t)(n ? n : 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(key, (uint64_t)i);
    return x;
}

static double *
exact(const void *x, int64_t n, bool is_wide)
{
    double *y = mem_array((size_t)(n ? n : 1), sizeof *y);
    for (int64_t i = 0; i < n; i++)
        y[i] = is_wide ? (double)((const float *)x)[i]
                       : (double)bf16_to_float(((const bf16 *)x)[i]);
    return y;
}

/* A product with its operands, and its result by ref/ in FP64. */
struct product {
    struct gemm g;
    void *a, *b, *c, *bias, *packed;
    double *want;
    size_t c_size;
};

static struct product
product_new(const struct gemm *shape, bool bias)
{
    struct product p = {.g = *shape};
    struct gemm *g = &p.g;
    g->lda = (g->ta ? g->m : g->k) + 3;
    g->ldb = (g->tb ? g->k : g->n) + 5;
    g->ldc = g->n + 2;
    int64_t a = g->lda * (g->ta ? g->k : g->m), b = g->ldb * (g->tb ? g->n : g->k),
            c = g->ldc * g->m;
    p.c_size = (size_t)c * (g->c_wide ? sizeof(float) : sizeof(bf16));
    g->a = p.a = numbers(a, 1);
    g->b = p.b = numbers(b, 2);
    p.c = g->c_wide ? (void *)wide_numbers(c, 3) : (void *)numbers(c, 3);
    if (bias)
        g->bias = p.bias = wide_numbers(g->n, 4);
    struct gemm e = *g;
    struct ops ref;
    ref_fp64(&ref);
    double *ea = exact(p.a, a, false), *eb = exact(p.b, b, false);
    double *eb2 = bias ? exact(p.bias, g->n, true) : NULL;
    e.a = ea;
    e.b = eb;
    e.bias = eb2;
    e.c = p.want = exact(p.c, c, g->c_wide);
    e.c_wide = true;
    ref.gemm(&e);
    free(ea);
    free(eb);
    free(eb2);
    return p;
}

static void
product_free(struct product *p)
{
    free(p->a);
    free(p->b);
    free(p->c);
    free(p->bias);
    free(p->packed);
    free(p->want);
}

/* op(B) packed in parts of PACK_COLUMNS, as several threads would. */
static void
product_pack(struct product *p, const struct ops *ops)
{
    const struct gemm *g = &p->g;
    size_t size = ops->gemm_pack_size(g->tb, g->n, g->k);
    free(p->packed);
    p->packed = mem_aligned(size ? size : 1);
    memset(p->packed, 0xff, size);
    for (int64_t j = 0; j < g->n; j += 2 * PACK_COLUMNS)
        for (int64_t part = 0; part < 2 && j + part * PACK_COLUMNS < g->n; part++)
            ops->gemm_pack(g->tb, g->n, g->k, g->b, g->ldb, j + part * PACK_COLUMNS, PACK_COLUMNS,
                           p->packed);
}

/* C of one run; a copy of what it held before is multiplied into. */
static void *
product_run(const struct product *p, const struct ops *ops, bool packed, bool cells)
{
    struct gemm g = p->g;
    void *c = mem_aligned(p->c_size);
    memcpy(c, p->c, p->c_size);
    g.c = c;
    if (packed) {
        g.b_packed = p->packed;
        g.b = NULL;
    }
    if (!cells) {
        ops->gemm(&g);
        return c;
    }
    /* cells of 37 x 64, far from the block sizes */
    for (int64_t i = 0; i < g.m; i += 37)
        for (int64_t j = 0; j < g.n; j += 64) {
            struct gemm x = g;
            x.m = g.m - i < 37 ? g.m - i : 37;
            x.n = g.n - j < 64 ? g.n - j : 64;
            x.a = (const bf16 *)g.a + (g.ta ? i : i * g.lda);
            x.b = packed ? NULL : (const bf16 *)g.b + (g.tb ? j * g.ldb : j);
            x.b_column = j;
            x.bias = g.bias ? (const float *)g.bias + j : NULL;
            x.c = (char *)c + (size_t)(i * g.ldc + j) * (g.c_wide ? 4 : 2);
            ops->gemm(&x);
        }
    return c;
}

/* The largest error, in units of what sums of k products in FP32 (and C's rounding) may have. */
static double
product_error(const struct product *p, const void *c)
{
    const struct gemm *g = &p->g;
    double worst = 0, bound = 8 * 0x1p-24 * sqrt((double)g->k + 16);
    double size = sqrt((double)g->k) + 1;
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->ldc; j++) {
            int64_t at = i * g->ldc + j;
            double want = p->want[at];
            double got = g->c_wide ? (double)((const float *)c)[at]
                                   : (double)bf16_to_float(((const bf16 *)c)[at]);
            double rounding = g->c_wide ? 0x1p-24 : 0x1p-8;
            /* the columns between n and ldc are to stay as they are */
            double allowed = j < g->n ? bound * (fabs(want) + size) + rounding * fabs(want) : 0;
            double error = got == want ? 0 : fabs(got - want) / allowed;
            worst = error <= worst ? worst : error;
        }
    return worst;
}

static const struct {
    struct gemm g;
    bool bias;
} products[] = {
    {{.tb = true, .m = 70, .n = 200, .k = 100}, true},
    {{.tb = true, .m = 1, .n = 777, .k = 300}, false},
    {{.tb = true, .m = 33, .n = 65, .k = 257, .scale = 0.3}, true},
    {{.m = 300, .n = 820, .k = 70, .c_wide = true}, false},
    {{.m = 17, .n = 31, .k = 513, .scale = -2, .accumulate = true}, false},
    {{.ta = true, .m = 290, .n = 130, .k = 600, .c_wide = true, .accumulate = true}, false},
    {{.ta = true, .m = 48, .n = 96, .k = 33, .c_wide = true, .accumulate = true, .scale = 0.25},
     true},
    {{.ta = true, .tb = true, .m = 50, .n = 70, .k = 90}, false},
    {{.tb = true, .m = 5, .n = 64, .k = 1}, true},
    {{.m = 3, .n = 7, .k = 0}, true},
    {{.m = 3, .n = 7, .k = 0, .c_wide = true, .accumulate = true}, false},
};
enum { PRODUCTS = sizeof products / sizeof *products };

/* Returns a hash of all results. */
static uint64_t
test_products(const struct subject *s)
{
    double worst = 0;
    bool same_packed = true, same_cells = true;
    uint64_t hash = 0;
    for (int i = 0; i < PRODUCTS; i++) {
        struct product p = product_new(&products[i].g, products[i].bias);
        product_pack(&p, &s->ops);
        void *c = product_run(&p, &s->ops, false, false);
        double error = product_error(&p, c);
        worst = error <= worst ? worst : error;
        void *with = product_run(&p, &s->ops, true, false);
        void *cells = product_run(&p, &s->ops, false, true);
        void *both = product_run(&p, &s->ops, true, true);
        same_packed = same_packed && !memcmp(c, with, p.c_size);
        same_cells = same_cells && !memcmp(c, cells, p.c_size) && !memcmp(c, both, p.c_size);
        hash = hash64_seeded(c, p.c_size, hash);
        free(c);
        free(with);
        free(cells);
        free(both);
        product_free(&p);
    }
    ok(worst <= 1, "%s: %d products of odd shapes against FP64, worst at %.2f of its bound",
       s->name, PRODUCTS, worst);
    ok(same_packed, "%s: the same bits with B packed beforehand, in parts", s->name);
    ok(same_cells, "%s: the same bits in cells of 37 x 64, packed or not", s->name);
    return hash;
}

/* One row's result does not depend on how many there are. */
static void
test_rows(const struct subject *s)
{
    enum { M = 70, N = 96, K = 500 };
    bf16 *a = numbers(M * K, 1), *b = numbers(N * K, 2);
    static float all[M][N], one[N];
    bool same = true;
    struct gemm g = {.tb = true,
                     .m = M,
                     .n = N,
                     .k = K,
                     .a = a,
                     .lda = K,
                     .b = b,
                     .ldb = K,
                     .c = all,
                     .ldc = N,
                     .c_wide = true};
    s->ops.gemm(&g);
    for (int i = 0; i < M; i += 3) {
        g.m = 1;
        g.a = a + i * K;
        g.c = one;
        s->ops.gemm(&g);
        same = same && !memcmp(one, all[i], sizeof one);
    }
    ok(same, "%s: a row alone has the bits it has among %d", s->name, M);
    free(a);
    free(b);
}

/* ---- attention ---- */

static const struct {
    int64_t queries, q0, heads, head_dim, piece;
} attentions[] = {
    {130, 0, 2, 64, 0},  {200, 0, 1, 144, 70}, {65, 64, 3, 32, 0}, {1, 300, 2, 64, 0},
    {40, 3, 1, 6, 9},    {97, 0, 2, 80, 33},   {64, 0, 1, 256, 0}, {33, 0, 1, 24, 1},
    {260, 30, 1, 16, 0}, {2, 0, 1, 128, 0},
};
enum { ATTENTIONS = sizeof attentions / sizeof *attentions };

struct attending {
    struct attention a;
    int32_t *first;
    bf16 *q, *k, *v, *d_out, *out, *d_q, *d_k, *d_v;
    float *lse;
    int64_t q_numbers, kv_numbers;
};

static struct attending
attending_new(int i)
{
    struct attending x = {0};
    int64_t queries = attentions[i].queries, q0 = attentions[i].q0, heads = attentions[i].heads;
    int64_t n = attentions[i].head_dim, keys = q0 + queries, width = heads * n + 3;
    x.q_numbers = queries * width;
    x.kv_numbers = keys * (n + 1);
    x.first = mem_array((size_t)queries, sizeof *x.first);
    for (int64_t r = 0; r < queries; r++)
        x.first[r] = attentions[i].piece
                         ? (int32_t)((q0 + r) / attentions[i].piece * attentions[i].piece)
                         : 0;
    x.q = numbers(x.q_numbers, 1);
    x.k = numbers(x.kv_numbers, 2);
    x.v = numbers(x.kv_numbers, 3);
    x.d_out = numbers(x.q_numbers, 4);
    x.out = numbers(x.q_numbers, 5);
    x.d_q = numbers(x.q_numbers, 6);
    x.d_k = numbers(x.kv_numbers, 7);
    x.d_v = numbers(x.kv_numbers, 8);
    x.lse = wide_numbers(heads * queries, 9);
    x.a = (struct attention){.queries = queries,
                             .keys = keys,
                             .heads = heads,
                             .head_dim = n,
                             .q0 = q0,
                             .first = x.first,
                             .scale = 1 / sqrt((double)n),
                             .q = x.q,
                             .k = x.k,
                             .v = x.v,
                             .out = x.out,
                             .q_stride = width,
                             .kv_stride = n + 1,
                             .out_stride = width,
                             .lse = x.lse,
                             .lse_stride = queries,
                             .d_out = x.d_out,
                             .d_q = x.d_q,
                             .d_k = x.d_k,
                             .d_v = x.d_v,
                             .dq_stride = width,
                             .dkv_stride = n + 1};
    return x;
}

static void
attending_free(struct attending *x)
{
    free(x->first);
    free(x->q);
    free(x->k);
    free(x->v);
    free(x->d_out);
    free(x->out);
    free(x->d_q);
    free(x->d_k);
    free(x->d_v);
    free(x->lse);
}

/* Over scratch that holds `garbage`. */
static void
attend(const struct ops *ops, struct attention *a, int garbage, bool backward)
{
    size_t size = ops->attention_scratch(a->queries, a->keys, a->heads, a->head_dim, backward);
    a->scratch = mem_aligned(size);
    memset(a->scratch, garbage, size);
    if (backward)
        ops->attention_backward(a);
    else
        ops->attention_forward(a);
    free(a->scratch);
}

/* A query alone, with the keys it may see, has the bits it has in its block. */
static bool
alone_is_same(const struct ops *ops, const struct attending *x)
{
    bool same = true;
    for (int64_t i = 0; i < x->a.queries; i += 11) {
        struct attention a = x->a;
        bf16 out[1024];
        float lse[4];
        a.queries = 1;
        a.q0 = x->a.q0 + i;
        a.keys = a.q0 + 1;
        a.first = x->a.first + i;
        a.q = x->q + i * a.q_stride;
        a.out = out;
        a.lse = lse;
        a.lse_stride = 1;
        attend(ops, &a, 0xff, false);
        same = same && !memcmp(out, x->out + i * a.out_stride,
                               (size_t)(a.heads * a.head_dim) * sizeof *out);
        for (int64_t h = 0; h < a.heads; h++)
            same = same && lse[h] == x->lse[h * x->a.queries + i];
    }
    return same;
}

static uint64_t
hash_attending(const struct attending *x, uint64_t hash)
{
    size_t q = (size_t)x->q_numbers * sizeof(bf16), kv = (size_t)x->kv_numbers * sizeof(bf16);
    hash = hash64_seeded(x->out, q, hash);
    hash = hash64_seeded(x->d_q, q, hash);
    hash = hash64_seeded(x->d_k, kv, hash);
    hash = hash64_seeded(x->d_v, kv, hash);
    return hash64_seeded(x->lse, (size_t)(x->a.heads * x->a.queries) * sizeof(float), hash);
}

static uint64_t
test_attention(const struct subject *s)
{
    bool alone = true, garbage = true;
    uint64_t hash = 0;
    for (int i = 0; i < ATTENTIONS; i++) {
        struct attending x = attending_new(i), y = attending_new(i);
        attend(&s->ops, &x.a, 0, false);
        alone = alone && alone_is_same(&s->ops, &x);
        attend(&s->ops, &x.a, 0, true);
        attend(&s->ops, &y.a, 0xff, false);
        attend(&s->ops, &y.a, 0xff, true);
        garbage = garbage && hash_attending(&x, 0) == hash_attending(&y, 0);
        hash = hash_attending(&x, hash);
        attending_free(&x);
        attending_free(&y);
    }
    ok(alone, "%s: a query alone has the bits it has in its block", s->name);
    ok(garbage, "%s: forward and backward have the same bits over any scratch", s->name);
    return hash;
}

/* ---- all of it ---- */

/* Every entry of the table by the checks that training itself runs. */
static void
test_checks(const struct subject *s, bool thorough)
{
    static const struct gemm shapes[] = {
        {.tb = true, .m = 128, .n = 200, .k = 384},
        {.m = 100, .n = 384, .k = 300},
        {.ta = true, .m = 130, .n = 100, .k = 513, .c_wide = true, .accumulate = true},
        {.tb = true, .m = 1, .n = 500, .k = 768, .c_wide = true},
        {.ta = true, .tb = true, .m = 77, .n = 129, .k = 330},
    };
    struct kernel_check r;
    int status = kernels_check(s->table, PRECISION_BF16, shapes, sizeof shapes / sizeof *shapes,
                               thorough, &r);
    ok(status == 0, "%s: %d comparisons of the table with FP64, worst %s at %.2f of its bound %s",
       s->name, r.checked, r.worst, r.worst_ratio, status ? err_text() : "");
}

struct hashes {
    uint64_t products, attention;
};

static struct hashes
test_subject(const char *name, void (*fill)(struct ops *), const struct kernels *avx512,
             bool thorough)
{
    static struct kernels table;
    struct hashes h;
    table = *avx512;
    table.name = name;
    fill(&table.ops[PRECISION_BF16]);
    struct subject s = {.name = name, .ops = table.ops[PRECISION_BF16], .table = &table};
    test_checks(&s, thorough);
    h.products = test_products(&s);
    test_rows(&s);
    h.attention = test_attention(&s);
    return h;
}

int
main(void)
{
    test_soft_tiles();
    setenv("LLM_ISA", "avx512", 1);
    const struct kernels *avx512 = kernels_pick(NULL);
    if (!avx512 || !__builtin_cpu_supports("avx512bf16")) {
        skip("AMX kernels in emulation", "this CPU has no AVX-512 with BF16 for what is not tiles");
        return done();
    }
    struct hashes soft = test_subject("software tiles", emulated_amx_bf16, avx512, true);
    ok(emulated_amx_peak(PRECISION_BF16, 0) > 0, "software tiles: the peak's loop ends");

    const char *refusal = amx_refusal();
    if (refusal)
        trap_install();
    /* trapping takes its time: the bits are compared below */
    struct hashes hard = test_subject(refusal ? "trapped instructions" : "AMX", amx_bf16, avx512,
                                      !refusal);
    ok(amx_peak(PRECISION_BF16, 0) > 0, "the peak's loop ends");
    ok(hard.products == soft.products && hard.attention == soft.attention,
       "the objects that ship have the bits of the software tiles (%lld instructions trapped)",
       (long long)trap_count);
    setenv("LLM_ISA", "amx", 1);
    if (refusal) {
        ok(!kernels_pick(NULL) && strstr(err_text(), refusal), "LLM_ISA=amx is refused: %s",
           err_text());
        skip("a run on this CPU's own tiles", refusal);
    } else {
        const struct kernels *amx = kernels_pick(NULL);
        ok(amx && !strcmp(amx->name, "amx") && amx->peak(PRECISION_BF16, 0.01) > 0,
           "LLM_ISA=amx is picked");
    }
    return done();
}

#else

#include "tests/unit/tap.h"

int
main(void)
{
    skip("AMX kernels", "this build is for another processor");
    return done();
}

#endif
