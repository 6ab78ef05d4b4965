#include "kernels/amx/amx.h"

#include "base/threads.h"
#include "kernels/amx/block.h"
#include "kernels/scratch.h"

/*
 * BF16 GEMM on tiles, blocked as Goto and van de Geijn ("Anatomy of high-performance matrix
 * multiplication", 2008): a strip of B [PRODUCT_DEPTH][32] (16 KiB) stays in the L1 cache while
 * the packed block of A [PRODUCT_ROWS][PRODUCT_DEPTH] (128 KiB) streams past it from L2, 32
 * rows at a time; the sums of a block of C wait in L2 (768 KiB) for the next PRODUCT_DEPTH of k.
 *
 * Inner loop, a step of 32 x 32 x 32: 4 tile loads (64 cache lines, 32 cycles of the two
 * load ports) and 4 tile products of 16 cycles: 64 cycles for 65536 flops, the design's 1024
 * flops a cycle (2.4 TFLOP/s at 2.4 GHz). Bytes a tile product: 1024 from tile loads, half of
 * them (A) from L2, 32 a cycle; beside it the sums, 4 KiB in and out a block of 512 cycles.
 *
 * No AMX was at hand: these loops were measured with tile loads and stores replaced by the same
 * loads and stores of registers and without the products (Sapphire Rapids, 2.8 GHz, L2
 * reads 52 and writes 17 bytes a cycle, L3 reads 9.5). Moving the data then takes 1.9 to 2.2
 * times what the tile products would, packing of A and the writing of C included (1.3
 * for the inner loops alone): 1.3 to 1.5 TFLOP/s are what memory allows where the products
 * overlap with it. PRODUCT_DEPTH of 384, 512 and 1024, sums held in L1 (64 x 64 over 128 of k),
 * and prefetches of A or the sums to L1 all took longer; C written block by block instead of
 * row by row 1.3 times as long where it is wide.
 */
enum {
    PRODUCT_DEPTH = 256,
    PRODUCT_ROWS = 256,
    PRODUCT_COLUMNS = 768,
    ROW_STRIPS = PRODUCT_ROWS / STRIP,
    LINE = 64
};

struct product_scratch {
    bf16 a[PRODUCT_ROWS * PRODUCT_DEPTH];
    bf16 b[STRIP * PRODUCT_DEPTH];
    float sum[PRODUCT_ROWS * PRODUCT_COLUMNS];
};

/* ---- packing ---- */

/* Rows [row, row + rows) of op(A), k in [p, p + depth): strips at s->a. */
static void
pack_a(struct product_scratch *s, const struct gemm *g, int64_t row, int64_t rows, int64_t p,
       int64_t depth)
{
    const bf16 *a = (const bf16 *)g->a + (g->ta ? p * g->lda + row : row * g->lda + p);
    bf16 *out = s->a;
    for (int64_t i = 0; i < rows; i += STRIP, out += steps_of(depth) * STEP_NUMBERS)
        if (g->ta)
            strip_rows_across(out, a + i, g->lda, at_most(rows - i, STRIP), depth);
        else
            strip_rows_along(out, a + i * g->lda, g->lda, at_most(rows - i, STRIP), depth);
}

/* One strip of op(B): up to 32 columns from `column` on, k in [p, p + depth). */
static void
pack_b(bf16 *out, bool tb, const bf16 *b, int64_t ldb, int64_t column, int64_t columns, int64_t p,
       int64_t depth)
{
    if (tb)
        strip_pairs_along(out, b + column * ldb + p, ldb, columns, depth);
    else
        strip_pairs_across(out, b + p * ldb + column, ldb, columns, depth);
}

/* Numbers of a whole strip of B. */
static inline int64_t
strip_numbers(int64_t k)
{
    return steps_of(k) * STEP_NUMBERS;
}

size_t
amx_gemm_pack_size(bool tb, int64_t n, int64_t k)
{
    (void)tb;
    return (size_t)((n + STRIP - 1) / STRIP * strip_numbers(k)) * sizeof(bf16);
}

