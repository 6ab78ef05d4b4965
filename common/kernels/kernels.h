#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/float8.h"

/*
 * The kernel table: what touches numbers, one table an instruction set, each
 * overriding entries of the one before (ref; blas; avx2, avx512, amx; sve). ref/
 * is plain C and defines the result; it is compiled for three precisions from one
 * source.
 *
 *   precision   act: activations,      wide: gradients, statistics,
 *               GEMM weights           norm weights, biases
 *   fp32        float                  float
 *   bf16        bf16 (base/float16.h)  float
 *   fp64        double                 double (ref only: finite differences)
 *
 * "act" and "wide" pointers are void below; a row stride counts elements. Every
 * function works on what it is given, in the calling thread, without allocating (but
 * for a fixed scratch at a thread's first product), and its result depends on
 * nothing but its arguments: not on alignment, nor on what outputs or scratch held.
 * Elementwise functions may be given one array twice. Callers cut work into cells
 * by shape alone (kernels/grid.h), so results never depend on threads.
 */
enum precision { PRECISION_FP32, PRECISION_BF16, PRECISION_FP64, PRECISIONS };

/*
 * C[m][n] = op(A)[m][k] op(B)[k][n] (+ C) (+ bias). Row-major. op(A) is A stored
 * [m][k], or with ta its transpose, stored [k][m]; op(B) is B stored [k][n], or
 * with tb stored [n][k]. A and B are act. C is act, or wide when c_wide.
 * Products are accumulated in wide, each element over k in an order that the
 * shape alone decides. The bias is wide [n], added once, also when accumulating.
 */
struct gemm {
    bool ta, tb;
    int64_t m, n, k;
    const void *a;
    int64_t lda;
    const void *b;
    int64_t ldb;
    const void *b_packed; /* the whole op(B) as pack() laid it out, or NULL: use b */
    int64_t b_column;     /* this cell's first column within op(B), for b_packed */
    bool b_arranged;      /* b is as gemm_arrange() left it; tb, ldb = k */
    void *c;
    int64_t ldc;
    bool c_wide, accumulate;
    const void *bias; /* wide [n] or NULL */
    double scale;     /* of the products, before C and bias are added; 0: none */
};

/* Packing may be cut at these columns of op(B). */
enum { PACK_COLUMNS = 64 };

/* Rows of B in a group of an arranged matrix. */
enum { ARRANGE_ROWS = 32 };

/*
 * One group of query heads that share a key/value head, for one sequence.
 * Query row i stands at key position q0 + i and attends to key positions
 * first[i] <= j <= q0 + i (first: the start of its document's piece; sliding
 * windows raise it). Blocked with a running maximum and sum (Dao et al., 2022): no
 * score matrix; blocks that are wholly masked cost nothing.
 *
 * Keys may end before the last query (q0 >= keys: all of them stand before the first one), and a
 * row may see none of them: its out is 0 and its lse -infinity. Results over different keys make
 * those over all: out and lse are weighed by e^lse, gradients are added (with out and lse of all).
 */
struct attention {
    int64_t queries, keys;   /* keys <= q0 + queries */
    bool part;               /* of several such calls: out (forward), d_q, d_k, d_v are wide */
    int64_t heads, head_dim; /* heads: of this group */
    int64_t q0;
    const int32_t *first; /* [queries] */
    double scale;         /* 1/sqrt(head_dim) */
    const void *q;        /* act; head h of row i at q + (i*q_stride + h*head_dim) */
    const void *k, *v;    /* act; row j at k + j*kv_stride */
    void *out; /* act; head h of row i at out + (i*out_stride + h*head_dim); backward reads it,
                  always act */
    int64_t q_stride, kv_stride, out_stride;
    void *lse; /* wide; log-sum-exp of head h, row i at lse + (h*lse_stride + i); NULL: not wanted;
                  backward reads it */
    int64_t lse_stride;
    /* Forward: raised to the largest scale * q k that a row sees (a NaN is passed over); NULL: not wanted. */
    float *largest;
    /* backward only; gradients laid out like what they belong to */
    const void *d_out;     /* act */
    void *d_q, *d_k, *d_v; /* act, or wide of a part; overwritten; d_k, d_v sum over the group's heads and queries, in
                              an order that the shape decides */
    int64_t dq_stride, dkv_stride;
    void *scratch; /* attention_scratch() bytes, 64-byte aligned */
};

