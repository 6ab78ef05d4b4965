#ifndef MODEL_MOE_IMPL_H
#define MODEL_MOE_IMPL_H

#include "model/decoder_impl.h"

/*
 * Private to common/model: layers of experts (Shazeer et al., 2017). Each of T tokens goes to the
 * k experts that the router's softmax prefers, ties to the lower one. A token's copies ("rows")
 * are sorted by expert, then by token, each expert does its rows in one product, and a token's
 * results are added in the order of experts: nothing is dropped, and nothing depends on threads.
 * A row's weight is applied between the expert's two matrices, so that its gradient comes from
 * there, too, and results need not be kept.
 */

/* The layer in hand; shared by all. */
struct moe {
    int64_t experts, first, held; /* of all; this rank holds [first, first + held) */
    int64_t ranks;                /* of the expert group */
    int64_t per_token;
    int64_t inner, shared; /* of this tensor rank */
    int64_t rows;          /* the most that this rank's experts may get */

    /* routing: entry t k + j is token t's j-th expert, ascending */
    int32_t *expert;         /* [T k] */
    int32_t *row;            /* [T k]: its place among the rows sorted by expert */
    int32_t *entry;          /* [T k]: the entry of a sorted row */
    int64_t *begin;          /* [experts + 1]: where an expert's sorted rows begin */
    void *weight, *d_weight; /* wide [T k], by sorted row */

    /* rows of this rank's experts, sorted by expert, then source rank, then token */
    int64_t *held_begin; /* [held + 1] */
    int64_t *to, *from;  /* [ranks][held]: how many rows go to and come from each rank */
    size_t *send_size, *send_offset, *size, *offset; /* [ranks], bytes: of an exchange */
    void *x;                    /* act [rows][hidden]: inputs, outputs, their gradients */
    void *inner_rows;           /* act [rows][inner] */
    void *held_weight, *d_held; /* wide [rows]: weights of the rows, and their gradients */
    void *sorted;               /* act [T k][hidden]: this rank's own rows; x without a group */

    void *shared_inner;                      /* act [T][shared] */
    void *d_gate, *d_gate_act;               /* wide, act [T] */
    void *d_logits, *d_logits_act;           /* wide, act [T][experts] */
    void *line_act, *line_wide, *line_other; /* a line a worker */
    int64_t line;                            /* elements of each */

    double *pull;  /* [experts]: gradient of the auxiliary loss by a token's probability */
    double pull_z; /* of the z-loss by log_z, over log_z */
    struct moe_state common; /* what layers do not keep */
};

static inline double
wide_get(const struct decoder *d, const void *x, int64_t i)
{
    return d->ops->wide_size == sizeof(double) ? ((const double *)x)[i]
                                               : (double)((const float *)x)[i];
}

static inline void
wide_put(const struct decoder *d, void *x, int64_t i, double value)
{
    if (d->ops->wide_size == sizeof(double))
        ((double *)x)[i] = value;
    else
        ((float *)x)[i] = (float)value;
}

/* moe_memory.c: does a layer keep the router's softmax, and the up projections? */
bool moe_keeps_router(const struct decoder *d);
bool moe_keeps_up(const struct decoder *d);

/*
 * router.c: product and softmax; choice and order of rows; the sums of the losses (struct slot);
 * backward makes d_logits_act of the gradients of the weights.
 */
void router_forward(const struct decoder *d, const struct moe_state *s, int weight, const void *h,
                    int64_t tokens);
void router_choose(const struct decoder *d, const struct moe_state *s, int64_t tokens);
void router_count(const struct decoder *d, const struct moe_state *s, int64_t tokens, double *sums);
void router_backward(const struct decoder *d, const struct moe_state *s, int64_t tokens);

/*
 * moe_rows.c: sorted[row] = x[token of the row]. inner = weight * swiglu(up), row by row; and
 * back: d_inner (in inner) and up become the weighed inner rows and up's gradient. The sums: y[t] =
 * its rows in order + what stands in y (shared) + other [T][hidden] (NULL: none) + gate's.
 */
void rows_gather(const struct decoder *d, void *sorted, const void *x, int64_t tokens);
void rows_inner(const struct decoder *d, void *inner, const void *up, const void *weight,
                int64_t rows, int64_t n);
void rows_inner_backward(const struct decoder *d, void *inner, void *up, const void *weight,
                         void *d_weight, int64_t rows, int64_t n);
void rows_combine(const struct decoder *d, void *y, const void *sorted, bool shared,
                  const void *other, int gate, int64_t tokens);

/*
 * moe_exchange.c: rows between the ranks of the expert group. counts: who sends how much, and
 * where each expert's rows stand. there: from `sorted` to x; back: from x to `sorted`. The weights
 * go with them, their gradients come back. Without a group these are the same arrays.
 */
void exchange_counts(struct decoder *d);
void exchange_there(struct decoder *d);
void exchange_back(struct decoder *d);
void exchange_weights(struct decoder *d);
void exchange_weights_back(struct decoder *d);

#endif
