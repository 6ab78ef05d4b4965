#ifndef OPTIM_SCHEDULE_H
#define OPTIM_SCHEDULE_H

#include <stdint.h>

/* Learning-rate schedules; lengths in steps or in tokens, whichever the caller counts in. */
enum schedule { SCHEDULE_COSINE, SCHEDULE_LINEAR, SCHEDULE_CONSTANT, SCHEDULE_WSD };

/*
 * How the last phase of warm-up, stable, decay goes down, x being the share of it that is done:
 * 1 - x; (1 + cos(pi x)) / 2; 1 - sqrt(x) (Haegele et al., "Scaling Laws and Compute-Optimal Training Beyond
 * Fixed Training Durations", 2024).
 */
enum wsd_decay { WSD_LINEAR, WSD_COSINE, WSD_1_SQRT };

struct lr_schedule {
    enum schedule kind;
    double lr, min_lr;
    double warmup, decay; /* lengths */
    double stable;        /* between them; 0 but for SCHEDULE_WSD */
    enum wsd_decay style; /* of SCHEDULE_WSD */
};

/*
 * The rate of the step whose progress (steps or tokens done, this one included) is
 * `at` >= 1: lr * at / warmup during warm-up; lr while it is stable; then from lr to min_lr
 * over `decay`, constant behind it.
 */
double schedule_lr(const struct lr_schedule *s, double at);

#endif
