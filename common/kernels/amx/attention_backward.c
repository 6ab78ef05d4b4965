#include "kernels/amx/amx.h"

#include "kernels/amx/attention.h"

/*
 * Backward attention in blocks (Dao et al., 2022, algorithm 4) on tiles: 64 queries of a head
 * against 64 keys at a time. With D_i = d_out_i out_i, per 32 x 32 scores
 *
 *   S^T = K Q^T, dP^T = V d_out^T     P = e^(scale S - lse), dS = P (dP - D) scale
 *
 * and per 64 x 64, whose P^T and dS^T (BF16, 24 KiB) stay in L1,
 *
 *   dV += P^T d_out, dK += dS^T Q, dQ^T += K^T dS^T
 *
 * K, V in rows and K transposed are packed once a call; Q and d_out of 64 queries once a head,
 * each as the transposed and as the plain operand. dK and dV are summed in FP32 in scratch
 * over all heads, dQ in scratch over the keys.
 *
 * Per 16 scores of width 64: 10 cycles of tile products (640 flops a score), 8 to 10 of sums
 * loaded and stored (dK, dV: 2 steps of products for each), 27 vector instructions (13 or 14
 * cycles), the phases one after the other; 14 bytes x keys x width of scratch. Measured as
 * gemm.c, all but the tile products: causal, 1024 queries, 630 GFLOP/s at width 64, 560 at 128
 * (AVX-512's kernel 146).
 */
enum { QUERIES = 2 * STRIP, KEYS = 2 * STRIP, SQUARE = QUERIES * KEYS };

struct backward_work {
    bf16 *k, *v, *k_across;        /* K, V in rows; K^T in rows */
    bf16 *q, *d_out;               /* Q^T, d_out^T in pairs: strips of queries */
    bf16 *q_across, *d_out_across; /* Q, d_out in pairs over queries: strips of width */
    bf16 *p_rows, *ds_rows;        /* P^T, dS^T in rows: strips of keys */
    bf16 *ds_pairs;                /* dS^T in pairs: strips of queries */
    float *s, *dp;                 /* one block each */
    float *d_q, *d_k, *d_v;        /* blocks: [width/32][2], [keys/32][width/32] */
    float *lse, *delta;            /* [QUERIES], times log2 e; times scale */
    size_t size;
};

static struct backward_work
backward_carve(char *base, int64_t keys, int64_t head_dim)
{
    struct backward_work w = {0};
    const int64_t n = padded(head_dim), rows = padded(keys);
    const int64_t half = sizeof(bf16), full = sizeof(float);
    w.k = carve(base, &w.size, rows * n * half);
    w.v = carve(base, &w.size, rows * n * half);
    w.k_across = carve(base, &w.size, rows * n * half);
    w.q = carve(base, &w.size, QUERIES * n * half);
    w.d_out = carve(base, &w.size, QUERIES * n * half);
    w.q_across = carve(base, &w.size, QUERIES * n * half);
    w.d_out_across = carve(base, &w.size, QUERIES * n * half);
    w.p_rows = carve(base, &w.size, SQUARE * half);
    w.ds_rows = carve(base, &w.size, SQUARE * half);
    w.ds_pairs = carve(base, &w.size, SQUARE * half);
    w.s = carve(base, &w.size, BLOCK_NUMBERS * full);
    w.dp = carve(base, &w.size, BLOCK_NUMBERS * full);
    w.d_q = carve(base, &w.size, QUERIES * n * full);
    w.d_k = carve(base, &w.size, rows * n * full);
    w.d_v = carve(base, &w.size, rows * n * full);
    w.lse = carve(base, &w.size, QUERIES * full);
    w.delta = carve(base, &w.size, QUERIES * full);
    return w;
}

size_t
amx_backward_scratch(int64_t keys, int64_t head_dim)
{
    return backward_carve(NULL, keys, head_dim).size;
}

