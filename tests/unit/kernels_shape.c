/*
 * What llm-eval's scores rest on: in the tables' own products (OpenBLAS switched off) an element
 * does not depend on how many rows are multiplied together, and in attention a query's
 * result not on which other queries are computed with it.
 */
#include "kernels/grid.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/float16.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/blas.h"
#include "tests/unit/kernel_numbers.h"
#include "tests/unit/tap.h"

static void *
numbers(const struct ops *ops, bool wide, int64_t n, uint64_t key)
{
    return kernel_numbers(ops, wide, n, key, -1, 1);
}

static void *
at(void *x, size_t size, int64_t n)
{
    return (char *)x + (int64_t)size * n;
}

/* ---- products ---- */

enum { ROWS = 70, COLUMNS = 83 };

/* Rows [row, row + rows) alone have the bits that they have among all. */
static bool
rows_alone(const struct ops *ops, const struct gemm *whole, int64_t row, int64_t rows)
{
    size_t size = whole->c_wide ? ops->wide_size : ops->act_size;
    void *c = mem_zarray((size_t)(rows * whole->ldc), size);
    struct gemm g = *whole;
    g.m = rows;
    g.a = (const char *)g.a + row * g.lda * (int64_t)ops->act_size;
    g.c = c;
    gemm_run(NULL, ops, &g);
    bool same = memcmp(c, at(whole->c, size, row * g.ldc), (size_t)(rows * g.ldc) * size) == 0;
    free(c);
    return same;
}

/* An arranged B gives the same products, and its rows back. */
static bool
arranged_same(const struct ops *ops, const struct gemm *whole, void *c)
{
    size_t size = ops->act_size, bytes = (size_t)(whole->n * whole->k) * size;
    char *b = memcpy(mem_alloc(bytes), whole->b, bytes), *row = mem_alloc((size_t)whole->k * size);
    bool same = true;
    if (ops->gemm_arrange && ops->gemm_arrange(b, whole->n, whole->k)) {
        for (int64_t m = 1; m <= ROWS; m = m < 6 ? m + 1 : 3 * m) {
            struct gemm g = *whole;
            g.b = b;
            g.b_arranged = true;
            g.m = m;
            g.c = c;
            memset(c, 0xff, (size_t)(ROWS * COLUMNS) * ops->wide_size);
            gemm_run(NULL, ops, &g);
            size_t width = g.c_wide ? ops->wide_size : size;
            same = same && memcmp(c, whole->c, (size_t)(m * g.ldc) * width) == 0;
        }
        for (int64_t i = 0; i < whole->n; i++) {
            ops->gemm_arranged_row(row, b, whole->n, whole->k, i);
            same = same && memcmp(row, (const char *)whole->b + (size_t)(i * whole->k) * size,
                                  (size_t)whole->k * size) == 0;
        }
    }
    free(b);
    free(row);
    return same;
}

static int
differing(const struct ops *ops, int64_t k, bool c_wide, bool bias)
{
    static const int64_t parts[] = {1, 2, 3, 4, 5, 7, 8, 13, 14, 16, 17, 28, 33, 64};
    int wrong = 0;
    struct gemm g = {.tb = true,
                     .m = ROWS,
                     .n = COLUMNS,
                     .k = k,
                     .a = numbers(ops, false, ROWS * k, 1),
                     .lda = k,
                     .b = numbers(ops, false, COLUMNS * k, 2),
                     .ldb = k,
                     .c = mem_zarray(ROWS * COLUMNS, ops->wide_size),
                     .ldc = COLUMNS,
                     .c_wide = c_wide,
                     .bias = bias ? numbers(ops, true, COLUMNS, 3) : NULL};
    gemm_run(NULL, ops, &g);
    void *again = mem_alloc(ROWS * COLUMNS * ops->wide_size);
    wrong += !arranged_same(ops, &g, again);
    free(again);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (int64_t row = (int64_t)i; row + parts[i] <= ROWS; row += 23)
            wrong += !rows_alone(ops, &g, row, parts[i]);
    free((void *)(uintptr_t)g.a);
    free((void *)(uintptr_t)g.b);
    free((void *)(uintptr_t)g.bias);
    free(g.c);
    return wrong;
}

