#ifndef OPTIM_OPTIMIZER_H
#define OPTIM_OPTIMIZER_H

#include <stdint.h>

#include "base/threads.h"
#include "kernels/kernels.h"
#include "model/params.h"

/*
 * AdamW over runs of whole norm blocks (params_block), so that a ZeRO slice can be stepped apart.
 * The arrays are the caller's, all wide but `act`; each pointer is that of the run's first
 * element.
 */
struct optimizer_run {
    int64_t first, last; /* blocks */
    float *master, *m, *v;
    void *act;          /* act copy, or NULL (fp32: master itself) */
    const float *grads; /* of this step */
};

/* Sum of squares of one block's gradient (FP64, element order). */
struct block_sum {
    const float *grads;
    int64_t size;
};
void optimizer_block_sums(struct threads *pool, const struct ops *ops, const struct block_sum *blocks,
                          int64_t n, double *sums);

/* The clip factor for a gradient norm: min(1, clip / (norm + 1e-6)) as PyTorch's clip_grad_norm_;
 * clip 0: 1. */
double optimizer_clip(double norm, double clip);

/* One AdamW step. h->weight_decay applies where the table says; only matrices and embeddings are
 * written to act. */
void optimizer_step(struct threads *pool, const struct ops *ops, const struct params *p,
                    const struct optimizer_run *run, const struct adamw *h);

#endif