static inline __m512
widen16(const bf16 *x, int64_t left)
{
    __m256i half = _mm256_maskz_loadu_epi16(first_of_16(left), x);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* x y over n, each lane one chain. */
static inline float
dot(const bf16 *x, const bf16 *y, int64_t n)
{
    __m512 sum = _mm512_setzero_ps();
    for (int64_t j = 0; j < n; j += 16)
        sum = _mm512_fmadd_ps(widen16(x + j, n - j), widen16(y + j, n - j), sum);
    return _mm512_reduce_add_ps(sum);
}

/* Where the parts of 64 queries are: Q, d_out in both orders, lse and D. */
static void
load_queries(const struct attention *a, const struct backward_work *w, int64_t head, int64_t row,
             int64_t rows)
{
    const int64_t n = a->head_dim, at_out = row * a->out_stride + head * n;
    const bf16 *q = (const bf16 *)a->q + row * a->q_stride + head * n;
    const bf16 *out = (const bf16 *)a->out + at_out, *d_out = (const bf16 *)a->d_out + at_out;
    const float *lse = (const float *)a->lse + head * a->lse_stride + row;
    pack_pairs_along(w->q, q, a->q_stride, rows, n);
    pack_pairs_along(w->d_out, d_out, a->out_stride, rows, n);
    for (int64_t j = 0, at = 0; j < n; j += STRIP, at += QUERIES / TILE_DEPTH * STEP_NUMBERS) {
        strip_pairs_across(w->q_across + at, q + j, a->q_stride, at_most(n - j, STRIP), rows);
        strip_pairs_across(w->d_out_across + at, d_out + j, a->out_stride, at_most(n - j, STRIP),
                           rows);
    }
    for (int64_t i = 0; i < QUERIES; i++) {
        w->lse[i] = i < rows ? (float)((double)lse[i] * LOG2_E) : 0;
        w->delta[i] = i < rows ? dot(d_out + i * a->out_stride, out + i * a->out_stride, n) *
                                     (float)a->scale
                               : 0;
    }
}

/* The constants of 16 queries. */
struct lanes {
    __m512 lse, delta, scale2, scale;
};

/* *p = e^(scale s - lse), *ds = p (dp - D) scale; both 0 where `in` is not set. */
static inline void
gradients(const struct lanes *x, __mmask16 in, const float *s, const float *dp, __m512 *p,
          __m512 *ds)
{
    *p = power2(in, _mm512_fmsub_ps(_mm512_load_ps(s), x->scale2, x->lse));
    *ds = _mm512_maskz_mul_ps(in, *p, _mm512_fmsub_ps(_mm512_load_ps(dp), x->scale, x->delta));
}

/*
 * From the block of S and dP at (keys from `key` on, strip q of the queries): P and dS in rows,
 * dS in pairs, the block's parts of w->p_rows, w->ds_rows, w->ds_pairs.
 */
static void
softmax_block(const struct attention *a, const struct backward_work *w, const struct sight *sight,
              int64_t key, int q, bf16 *p_rows, bf16 *ds_rows, bf16 *ds_pairs)
{
    struct lanes x[2];
    bool all[2];
    for (int half = 0; half < 2; half++) {
        x[half].lse = _mm512_load_ps(w->lse + STRIP * q + 16 * half);
        x[half].delta = _mm512_load_ps(w->delta + STRIP * q + 16 * half);
        x[half].scale2 = _mm512_set1_ps((float)(a->scale * LOG2_E));
        x[half].scale = _mm512_set1_ps((float)a->scale);
        all[half] = sees_all(sight, half, key, STRIP);
    }
    for (int64_t j = 0; j < STRIP; j += 2) {
        __m512 p[2][2], ds[2][2];
        for (int64_t i = 0; i < 2; i++)
            for (int half = 0; half < 2; half++)
                gradients(&x[half], all[half] ? 0xFFFF : sees(sight, half, key + j + i),
                          block_row(w->s, j + i, half), block_row(w->dp, j + i, half), &p[i][half],
                          &ds[i][half]);
        for (int64_t i = 0; i < 2; i++) {
            _mm512_store_si512(p_rows + (j + i) * TILE_DEPTH, round32(p[i][0], p[i][1]));
            _mm512_store_si512(ds_rows + (j + i) * TILE_DEPTH, round32(ds[i][0], ds[i][1]));
        }
        for (int half = 0; half < 2; half++)
            _mm512_store_si512(ds_pairs + half * (STEP_NUMBERS / 2) + j / 2 * 32,
                               pair_up(ds[0][half], ds[1][half]));
    }
}

/* P and dS of 64 queries and `strips` strips of keys from `key` on. */
static void
square(const struct attention *a, const struct backward_work *w, const struct sight sight[2],
       int64_t key, int64_t strips)
{
    const int64_t n = padded(a->head_dim), steps = n / TILE_DEPTH;
    for (int64_t i = 0; i < strips; i++)
        for (int q = 0; q < 2; q++) {
            const int64_t first = key + i * STRIP;
            bf16 *p_rows = w->p_rows + (2 * i + q) * STEP_NUMBERS;
            bf16 *ds_rows = w->ds_rows + (2 * i + q) * STEP_NUMBERS;
            bf16 *ds_pairs = w->ds_pairs + (2 * q + i) * STEP_NUMBERS;
            if (first > sight[q].any_to || first + STRIP <= sight[q].any_from) {
                memset(p_rows, 0, STEP_BYTES);
                memset(ds_rows, 0, STEP_BYTES);
                memset(ds_pairs, 0, STEP_BYTES);
                continue;
            }
            block_multiply(w->s, w->k + first * n, w->q + q * STRIP * n, steps, false);
            block_multiply(w->dp, w->v + first * n, w->d_out + q * STRIP * n, steps, false);
            softmax_block(a, w, &sight[q], first, q, p_rows, ds_rows, ds_pairs);
        }
}

static void
backward_keys(const struct attention *a, const struct backward_work *w, const struct sight sight[2],
              int64_t key, int64_t strips, int64_t query_strips, bool begun)
{
    const int64_t width = padded(a->head_dim) / STRIP, key_steps = padded(a->keys) / TILE_DEPTH;
    const int64_t operand = QUERIES / TILE_DEPTH * STEP_NUMBERS;
    square(a, w, sight, key, strips);
    for (int64_t i = 0; i < strips; i++)
        for (int64_t d = 0; d < width; d++) {
            const int64_t at = ((key / STRIP + i) * width + d) * BLOCK_NUMBERS;
            block_multiply(w->d_v + at, w->p_rows + i * operand, w->d_out_across + d * operand,
                           query_strips, true);
            block_multiply(w->d_k + at, w->ds_rows + i * operand, w->q_across + d * operand,
                           query_strips, true);
        }
    for (int64_t d = 0; d < width; d++)
        for (int64_t q = 0; q < query_strips; q++)
            block_multiply(w->d_q + (2 * d + q) * BLOCK_NUMBERS,
                           w->k_across + (d * key_steps + key / TILE_DEPTH) * STEP_NUMBERS,
                           w->ds_pairs + q * 2 * STEP_NUMBERS, strips, begun);
}

static void
backward_queries(const struct attention *a, const struct backward_work *w, int64_t head,
                 int64_t row)
{
    const int64_t rows = at_most(a->queries - row, QUERIES), n = a->head_dim;
    const struct sight sight[2] = {sight_of(a, row), sight_of(a, row + STRIP)};
    const __m512 one[2] = {_mm512_set1_ps(1.0f), _mm512_set1_ps(1.0f)};
    load_queries(a, w, head, row, rows);
    const int64_t first = at_most(sight[0].any_from, sight[1].any_from);
    const int64_t last = sight[1].any_to > sight[0].any_to ? sight[1].any_to : sight[0].any_to;
    const int64_t from = first / STRIP * STRIP, to = padded(last + 1);
    if (from >= to)
        memset(w->d_q, 0, (size_t)(QUERIES * padded(n)) * sizeof *w->d_q);
    for (int64_t key = from; key < to; key += KEYS)
        backward_keys(a, w, sight, key, at_most(to - key, KEYS) / STRIP, steps_of(rows),
                      key > from);
    for (int64_t q = 0; q * STRIP < rows; q++)
        store_transposed(a, a->d_q, (row + q * STRIP) * a->dq_stride + head * n, a->dq_stride,
                         w->d_q + q * BLOCK_NUMBERS, 2 * BLOCK_NUMBERS,
                         at_most(rows - q * STRIP, STRIP), one);
}

/* Blocks [keys/32][width/32] as rows of results. */
static void
store_keys(const struct attention *a, void *out, float *blocks)
{
    const int64_t n = a->head_dim, width = padded(n) / STRIP;
    for (int64_t j = 0; j < a->keys; j++)
        for (int64_t d = 0; d < width; d++) {
            float *block = blocks + (j / STRIP * width + d) * BLOCK_NUMBERS;
            __m512 low = _mm512_load_ps(block_row(block, j % STRIP, 0));
            __m512 high = _mm512_load_ps(block_row(block, j % STRIP, 1));
            store_result(a, out, j * a->dkv_stride + d * STRIP, n - d * STRIP, low, high);
        }
}

void
amx_attention_backward(const struct attention *a)
{
    const struct backward_work w = backward_carve(a->scratch, a->keys, a->head_dim);
    const int64_t n = a->head_dim;
    const size_t sums = (size_t)(padded(a->keys) * padded(n)) * sizeof(float);
    pack_rows_along(w.k, a->k, a->kv_stride, a->keys, n);
    pack_rows_along(w.v, a->v, a->kv_stride, a->keys, n);
    pack_rows_across(w.k_across, a->k, a->kv_stride, n, a->keys);
    memset(w.d_k, 0, sums);
    memset(w.d_v, 0, sums);
    tile_begin();
    for (int64_t head = 0; head < a->heads; head++)
        for (int64_t row = 0; row < a->queries; row += QUERIES)
            backward_queries(a, &w, head, row);
    tile_end();
    store_keys(a, a->d_k, w.d_k);
    store_keys(a, a->d_v, w.d_v);
}
