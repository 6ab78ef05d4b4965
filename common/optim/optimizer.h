#ifndef OPTIM_OPTIMIZER_H
#define OPTIM_OPTIMIZER_H

#include <stdint.h>

#include "base/threads.h"
#include "kernels/kernels.h"
#include "model/params.h"

/*
 * AdamW over the flat parameter array. The arrays are the caller's, all wide
 * but `act`; ranges are whole NORM_BLOCK blocks of tensors, so that a ZeRO slice can be stepped
 * apart.
 */
struct optimizer_state {
    float *master, *m, *v; /* [elements] */
    void *act;             /* act copy [elements], or NULL (fp32: master itself) */
};

/* Number of norm blocks of the table, and the element range of a block (param may be NULL). */
int64_t optimizer_blocks(const struct params *p);
void optimizer_block(const struct params *p, int64_t block, int64_t *offset, int64_t *size,
                     int *param);

/*
 * Sum of squares of each block in [first, last) into sums [last - first] (FP64, element order).
 * The caller adds all blocks in table order: the same bits for any split.
 */
void optimizer_block_sums(struct threads *pool, const struct ops *ops, const struct params *p,
                          const float *grads, int64_t first, int64_t last, double *sums);

/* The clip factor for a gradient norm: min(1, clip / (norm + 1e-6)) as PyTorch's clip_grad_norm_;
 * clip 0: 1. */
double optimizer_clip(double norm, double clip);

/* One AdamW step on blocks [first, last). h->weight_decay applies where the table says; only
 * matrices and embeddings are written to act. */
void optimizer_step(struct threads *pool, const struct ops *ops, const struct params *p,
                    struct optimizer_state *s, const float *grads, int64_t first, int64_t last,
                    const struct adamw *h);

#endif
