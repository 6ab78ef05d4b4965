#ifndef LLM_TRAIN_SCHEDULE_H
#define LLM_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd/llm-train/ramp.h"
#include "optim/schedule.h"

/*
 * The run's length and learning rates, from options in steps or tokens. Warm-up and decay are each
 * counted in the unit that they were given in: with a ramp of the batch a token is not always the
 * same share of a step.
 */
struct run_length {
    uint64_t steps;            /* of the whole run; UINT64_MAX when only the data ends it */
    struct batch_ramp ramp;
    struct lr_schedule lr;     /* in the unit of the decay */
    bool in_tokens;            /* which is tokens, else steps */
    double warmup;             /* in its own unit */
    bool warmup_in_tokens;
};

/*
 * Resolves all but the ramp, which is there; available: tokens that can be trained on, UINT64_MAX when unknown.
 * Dies (STATUS_USAGE) on what cannot be.
 */
void run_length_resolve(struct run_length *r, uint64_t available);

/* A length option ("2000", "4Gtok") from step `from` on in whole steps, rounded up. */
uint64_t length_in_steps(const char *text, const struct batch_ramp *ramp, uint64_t from);

/* The learning rate of step 1, 2, … */
double run_length_lr(const struct run_length *r, uint64_t step);

#endif
