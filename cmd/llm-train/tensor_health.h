#ifndef LLM_TRAIN_TENSOR_HEALTH_H
#define LLM_TRAIN_TENSOR_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd/llm-train/tensor_groups.h"
#include "kernels/kernels.h"
#include "model/fp8.h"

/*
 * The health of a model's tensors, every --health-every steps: norms of gradient, weights and update,
 * what AdamW's epsilon does, attention logits, numbers beyond a format's range. Every figure
 * is of the whole model: sums are added block by block in the order of its table (block_sums), counts
 * and maxima have no order, so all layouts give what one process gives. On other steps nothing is done.
 */
struct trainer;

/* Counted over the elements of a group. */
enum health_count {
    HEALTH_BELOW_EPS,           /* AdamW's sqrt(v / (1 - beta2^t)) < eps, behind the step */
    HEALTH_ZERO,                /* v is 0: nothing has come so far, or what came was flushed */
    HEALTH_DENORMAL_GRADIENTS,
    HEALTH_DENORMAL_MOMENTS,    /* m and v */
    HEALTH_COUNTS,
};

struct group_health {
    double gradient;  /* norm before clipping */
    double weight;    /* norm behind the step */
    double update;    /* norm of what the step changed, weight decay and rounding with it */
    uint64_t count[HEALTH_COUNTS];
    uint64_t beyond[FP8_ROLES]; /* FP8: rounded operands that were too large for their scale */
    float max_logit;  /* of an attention's qkv: largest scale * q k that a row sees; else -infinity */
};

struct tensor_health {
    struct tensor_groups groups;
    struct group_health *of, all;  /* [groups.count]; of the whole model, without gradient */
    bool due, fp8;                 /* in the step in hand; it is in FP8 */
    struct health_block *block;    /* [own blocks of t->block_sums] */
    float *copies;                 /* [threads][3][NORM_BLOCK]: master, m, v of the block in hand */
    uint64_t *counts;              /* [groups.count][HEALTH_COUNTS + FP8_ROLES]: of this rank, then of all */
    float *logits;                 /* [layers] */
    bool told_eps, told_logit, told_denormals;
};

/* Before the first step, when t->block_sums is there. NULL: --health-every 0. */
struct tensor_health *tensor_health_new(const struct trainer *t);
void tensor_health_free(struct tensor_health *h);

/* Bytes that it takes on a rank with so many blocks. */
uint64_t tensor_health_bytes(const struct trainer *t, uint64_t blocks);

/*
 * Of a step, in this order: before its forward pass; with all gradients there, before FP8's scales
 * are made anew; before AdamW with h; behind it. All do nothing when the step is not due. Collective
 * is the last one. 0 or -1.
 */
void tensor_health_begin(struct trainer *t);
void tensor_health_operands(struct trainer *t);
void tensor_health_measure(struct trainer *t, const struct adamw *h);
int tensor_health_collect(struct trainer *t);

/* tensor_health_report.c: what was collected, logged and said; norm: of the gradient. Rank 0 alone. 0 or -1. */
int tensor_health_report(struct trainer *t, double norm);

#endif
