#include "kernels/amx/amx.h"

#include "base/threads.h"
#include "kernels/amx/block.h"
#include "kernels/scratch.h"

/*
 * BF16 GEMM on tiles, blocked as Goto and van de Geijn ("Anatomy of high-performance matrix
 * multiplication", 2008): a strip of B [PRODUCT_DEPTH][32] (16 KiB) stays in the L1 cache while
 * the packed block of A [PRODUCT_ROWS][PRODUCT_DEPTH] (128 KiB) streams past it from L2, 32
 * rows at a time; the sums of a block of C wait in L2 (768 KiB) for the next PRODUCT_DEPTH of k,
 * and leave it, scaled and rounded, behind the last.
 *
 * Inner loop, a step of 32 x 32 x 32: 4 tile loads (64 cache lines, 32 cycles of the two
 * load ports), 4 tile products of 16 cycles, 10 or so prefetches a product: 64 cycles for
 * 65536 flops, the design's 1024 flops a cycle (2.4 TFLOP/s at 2.4 GHz) as long as loads keep up.
 * Bytes a tile product: 1024 from tile loads, of which half (A) come from L2: 32 a cycle of
 * L2's 64 (about 48 in practice); beside it sums, 8 KiB to and fro in the 512 cycles of 8
 * steps, 16 a cycle; B's next strip, 16 KiB in the 4096 cycles of eight blocks, 4 a cycle, from
 * L2 or memory. Packing adds to a tile product: A 0.5 cycles (1.7 transposed; a tile serves
 * 48 products), B, where it is not packed beforehand, 2 to 4 (16 products), the store of C about
 * 100 cycles a 32 x 32 block and call. Expected: 60-70 % of the peak with everything in L2,
 * bounded by L2, not by the tile unit.
 */
enum {
    PRODUCT_DEPTH = 256, /* L1: a strip of B, two of A and the sums of a block, 40 of 48 KiB */
    PRODUCT_ROWS = 256,
    PRODUCT_COLUMNS = 768,
    DEPTH_STEPS = PRODUCT_DEPTH / TILE_DEPTH,
    ROW_STRIPS = PRODUCT_ROWS / STRIP,
    COLUMN_STRIPS = PRODUCT_COLUMNS / STRIP,
    AHEAD = 2 * STEP_NUMBERS, /* A is asked for so many numbers before */
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

/* What the next block needs, asked for little by little. */
struct fetch {
    const char *sum, *b;
    int b_lines; /* a step */
};

static inline void
fetch_step(const bf16 *a, struct fetch *f, bool both)
{
    for (int i = 0; i < (both ? STEP_BYTES : TILE_BYTES) / LINE; i++)
        _mm_prefetch((const char *)(a + AHEAD) + i * LINE, _MM_HINT_T0);
    for (int i = 0; i < 4 * TILE_BYTES / DEPTH_STEPS / LINE; i++, f->sum += LINE)
        _mm_prefetch(f->sum, _MM_HINT_T0);
    for (int i = 0; i < f->b_lines; i++, f->b += LINE)
        _mm_prefetch(f->b, _MM_HINT_T1);
}

/* As block_multiply, with prefetches. */
static void
multiply_32(float *sum, const bf16 *a, const bf16 *b, int64_t steps, bool add, struct fetch f)
{
    block_begin(sum, add);
    for (int64_t s = 0; s < steps; s++, a += STEP_NUMBERS, b += STEP_NUMBERS) {
        block_step(a, b);
        fetch_step(a, &f, true);
    }
    block_end(sum);
}

/* The same for up to 16 rows: half of the block. */
static void
multiply_16(float *sum, const bf16 *a, const bf16 *b, int64_t steps, bool add, struct fetch f)
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
        fetch_step(a, &f, false);
    }
    tile_store(sum, 0);
    tile_store(sum + TILE_NUMBERS, 1);
}

/* ---- C ---- */

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

