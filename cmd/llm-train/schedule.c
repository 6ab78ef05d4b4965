/* How long a run is, and what its learning rate does meanwhile. */
#include "cmd/llm-train/schedule.h"

#include <math.h>

#include "base/die.h"
#include "cmd/llm-train/train.h"

/* A length option in steps; what is given in tokens may be a fraction of a step. */
static double
in_steps(const char *text, uint64_t step_tokens)
{
    double value = 0;
    bool in_tokens = false;

    (void)parse_length(text, &value, &in_tokens);
    return in_tokens ? value / (double)step_tokens : value;
}

/* Of warm-up, stable, decay the last phase ends with the run. */
static void
place_decay(struct run_length *r)
{
    if (!options.decay)
        die(STATUS_USAGE, "--schedule wsd: give the length of its last phase, --decay N");
    if (r->steps == UINT64_MAX)
        die(STATUS_USAGE, "--schedule wsd: its decay ends with the run: give --steps or --tokens");
    r->lr.style = (enum wsd_decay)options.wsd_decay_style;
    r->lr.stable = (double)r->steps - r->lr.warmup - r->lr.decay;
    if (r->lr.stable < 0)
        die(STATUS_USAGE, "--schedule wsd: %g steps of warm-up and %g of decay are more than the run's %llu",
            r->lr.warmup, r->lr.decay, (unsigned long long)r->steps);
}

uint64_t
length_in_steps(const char *text, uint64_t step_tokens)
{
    return (uint64_t)ceil(in_steps(text, step_tokens));
}

void
run_length_resolve(struct run_length *r, uint64_t step_tokens, uint64_t available)
{
    double run;

    *r = (struct run_length){.step_tokens = step_tokens, .steps = UINT64_MAX};
    if (options.lr <= 0)
        die(STATUS_USAGE, "--lr is required");
    if (options.steps)
        r->steps = options.steps;
    else if (options.tokens)
        r->steps = (options.tokens + step_tokens - 1) / step_tokens;
    else if (available != UINT64_MAX)
        r->steps = available;
    r->lr = (struct lr_schedule){
        .kind = (enum schedule)options.schedule,
        .lr = options.lr,
        .min_lr = options.min_lr < 0 ? options.lr / 10 : options.min_lr,
        .warmup = in_steps(options.warmup, step_tokens),
    };
    if (options.decay)
        r->lr.decay = in_steps(options.decay, step_tokens);
    if (r->lr.kind == SCHEDULE_WSD)
        place_decay(r);
    if (options.decay)
        return;
    if (r->steps == UINT64_MAX && r->lr.kind != SCHEDULE_CONSTANT)
        die(STATUS_USAGE, "the length of a pipe is not known: give --steps, --tokens or --decay "
                          "(or --schedule constant)");
    run = r->steps == UINT64_MAX ? 0 : (double)r->steps;
    r->lr.decay = fmax(run - r->lr.warmup, 0);
}

double
run_length_lr(const struct run_length *r, uint64_t step)
{
    return schedule_lr(&r->lr, (double)step);
}
