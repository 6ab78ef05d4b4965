#include "kernels/amx/amx.h"

#include "kernels/amx/attention.h"

/*
 * Blocked attention with a running maximum (Dao et al., 2022, algorithm 1) on tiles: 32
 * queries of a head against up to 128 keys at a time, whose scores (16 KiB) and P (8 KiB) stay
 * in L1; K in rows and V transposed are packed once a call, for all heads of the group. Blocks
 * of keys begin at multiples of 128 whatever the queries, and what a query does not see is
 * an exact zero: its result does not depend on the queries beside it.
 *
 * Per 16 scores of width 64: 4 cycles of tile products (256 flops a score at 1024 a cycle), 4
 * of sums loaded and stored, and 23 vector instructions at two a cycle for maximum,
 * exponential, sum and rounding (11 or 12 cycles, the bound). Measured as gemm.c, all but the tile
 * products: causal, 1024 queries, 510 GFLOP/s at width 64, 650 at 128 (a fifth of the tile
 * peak; AVX-512's kernel 137).
 */
enum { QUERIES = STRIP, KEYS = 128 };

struct forward_work {
    bf16 *k, *v; /* K in rows; V^T in rows: [width/32] strips over keys */
    bf16 *q, *p; /* Q^T in pairs; P^T in pairs [keys/32][2][16][16][2] */
    float *scores, *out;
    size_t size;
};

static struct forward_work
forward_carve(char *base, int64_t keys, int64_t head_dim)
{
    struct forward_work w = {0};
    const int64_t n = padded(head_dim), rows = padded(keys);
    w.k = carve(base, &w.size, rows * n * (int64_t)sizeof(bf16));
    w.v = carve(base, &w.size, rows * n * (int64_t)sizeof(bf16));
    w.q = carve(base, &w.size, QUERIES * n * (int64_t)sizeof(bf16));
    w.p = carve(base, &w.size, QUERIES * KEYS * (int64_t)sizeof(bf16));
    w.scores = carve(base, &w.size, QUERIES * KEYS * (int64_t)sizeof(float));
    w.out = carve(base, &w.size, QUERIES * n * (int64_t)sizeof(float));
    return w;
}

/* Backward's scratch holds forward's, too: the decoder takes one for both. */
size_t
amx_attention_scratch(int64_t queries, int64_t keys, int64_t heads, int64_t head_dim, bool backward)
{
    (void)queries, (void)heads;
    size_t forward = forward_carve(NULL, keys, head_dim).size;
    size_t most = backward ? amx_backward_scratch(keys, head_dim) : 0;
    return most > forward ? most : forward;
}

/* What has been seen by 16 queries: the largest score, the sum of e^(scale (s - max)). */
struct running {
    __m512 max, total;
};

/* The largest of `max` and the scores of keys [key, key + count) that are seen. */
static inline __m512
largest(float *scores, const struct sight *sight, int half, int64_t key, int64_t count, __m512 max)
{
    if (sees_all(sight, half, key, count)) {
        for (int64_t j = 0; j < count; j++)
            max = _mm512_max_ps(max, _mm512_load_ps(block_row(scores, j, half)));
        return max;
    }
    for (int64_t j = 0; j < count; j++)
        max = _mm512_mask_max_ps(max, sees(sight, half, key + j), max,
                                 _mm512_load_ps(block_row(scores, j, half)));
    return max;
}

/* p = e^(scale (s - max)) of a block's keys in pairs; adds to *total. */
static inline void
exponentials(bf16 *p, float *scores, const struct sight *sight, int half, int64_t key, __m512 max,
             __m512 scale, __m512 *total)
{
    const bool all = sees_all(sight, half, key, STRIP);
    __m512 sum = *total;
    for (int64_t j = 0; j < STRIP; j += 2) {
        __m512 x = _mm512_load_ps(block_row(scores, j, half));
        __m512 y = _mm512_load_ps(block_row(scores, j + 1, half));
        __mmask16 in_x = all ? 0xFFFF : sees(sight, half, key + j);
        __mmask16 in_y = all ? 0xFFFF : sees(sight, half, key + j + 1);
        x = power2(in_x, _mm512_mul_ps(_mm512_sub_ps(x, max), scale));
        y = power2(in_y, _mm512_mul_ps(_mm512_sub_ps(y, max), scale));
        sum = _mm512_add_ps(sum, x);
        sum = _mm512_add_ps(sum, y);
        _mm512_store_si512(p + half * (STEP_NUMBERS / 2) + j / 2 * 32, pair_up(x, y));
    }
    *total = sum;
}

/* The sums of one half so far, brought to the new maximum. */
static inline void
rescale(float *out, int64_t n, int half, __m512 factor)
{
    for (int64_t d = 0; d < n; d++) {
        float *row = block_row(out + d / STRIP * BLOCK_NUMBERS, d % STRIP, half);
        _mm512_store_ps(row, _mm512_mul_ps(_mm512_load_ps(row), factor));
    }
}

/*
 * Scores of keys [key, key + count) become P; `begun`: there are sums already. Where the second
 * half has no query its P is left as it is: no sum that is used depends on it.
 */