enum gelu { GELU_ERF, GELU_TANH };

struct adamw {
    double lr, beta1, beta2, eps, weight_decay;
    double correction1, correction2; /* 1 - beta^t */
    double grad_scale;               /* the clip factor */
};

/* What quantize() saw: the larger of what was there and its own, so begin with {0}. */
struct fp8_seen {
    float amax;        /* the largest |x|; a NaN is larger than infinity */
    int64_t saturated; /* how many |x * scale| were beyond the format's largest value */
};

struct ops {
    size_t act_size, wide_size; /* bytes an element */

    /* One cell of a GEMM. */
    void (*gemm)(const struct gemm *g);
    /*
     * Packed form of a whole op(B) [k][n], stored at b: its bytes (0: this table does not
     * pack), and packing its columns [column, column + columns) into `packed`, the whole's
     * array. column is a multiple of PACK_COLUMNS; several threads may pack parts.
     */
    size_t (*gemm_pack_size)(bool tb, int64_t n, int64_t k);
    void (*gemm_pack)(bool tb, int64_t n, int64_t k, const void *b, int64_t ldb, int64_t column,
                      int64_t columns, void *packed);

    /*
     * Attention rounds probabilities and the scores' gradients to act before it multiplies them
     * by v, q and k (tiles take no others); false: they stay wide.
     */
    bool attention_rounds;

    /*
     * Arranges a matrix B [n][k] in place in the order in which products with its transpose read
     * it, so that one row times B runs at the speed of memory: whole groups of ARRANGE_ROWS
     * rows, what is left of n stays. false: not done (k decides), B is as it was. NULL: this table has no
     * such order. gemm_arranged_row: out [k] = row `row` of an arranged B.
     */
    bool (*gemm_arrange)(void *b, int64_t n, int64_t k);
    void (*gemm_arranged_row)(void *out, const void *b, int64_t n, int64_t k, int64_t row);

    size_t (*attention_scratch)(int64_t queries, int64_t keys, int64_t heads, int64_t head_dim,
                                bool backward);
    void (*attention_forward)(const struct attention *a);
    void (*attention_backward)(const struct attention *a);

    /*
     * Root mean square norm (Zhang and Sennrich, 2019) of [rows][dim], contiguous:
     * x_out = x (+ delta); y = x_out * rstd * weight; rstd wide [rows]. delta NULL:
     * x_out is not written and may be NULL. weight wide [dim].
     */
    void (*rms_norm_forward)(void *y, void *x_out, void *rstd, const void *x, const void *delta,
                             const void *weight, int64_t rows, int64_t dim, double eps);
    /*
     * dx = gradient through the norm + d_residual (NULL: 0); both act [rows][dim]. d_weight wide
     * [dim] gets this call's sum over rows in order, overwritten (blocks of at most
     * 128 rows, added in order by the caller).
     */
    void (*rms_norm_backward)(void *dx, void *d_weight, const void *dy, const void *d_residual,
                              const void *x, const void *rstd, const void *weight, int64_t rows,
                              int64_t dim);
    /* The same for layer norm (Ba et al., 2016): mean and rstd wide [rows], bias wide [dim]. */
    void (*layer_norm_forward)(void *y, void *x_out, void *mean, void *rstd, const void *x,
                               const void *delta, const void *weight, const void *bias,
                               int64_t rows, int64_t dim, double eps);
    void (*layer_norm_backward)(void *dx, void *d_weight, void *d_bias, const void *dy,
                                const void *d_residual, const void *x, const void *mean,
                                const void *rstd, const void *weight, int64_t rows, int64_t dim);

    /*
     * Rotary position embedding (Su et al., 2021) in place, halves rotated as
     * Hugging Face's Llama does: of each of `heads` heads, element i < rotary/2 pairs with
     * i + rotary/2. cos_sin wide [positions][rotary]: rotary/2 cosines, then sines.
     * inverse: the transpose (backward).
     */
    void (*rotary)(void *x, int64_t stride, int64_t rows, int64_t heads, int64_t head_dim,
                   int64_t rotary, const int32_t *positions, const void *cos_sin, bool inverse);

