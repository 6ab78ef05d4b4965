#include "optim/schedule.h"

#include <math.h>

/* Warm-up, then a decay whose length does not depend on how long the run is. */

static const double pi = 3.14159265358979323846;

/* How much of lr - min_lr is left after the share `done` of the decay. */
static double
remaining(enum schedule kind, double done)
{
    switch (kind) {
    case SCHEDULE_COSINE: /* Loshchilov and Hutter, 2017, one period */
        return 0.5 * (1 + cos(pi * done));
    case SCHEDULE_LINEAR:
        return 1 - done;
    case SCHEDULE_CONSTANT:
        break;
    }
    return 1;
}

double
schedule_lr(const struct lr_schedule *s, double at)
{
    if (at <= s->warmup)
        return s->lr * at / s->warmup;
    if (s->kind == SCHEDULE_CONSTANT)
        return s->lr;

    double done = at - s->warmup;
    if (done >= s->decay)
        return s->min_lr;
    return s->min_lr + (s->lr - s->min_lr) * remaining(s->kind, done / s->decay);
}