static void
test_products(const struct kernels *k, enum precision p)
{
    static const int64_t depths[] = {1,   2,   7,   31,  32,  33,  64,  255, 256,
                                     257, 383, 384, 385, 511, 640, 641, 768, 1030};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
        for (int way = 0; way < 3; way++) {
            int wrong = differing(&k->ops[p], depths[i], way != 1, way == 2);
            if (wrong)
                ok(false, "%s %s: k = %lld, way %d: %d parts of the rows have other bits", k->name,
                   precision_name(p), (long long)depths[i], way, wrong);
        }
    ok(true, "%s %s: products of 1 to 70 rows", k->name, precision_name(p));
}

/* ---- attention ---- */

enum { KEYS = 300, HEADS = 3, HEAD = 40, WIDTH = HEADS * HEAD };

/* Forward of queries [row, row + n) over the keys up to the last of them. */
static void
attend(const struct ops *ops, void *out, void *q, void *k, void *v, const int32_t *first,
       int64_t row, int64_t n)
{
    struct attention a = {.queries = n,
                          .keys = row + n,
                          .heads = HEADS,
                          .head_dim = HEAD,
                          .q0 = row,
                          .first = first + row,
                          .scale = 0.158,
                          .q = at(q, ops->act_size, row * WIDTH),
                          .k = k,
                          .v = v,
                          .out = at(out, ops->act_size, row * WIDTH),
                          .q_stride = WIDTH,
                          .kv_stride = HEAD,
                          .out_stride = WIDTH};
    a.scratch = mem_aligned(ops->attention_scratch(n, row + n, HEADS, HEAD, false));
    ops->attention_forward(&a);
    free(a.scratch);
}

static void
test_attention(const struct kernels *k, enum precision p, const char *what, int window,
               int document)
{
    static const int pieces[] = {1, 2, 7, 16, 33, 64, 100, 129};
    const struct ops *ops = &k->ops[p];
    size_t bytes = (size_t)(KEYS * WIDTH) * ops->act_size;
    void *q = numbers(ops, false, KEYS * WIDTH, 4), *keys = numbers(ops, false, KEYS * HEAD, 5);
    void *v = numbers(ops, false, KEYS * HEAD, 6), *whole = mem_alloc(bytes);
    void *parts = mem_alloc(bytes);
    int32_t first[KEYS];
    for (int i = 0; i < KEYS; i++) {
        first[i] = document ? i / document * document : 0;
        if (window && i - window + 1 > first[i])
            first[i] = i - window + 1;
    }
    attend(ops, whole, q, keys, v, first, 0, KEYS);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        for (int64_t row = 0; row < KEYS; row += pieces[i])
            attend(ops, parts, q, keys, v, first, row,
                   KEYS - row < pieces[i] ? KEYS - row : pieces[i]);
        ok(memcmp(whole, parts, bytes) == 0, "%s %s: attention, %s, %d queries at a time", k->name,
           precision_name(p), what, pieces[i]);
    }
    free(q);
    free(keys);
    free(v);
    free(whole);
    free(parts);
}

int
main(void)
{
    for (int level = 0; kernels_level_name(level); level++) {
        setenv("LLM_ISA", kernels_level_name(level), 1);
        const struct kernels *k = kernels_pick(NULL);
        if (!k)
            continue;
        blas_disable("the test is about the tables' own products");
        for (enum precision p = PRECISION_FP32; p <= PRECISION_BF16; p++) {
            test_products(k, p);
            test_attention(k, p, "one document", 0, 0);
            test_attention(k, p, "documents", 0, 77);
            test_attention(k, p, "a sliding window", 50, 0);
        }
    }
    return done();
}
