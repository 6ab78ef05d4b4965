#ifndef OPTIM_SCHEDULE_H
#define OPTIM_SCHEDULE_H

#include <stdint.h>

/* Learning-rate schedules; lengths in steps or in tokens, whichever the caller counts in. */
enum schedule { SCHEDULE_COSINE, SCHEDULE_LINEAR, SCHEDULE_CONSTANT };

struct lr_schedule {
    enum schedule kind;
    double lr, min_lr;
    double warmup, decay; /* lengths; decay begins where warm-up ends */
};

/*
 * The rate of the step whose progress (steps or tokens done, this one included) is
 * `at` >= 1: lr * at / warmup during warm-up; then from lr to min_lr over `decay`, constant behind
 * it.
 */
double schedule_lr(const struct lr_schedule *s, double at);

#endif
