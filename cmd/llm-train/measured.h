#ifndef LLM_TRAIN_MEASURED_H
#define LLM_TRAIN_MEASURED_H

#include <stdint.h>

#include "kernels/profile.h"

struct trainer;

/*
 * Where the time of this rank's steps went, by the components of struct plan_time (plan_time.h), so
 * that a run stands beside its plan. Seconds:
 *
 *   products, attention  the calling thread within these operations of the forward and backward passes
 *   elementwise          what else these passes take: norms, activations, sums, the loss, and where the
 *                        calling thread waits for its pool
 *   update               the gradient's norm, AdamW, and weights made ready for the next step
 *   tensor, context, expert
 *                        waits for the other ranks of these axes
 *   pipeline             waits for other stages, behind the passes, too: the messages and the bubble of a
 *                        plan, which cannot be told apart
 *   gradients            their reduction, as far as the passes did not hide it
 *   weights              waits for weights that other ranks update
 *   other                data, the agreement on a step, its line in the log; a plan has none of it
 */
struct step_time {
    double products, attention, elementwise, update;
    double tensor, context, expert, pipeline;
    double gradients, weights, other;
    double total; /* of all these */
};

/* Where a step is. */
enum step_part { STEP_OTHER, STEP_PASSES, STEP_REDUCTION, STEP_NORM, STEP_UPDATE };

/* All steps but the first, which touches memory for the first time. */
struct measured {
    uint64_t steps;
    struct step_time now, sum, least; /* the step at hand; of all; the fastest */
    struct clock {
        double wall, work[PROFILE_WORKS];
        double tensor, context, expert, pipeline, waited; /* by communication */
    } last;
};

/* Starts the clock of a step. */
void measured_begin(struct trainer *t);

/* What passed since the last mark was `part`. */
void measured_mark(struct trainer *t, enum step_part part);

/* The step is done and counts, unless it is the first. */
void measured_end(struct trainer *t);

/* Seconds of a step, the mean of all; {0}: there was none but the first. */
struct step_time measured_mean(const struct measured *m);

/*
 * After the run: a table on standard error and the event "measured", the plan beside what was
 * measured, of step time by component and of memory by kind. times, memory: of the rank that computed
 * longest, and of the one that took most. Rank 0 alone. 0 or -1.
 */
struct measured_memory {
    double state, gradients, activations, total, resident; /* bytes; total: in arenas */
};
struct measured_run {
    int rank; /* whose time it is */
    uint64_t steps;
    struct step_time mean, least;
    struct measured_memory planned, measured;
};
int measured_report(const struct trainer *t, const struct measured_run *run);

/* Adds `step_seconds` and `seconds`, an object of its components, to the event at hand. */
struct plan_time;
void measured_log_plan(const struct plan_time *p);

#endif