/* PACK_COLUMNS is a multiple of STRIP: parts meet at strips. */
void
amx_gemm_pack(bool tb, int64_t n, int64_t k, const void *b, int64_t ldb, int64_t column,
              int64_t columns, void *packed)
{
    bf16 *out = (bf16 *)packed + column / STRIP * strip_numbers(k);
    int64_t end = at_most(n, column + columns);
    for (int64_t j = column; j < end; j += STRIP, out += strip_numbers(k))
        pack_b(out, tb, b, ldb, j, at_most(end - j, STRIP), 0, k);
}

/* ---- products ---- */

/* Lines of memory that will be needed, asked for little by little. */
struct fetch {
    const char *at;
    int lines; /* a step */
};

static inline void
fetch_step(struct fetch *f)
{
    for (int i = 0; i < f->lines; i++, f->at += LINE)
        _mm_prefetch(f->at, _MM_HINT_T1);
}

/* sum = a b (+ sum) over `steps` steps. */
static void
multiply_32(float *sum, const bf16 *a, const bf16 *b, int64_t steps, bool add, struct fetch *f)
{
    block_begin(sum, add);
    for (int64_t s = 0; s < steps; s++, a += STEP_NUMBERS, b += STEP_NUMBERS) {
        block_step(a, b);
        fetch_step(f);
    }
    block_end(sum);
}

/* The same for up to 16 rows: half of the block. */
static void
multiply_16(float *sum, const bf16 *a, const bf16 *b, int64_t steps, bool add, struct fetch *f)
{
    if (add) {
        tile_load(0, sum);
        tile_load(1, sum + TILE_NUMBERS);
    } else {
        tile_zero(0);
        tile_zero(1);
    }
    for (int64_t s = 0; s < steps; s++, a += STEP_NUMBERS, b += STEP_NUMBERS) {
        tile_load(4, a);
        tile_load(6, b);
        tile_dot(0, 4, 6);
        tile_load(7, b + STEP_NUMBERS / 2);
        tile_dot(1, 4, 7);
        fetch_step(f);
    }
    tile_store(sum, 0);
    tile_store(sum + TILE_NUMBERS, 1);
}

/* ---- C ---- */

/* A block of C, [row, row + rows) x [column, column + columns), and a part of k. */
struct part {
    int64_t row, rows, column, columns, p, depth;
    bool first, last; /* of k's parts */
};

static inline __m512
widen16(__m256i x)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

/* One row of a block, 32 columns of which `in` are C's: times scale, plus C, plus bias. */
static inline void
finish_row(const struct gemm *g, const float *low, int64_t at, __m512 scale, __m512 bias0,
           __m512 bias1, __mmask32 in)
{
    const __mmask16 in0 = (__mmask16)in, in1 = (__mmask16)(in >> 16);
    __m512 x0 = _mm512_add_ps(_mm512_mul_ps(_mm512_load_ps(low), scale), bias0);
    __m512 x1 = _mm512_add_ps(_mm512_mul_ps(_mm512_load_ps(low + TILE_NUMBERS), scale), bias1);
    if (g->c_wide) {
        float *c = (float *)g->c + at;
        if (g->accumulate) {
            x0 = _mm512_add_ps(_mm512_maskz_loadu_ps(in0, c), x0);
            x1 = _mm512_add_ps(_mm512_maskz_loadu_ps(in1, c + 16), x1);
        }
        _mm512_mask_storeu_ps(c, in0, x0);
        _mm512_mask_storeu_ps(c + 16, in1, x1);
        return;
    }
    bf16 *c = (bf16 *)g->c + at;
    if (g->accumulate) {
        __m512i old = _mm512_maskz_loadu_epi16(in, c);
        x0 = _mm512_add_ps(widen16(_mm512_castsi512_si256(old)), x0);
        x1 = _mm512_add_ps(widen16(_mm512_extracti64x4_epi64(old, 1)), x1);
    }
    _mm512_mask_storeu_epi16(c, in, round32(x0, x1));
}