    /*
     * out[rows][n] = silu(gate) * up, gate_up [rows][2n]: gate, then up. The backward
     * functions also write what forward made of the same input, bit for bit, to `out`
     * (NULL: not wanted; may be d_out), so that it need not be kept.
     */
    void (*swiglu_forward)(void *out, const void *gate_up, int64_t rows, int64_t n);
    void (*swiglu_backward)(void *d_gate_up, void *out, const void *gate_up, const void *d_out,
                            int64_t rows, int64_t n);
    void (*gelu_forward)(void *out, const void *x, int64_t n, enum gelu kind);
    void (*gelu_backward)(void *dx, void *out, const void *x, const void *d_out, int64_t n,
                          enum gelu kind);

    /*
     * Softmax cross-entropy of [rows][n] wide logits (stride ld). targets[i] < 0: not scored,
     * its row of d_logits is zero. loss[i] = -log p(target) (0 when not scored), log_z[i] =
     * log sum exp (of every row). d_logits act (stride ldd; may not alias logits; NULL: loss
     * only) = scale * (softmax * (1 + 2 z log_z) - onehot): the z-loss z * log_z^2
     * (Chowdhery et al., 2022) is folded in.
     */
    void (*cross_entropy)(const void *logits, int64_t ld, void *d_logits, int64_t ldd,
                          const int32_t *targets, int64_t rows, int64_t n, double scale, double z,
                          double *loss, double *log_z);
    /*
     * Its gradient for n columns of a vocabulary that lies in several parts: log_z [rows] is that
     * of whole rows (parts' own are combined by exp); targets[i] counts from the part's first
     * column, n or more: another part has it, < 0: not scored.
     */
    void (*softmax_gradient)(const void *logits, int64_t ld, void *d_logits, int64_t ldd,
                             const int32_t *targets, int64_t rows, int64_t n, double scale,
                             double z, const double *log_z);

    /* out wide [n] = sum of x's rows in order (bias gradients; at most 128 rows a call). */
    void (*column_sum)(void *out, const void *x, int64_t stride, int64_t rows, int64_t n);

    /* Elementwise over n: act out = a + b; wide out += wide a; wide out += act a; wide out =
     * a out + b x; conversions. */
    void (*add)(void *out, const void *a, const void *b, int64_t n);
    void (*add_wide)(void *out, const void *a, int64_t n);
    void (*add_act_to_wide)(void *out, const void *a, int64_t n);
    void (*blend_wide)(void *out, double a, const void *x, double b, int64_t n);
    void (*to_act)(void *out, const void *wide, int64_t n);
    void (*to_wide)(void *out, const void *act, int64_t n);

    /*
     * Act out = x * scale (in FP32) on the format's grid: the value of
     * fp8_from_float(x * scale), which every act type holds exactly. out NULL: only look. The
     * payload of a NaN is not defined.
     */
    void (*quantize)(void *out, const void *x, int64_t n, enum fp8_format format, float scale,
                     struct fp8_seen *seen);

    /*
     * Sum of squares of a wide block in element order, in FP64 (a fixed number of lanes,
     * folded in order).
     */
    double (*sum_squares)(const void *wide, int64_t n);

    /*
     * AdamW (Loshchilov and Hutter, 2019), one pass: master, m, v wide, updated; weights act,
     * written unless NULL (fp32: may equal master). Arithmetic in wide.
     */
    void (*adamw)(void *master, void *m, void *v, const void *grad, void *weights, int64_t n,
                  const struct adamw *h);
};

struct kernels {
    const char *name; /* "ref", "avx2", ... */
    bool blas;        /* its FP32 products run on OpenBLAS when that is loaded */
    struct ops ops[PRECISIONS];
    /* FLOP/s of one thread in registers at this precision, measured for about `seconds`. */
    double (*peak)(enum precision p, double seconds);
};

/*
 * The table for this CPU: the best it runs, or the one $LLM_ISA names. `limit` (may be
 * NULL) names the least table that all ranks share. NULL: unknown name or not on
 * this CPU (STATUS_FAILED). A table that needs OpenBLAS loads it (kernels/blas.h): call it before any
 * thread starts.
 */
const struct kernels *kernels_pick(const char *limit);

/*
 * Numbers below the normal range become 0 from here on, as inputs and as results, in the calling
 * thread and in those that it starts afterwards: on a processor's slow path one of them costs
 * over a hundred cycles. Call it before a pool is made.
 */
void kernels_flush_denormals(void);

/* Position of a table in the order of preference, for agreeing on the least; -1 unknown. */
int kernels_level(const char *name);
const char *kernels_level_name(int level);

const char *precision_name(enum precision p);

#endif