static void
softmax_block(const struct attention *a, const struct forward_work *w, const struct sight *sight,
              int halves, int64_t key, int64_t count, bool begun, struct running seen[2])
{
    const __m512 scale = _mm512_set1_ps((float)(a->scale * LOG2_E)), one = _mm512_set1_ps(1.0f);
    for (int half = 0; half < halves; half++) {
        struct running *r = &seen[half];
        __m512 max = r->max;
        for (int64_t j = 0; j < count; j += STRIP)
            max = largest(w->scores + j * STRIP, sight, half, key + j, STRIP, max);
        /* at the first block -FLT_MAX less a maximum: kept finite */
        __m512 less = _mm512_mul_ps(_mm512_sub_ps(r->max, max), scale);
        __m512 factor = power2(0xFFFF, _mm512_max_ps(_mm512_set1_ps(-1000.0f), less));
        if (begun && _mm512_cmp_ps_mask(factor, one, _CMP_NEQ_UQ))
            rescale(w->out, padded(a->head_dim), half, factor);
        r->max = max;
        r->total = _mm512_mul_ps(r->total, factor);
        for (int64_t j = 0; j < count; j += STRIP)
            exponentials(w->p + j / STRIP * STEP_NUMBERS, w->scores + j * STRIP, sight, half,
                         key + j, max, scale, &r->total);
    }
}

/* Queries that saw nothing, and lanes without one, stand at -FLT_MAX. */
static void
raise_largest(const struct attention *a, const struct running seen[2])
{
    float max = _mm512_reduce_max_ps(_mm512_max_ps(seen[0].max, seen[1].max));
    if (max > -FLT_MAX && max * (float)a->scale > *a->largest)
        *a->largest = max * (float)a->scale;
}

/* out and lse of the queries from the sums. */
static void
store_queries(const struct attention *a, const struct forward_work *w, int64_t head, int64_t row,
              int64_t rows, const struct running seen[2])
{
    const __m512 one = _mm512_set1_ps(1.0f), zero = _mm512_setzero_ps();
    __m512 factor[2];
    for (int half = 0; half < 2; half++) {
        __mmask16 some = _mm512_cmp_ps_mask(seen[half].total, zero, _CMP_NEQ_UQ);
        factor[half] = _mm512_maskz_div_ps(some, one, seen[half].total);
    }
    store_transposed(a, a->out, row * a->out_stride + head * a->head_dim, a->out_stride, w->out,
                     BLOCK_NUMBERS, rows, factor);
    if (a->largest)
        raise_largest(a, seen);
    if (!a->lse)
        return;
    float max[QUERIES], total[QUERIES];
    for (int half = 0; half < 2; half++) {
        _mm512_storeu_ps(max + 16 * half, seen[half].max);
        _mm512_storeu_ps(total + 16 * half, seen[half].total);
    }
    float *lse = (float *)a->lse + head * a->lse_stride + row;
    for (int64_t i = 0; i < rows; i++)
        lse[i] = (float)(a->scale * (double)max[i] + (double)logf(total[i]));
}

static void
forward_queries(const struct attention *a, const struct forward_work *w, int64_t head, int64_t row)
{
    const int64_t n = padded(a->head_dim), rows = at_most(a->queries - row, QUERIES);
    const int64_t width_steps = n / TILE_DEPTH, key_steps = padded(a->keys) / TILE_DEPTH;
    const struct sight sight = sight_of(a, row);
    struct running seen[2];
    for (int half = 0; half < 2; half++) {
        seen[half].max = _mm512_set1_ps(-FLT_MAX);
        seen[half].total = _mm512_setzero_ps();
    }
    strip_pairs_along(w->q, (const bf16 *)a->q + row * a->q_stride + head * a->head_dim,
                      a->q_stride, rows, a->head_dim);
    const int64_t from = sight.any_from / STRIP * STRIP, to = padded(sight.any_to + 1);
    if (from >= to)
        memset(w->out, 0, (size_t)(QUERIES * n) * sizeof *w->out);
    for (int64_t key = from, end; key < to; key = end) {
        end = at_most((key / KEYS + 1) * KEYS, to);
        for (int64_t j = key; j < end; j += STRIP)
            block_multiply(w->scores + (j - key) * STRIP, w->k + j * n, w->q, width_steps, false);
        softmax_block(a, w, &sight, rows > 16 ? 2 : 1, key, end - key, key > from, seen);
        for (int64_t d = 0; d < n / STRIP; d++)
            block_multiply(w->out + d * BLOCK_NUMBERS,
                           w->v + (d * key_steps + key / TILE_DEPTH) * STEP_NUMBERS, w->p,
                           (end - key) / TILE_DEPTH, key > from);
    }
    store_queries(a, w, head, row, rows, seen);
}

void
amx_attention_forward(const struct attention *a)
{
    const struct forward_work w = forward_carve(a->scratch, a->keys, a->head_dim);
    pack_rows_along(w.k, a->k, a->kv_stride, a->keys, a->head_dim);
    pack_rows_across(w.v, a->v, a->kv_stride, a->head_dim, a->keys);
    tile_begin();
    for (int64_t head = 0; head < a->heads; head++)
        for (int64_t row = 0; row < a->queries; row += QUERIES)
            forward_queries(a, &w, head, row);
    tile_end();
}
