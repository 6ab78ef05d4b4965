#ifndef LLM_TRAIN_SCHEDULE_H
#define LLM_TRAIN_SCHEDULE_H

#include <stdint.h>

#include "optim/schedule.h"

/*
 * The run's length and learning rates, from options in steps or tokens. A step
 * is `step_tokens` tokens of the stream.
 */
struct run_length {
    uint64_t steps;            /* of the whole run; UINT64_MAX when only the data ends it */
    uint64_t step_tokens;
    struct lr_schedule lr;     /* counted in steps */
};

/* Resolves it; available: steps in the data, UINT64_MAX when unknown. Dies (STATUS_USAGE) on what cannot be. */
void run_length_resolve(struct run_length *r, uint64_t step_tokens, uint64_t available);

/* A length option ("2000", "4Gtok") in whole steps, rounded up. */
uint64_t length_in_steps(const char *text, uint64_t step_tokens);

/* The learning rate of step 1, 2, … */
double run_length_lr(const struct run_length *r, uint64_t step);

#endif
