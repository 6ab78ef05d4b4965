#ifndef LLM_TRAIN_GRADIENTS_H
#define LLM_TRAIN_GRADIENTS_H

#include "cmd/llm-train/trainer.h"

/*
 * The runs that this rank owns, or those of all ranks, ascending, cut where frozen tensors begin and
 * end; to be freed.
 */
struct reduced_run *trainer_runs(const struct trainer *t, bool all, int *n);

/*
 * How the dense reducer or (apart) that of the experts cuts its tensors, by arithmetic alone; the
 * rank's place among its owners. Released by the caller.
 */
int trainer_cut(const struct layout *l, const struct params *p, bool apart, struct slices *out);

/* Is what a run holds frozen? */
bool trainer_run_is_frozen(const struct trainer *t, const struct reduced_run *run);

/* All micro-batches of a step, reduced. Collective. 0 or -1. */
int trainer_accumulate(struct trainer *t, double scale);

/* Where the sum of an element (of tensor param) stands. */
const float *trainer_gradient_sum(const struct trainer *t, int param, int64_t element);

#endif