/* Rows of a part of C from its sums, whole lines of memory one after the other. */
static void
finish(const struct gemm *g, float *sum, const struct part *x)
{
    const __m512 scale = _mm512_set1_ps(g->scale != 0 ? (float)g->scale : 1.0f);
    for (int64_t i = 0; i < x->rows; i++) {
        float *block = sum + i / STRIP * BLOCK_NUMBERS;
        for (int64_t j = x->column; j < x->column + x->columns; j += STRIP) {
            const __mmask32 in = first_of_32(g->n - j);
            __m512 bias0 = _mm512_setzero_ps(), bias1 = bias0;
            if (g->bias) {
                const float *bias = (const float *)g->bias + j;
                bias0 = _mm512_maskz_loadu_ps((__mmask16)in, bias);
                bias1 = _mm512_maskz_loadu_ps((__mmask16)(in >> 16), bias + 16);
            }
            finish_row(g, block_row(block, i % STRIP, 0), (x->row + i) * g->ldc + j, scale, bias0,
                       bias1, in);
            block += ROW_STRIPS * BLOCK_NUMBERS;
        }
    }
}

/* ---- the loops ---- */

/* All blocks of one strip of columns; f: what B needs after it. */
static void
run_strip(struct product_scratch *s, const struct part *x, int64_t column, const bf16 *b,
          struct fetch f)
{
    const int64_t steps = steps_of(x->depth);
    float *sum = s->sum + (column - x->column) / STRIP * ROW_STRIPS * BLOCK_NUMBERS;
    const bf16 *a = s->a;
    for (int64_t i = 0; i < x->rows; i += STRIP) {
        if (x->rows - i > TILE_SIDE)
            multiply_32(sum, a, b, steps, !x->first, &f);
        else
            multiply_16(sum, a, b, steps, !x->first, &f);
        sum += BLOCK_NUMBERS;
        a += steps * STEP_NUMBERS;
    }
}

static void
run_part(const struct gemm *g, struct product_scratch *s, const struct part *x)
{
    const int64_t whole = strip_numbers(g->k), strips = (x->rows + STRIP - 1) / STRIP;
    const bf16 *packed = g->b_packed;
    if (packed)
        packed += g->b_column / STRIP * whole + steps_of(x->p) * STEP_NUMBERS;
    pack_a(s, g, x->row, x->rows, x->p, x->depth);
    tile_begin();
    for (int64_t j = x->column; j < x->column + x->columns; j += STRIP) {
        struct fetch next = {NULL, 0};
        const bf16 *b = s->b;
        if (packed) {
            b = packed + j / STRIP * whole;
            next.at = (const char *)(b + whole);
            next.lines = (int)((STEP_BYTES / LINE + strips - 1) / strips);
        } else {
            pack_b(s->b, g->tb, g->b, g->ldb, j, at_most(g->n - j, STRIP), x->p, x->depth);
        }
        run_strip(s, x, j, b, next);
    }
    tile_end();
    if (x->last)
        finish(g, s->sum, x);
    threads_poll();
}

void
amx_gemm(const struct gemm *g)
{
    struct product_scratch *s = kernel_scratch(sizeof *s);
    for (int64_t j = 0; j < g->n; j += PRODUCT_COLUMNS)
        for (int64_t i = 0; i < g->m; i += PRODUCT_ROWS) {
            struct part x = {.row = i,
                             .rows = at_most(g->m - i, PRODUCT_ROWS),
                             .column = j,
                             .columns = at_most(g->n - j, PRODUCT_COLUMNS)};
            do {
                x.depth = at_most(g->k - x.p, PRODUCT_DEPTH);
                x.first = x.p == 0;
                x.last = x.p + x.depth >= g->k;
                run_part(g, s, &x);
                x.p += x.depth;
            } while (!x.last);
        }
}
