#ifndef LLM_TRAIN_GRADIENTS_H
#define LLM_TRAIN_GRADIENTS_H

#include "cmd/llm-train/trainer.h"
#include "parallel/block_sums.h"

/*
 * Appends a whole tensor to runs in which one reducer's sums stand in one piece; called for all
 * tensors in order.
 */
void trainer_add_whole_tensor(const struct trainer *t, int param, struct reduced_run *runs, int *n);

/* The blocks that this rank sums, of all ranks each once; to be freed. */
struct block_range *trainer_own_blocks(const struct trainer *t, int *n);

/* All micro-batches of a step, reduced. Collective. 0 or -1. */
int trainer_accumulate(struct trainer *t, double scale);

/* Where the sum of an element (of tensor param) stands. */
const float *trainer_gradient_sum(const struct trainer *t, int param, int64_t element);

#endif