/* The block of C at (row, column) from its sums. */
static void
finish_block(const struct gemm *g, float *sum, int64_t row, int64_t column)
{
    const __mmask32 in = first_of_32(g->n - column);
    const __m512 scale = _mm512_set1_ps(g->scale != 0 ? (float)g->scale : 1.0f);
    __m512 bias0 = _mm512_setzero_ps(), bias1 = bias0;
    if (g->bias) {
        const float *bias = (const float *)g->bias + column;
        bias0 = _mm512_maskz_loadu_ps((__mmask16)in, bias);
        bias1 = _mm512_maskz_loadu_ps((__mmask16)(in >> 16), bias + 16);
    }
    int64_t rows = at_most(g->m - row, STRIP);
    for (int64_t i = 0; i < rows; i++)
        finish_row(g, block_row(sum, i, 0), (row + i) * g->ldc + column, scale, bias0, bias1, in);
}

/* C's lines, before the products whose sums go there. */
static void
fetch_block(const struct gemm *g, int64_t row, int64_t column)
{
    int64_t size = g->c_wide ? sizeof(float) : sizeof(bf16);
    int64_t rows = at_most(g->m - row, STRIP), bytes = at_most(g->n - column, STRIP) * size;
    const char *c = (const char *)g->c + (row * g->ldc + column) * size;
    for (int64_t i = 0; i < rows; i++, c += g->ldc * size) {
        __builtin_prefetch(c, 1);
        __builtin_prefetch(c + bytes - 1, 1);
    }
}

/* ---- the loops ---- */

/* A block of C, [row, row + rows) x [column, column + columns), and a part of k. */
struct part {
    int64_t row, rows, column, columns, p, depth;
    bool first, last; /* of k's parts */
};

/* All blocks of one strip of columns. `next` is what B needs after it. */
static void
run_strip(const struct gemm *g, struct product_scratch *s, const struct part *x, int64_t column,
          const bf16 *b, const bf16 *next)
{
    const int64_t strips = (x->rows + STRIP - 1) / STRIP, steps = steps_of(x->depth);
    const int64_t lines = DEPTH_STEPS * STEP_BYTES / LINE, rounds = strips * (steps ? steps : 1);
    float *sum = s->sum + (column - x->column) / STRIP * ROW_STRIPS * BLOCK_NUMBERS;
    struct fetch f = {.b = (const char *)next, .b_lines = (int)((lines + rounds - 1) / rounds)};
    for (int64_t i = 0; i < strips; i++, sum += BLOCK_NUMBERS) {
        const bf16 *a = s->a + i * steps * STEP_NUMBERS;
        f.sum = (const char *)(sum + BLOCK_NUMBERS);
        if (x->last)
            fetch_block(g, x->row + i * STRIP, column);
        if (x->rows - i * STRIP > TILE_SIDE)
            multiply_32(sum, a, b, steps, !x->first, f);
        else
            multiply_16(sum, a, b, steps, !x->first, f);
        f.b += steps * f.b_lines * LINE;
        if (x->last)
            finish_block(g, sum, x->row + i * STRIP, column);
    }
}

static void
run_part(const struct gemm *g, struct product_scratch *s, const struct part *x)
{
    const int64_t whole = strip_numbers(g->k);
    const bf16 *packed = g->b_packed;
    if (packed)
        packed += g->b_column / STRIP * whole + steps_of(x->p) * STEP_NUMBERS;
    pack_a(s, g, x->row, x->rows, x->p, x->depth);
    tile_begin();
    for (int64_t j = x->column; j < x->column + x->columns; j += STRIP) {
        if (packed) {
            const bf16 *b = packed + j / STRIP * whole;
            run_strip(g, s, x, j, b, b + whole);
            continue;
        }
        pack_b(s->b, g->tb, g->b, g->ldb, j, at_most(g->n - j, STRIP), x->p, x->depth);
        run_strip(g, s, x, j, s->b, s->b);
    }
    tile_end();
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
