#include "optim/schedule.h"

#include <math.h>

/* Warm-up, then a decay whose length does not depend on how long the run is. */

static const double pi = 3.14159265358979323846;

/* One half period of a cosine: Loshchilov and Hutter, 2017. */
static double
cosine(double done)
{
    return 0.5 * (1 + cos(pi * done));
}

static double
remaining_wsd(enum wsd_decay style, double done)
{
    switch (style) {
    case WSD_COSINE:
        return cosine(done);
    case WSD_1_SQRT:
        return 1 - sqrt(done);
    case WSD_LINEAR:
        break;
    }
    return 1 - done;
}

/* How much of lr - min_lr is left after the share `done` of the decay. */
static double
remaining(const struct lr_schedule *s, double done)
{
    switch (s->kind) {
    case SCHEDULE_COSINE:
        return cosine(done);
    case SCHEDULE_LINEAR:
        return 1 - done;
    case SCHEDULE_WSD:
        return remaining_wsd(s->style, done);
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

    double done = at - s->warmup - s->stable;
    if (done <= 0)
        return s->lr;
    if (done >= s->decay)
        return s->min_lr;
    return s->min_lr + (s->lr - s->min_lr) * remaining(s, done / s->decay);
}
