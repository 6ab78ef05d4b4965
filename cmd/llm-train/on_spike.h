#ifndef LLM_TRAIN_ON_SPIKE_H
#define LLM_TRAIN_ON_SPIKE_H

#include "cmd/llm-train/trainer.h"

/*
 * Called with a step's loss and gradient norm, before anything of the step is kept: STEP_DONE: go on
 * with the update; STEP_SKIPPED: --on-spike has dealt with it, the step is over without one;
 * STEP_FAILED with a record. Collective, and the same on all ranks.
 */
enum step_result trainer_judge_step(struct trainer *t, const struct step_figures *f);

/* The window of t->from, if it has one. 0 or -1. */
int trainer_restore_spikes(struct trainer *t);

#endif
