/* Where the time of a run's steps went, by the plan's components. */
#include "cmd/llm-train/measured.h"

#include "base/sys.h"
#include "cmd/llm-train/trainer.h"
#include "comm/progress.h"

static double
waited_in(const struct comm *c)
{
    return c ? c->stats.seconds_waiting : 0;
}

static void
read_clock(const struct trainer *t, struct clock *c)
{
    const struct layout *l = &t->layout;

    c->wall = sys_seconds();
    profile_caller_work(c->work);
    c->tensor = waited_in(l->tensor);
    c->context = waited_in(l->context);
    c->expert = waited_in(l->expert);
    c->pipeline = l->size[AXIS_PIPELINE] > 1 ? waited_in(l->pipeline) : 0;
    c->waited = comm_waited();
}

void
measured_begin(struct trainer *t)
{
    t->measured.now = (struct step_time){0};
    read_clock(t, &t->measured.last);
}

/*
 * Forward and backward. Waits that none of the axes counts are for gradients that leave their ring,
 * or for weights that come.
 */
static void
add_passes(struct step_time *s, const struct clock *a, const struct clock *b, int zero)
{
    double products = b->work[PROFILE_PRODUCTS] - a->work[PROFILE_PRODUCTS];
    double attention = b->work[PROFILE_ATTENTION] - a->work[PROFILE_ATTENTION];
    double tensor = b->tensor - a->tensor, context = b->context - a->context;
    double expert = b->expert - a->expert, pipeline = b->pipeline - a->pipeline;
    double axes = tensor + context + expert + pipeline, rest = b->waited - a->waited - axes;

    s->products += products;
    s->attention += attention;
    s->tensor += tensor;
    s->context += context;
    s->expert += expert;
    s->pipeline += pipeline;
    if (rest < 0)
        rest = 0;
    *(zero == 3 ? &s->weights : &s->gradients) += rest;
    s->elementwise += b->wall - a->wall - products - attention - axes - rest;
}

/* Behind its passes a stage of a pipeline waits for those that still compute: that is idle time, too. */
static void
add_part(struct step_time *s, const struct clock *a, const struct clock *b, enum step_part part,
         const struct layout *l)
{
    double wall = b->wall - a->wall, waited = b->waited - a->waited;
    bool idle = l->size[AXIS_PIPELINE] > 1 && part != STEP_PASSES && part != STEP_UPDATE;

    s->total += wall;
    if (idle) {
        s->pipeline += waited;
        wall -= waited;
        waited = 0;
    }
    switch (part) {
    case STEP_PASSES:
        add_passes(s, a, b, l->zero);
        break;
    case STEP_REDUCTION:
        s->gradients += wall;
        break;
    case STEP_NORM:
        s->gradients += waited;
        s->update += wall - waited;
        break;
    case STEP_UPDATE:
        s->weights += waited;
        s->update += wall - waited;
        break;
    case STEP_OTHER:
        s->other += wall;
        break;
    }
}

void
measured_mark(struct trainer *t, enum step_part part)
{
    struct measured *m = &t->measured;
    struct clock now;

    read_clock(t, &now);
    add_part(&m->now, &m->last, &now, part, &t->layout);
    m->last = now;
}

static void
add(struct step_time *sum, const struct step_time *x, double factor)
{
    double *to = &sum->products;
    const double *from = &x->products;

    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i] * factor;
}

void
measured_end(struct trainer *t)
{
    struct measured *m = &t->measured;

    measured_mark(t, STEP_OTHER);
    if (!t->later.started)
        return;
    add(&m->sum, &m->now, 1);
    if (m->steps == 0 || m->now.total < m->least.total)
        m->least = m->now;
    m->steps++;
}

struct step_time
measured_mean(const struct measured *m)
{
    struct step_time mean = {0};

    if (m->steps > 0)
        add(&mean, &m->sum, 1 / (double)m->steps);
    return mean;
}
