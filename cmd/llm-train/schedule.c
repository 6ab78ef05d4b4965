/* How long a run is, and what its learning rate does meanwhile. */
#include "cmd/llm-train/schedule.h"

#include <math.h>

#include "base/die.h"
#include "cmd/llm-train/train.h"

/* So many steps or tokens from the start on, in the other unit. */
static double
convert(const struct batch_ramp *ramp, double value, bool from_tokens, bool to_tokens)
{
    if (from_tokens == to_tokens)
        return value;
    return to_tokens ? ramp_tokens(ramp, value) : ramp_steps(ramp, value);
}

/* How far a run of so many whole steps has come, in steps or tokens. */
static double
progress(const struct run_length *r, uint64_t steps, bool in_tokens)
{
    return (double)(in_tokens ? ramp_step_tokens(&r->ramp, steps) : steps);
}

static double
read_length(const char *text, bool *in_tokens)
{
    double value = 0;

    (void)parse_length(text, &value, in_tokens);
    return value;
}

/* Of warm-up, stable, decay the last phase ends with the run. */
static void
place_decay(struct run_length *r)
{
    const char *unit = r->in_tokens ? "tokens" : "steps";
    double run;

    if (!options.decay)
        die(STATUS_USAGE, "--schedule wsd: give the length of its last phase, --decay N");
    if (r->steps == UINT64_MAX)
        die(STATUS_USAGE, "--schedule wsd: its decay ends with the run: give --steps or --tokens");
    run = progress(r, r->steps, r->in_tokens);
    r->lr.style = (enum wsd_decay)options.wsd_decay_style;
    r->lr.stable = run - r->lr.warmup - r->lr.decay;
    if (r->lr.stable < 0)
        die(STATUS_USAGE, "--schedule wsd: %.15g %s of warm-up and %.15g of decay are more than the run's %.15g",
            r->lr.warmup, unit, r->lr.decay, run);
}

uint64_t
length_in_steps(const char *text, const struct batch_ramp *ramp, uint64_t from)
{
    bool in_tokens = false;
    double value = read_length(text, &in_tokens);

    if (!in_tokens)
        return (uint64_t)value;
    return ramp_steps_for(ramp, ramp_step_tokens(ramp, from) + (uint64_t)value) - from;
}

static uint64_t
steps_of_run(const struct batch_ramp *ramp, uint64_t available)
{
    if (options.steps)
        return options.steps;
    if (options.tokens)
        return ramp_steps_for(ramp, options.tokens);
    if (available == UINT64_MAX)
        return UINT64_MAX;
    return ramp_steps_within(ramp, available);
}

/* What is left of the run behind the warm-up. */
static void
decay_to_the_end(struct run_length *r)
{
    if (r->steps == UINT64_MAX && r->lr.kind != SCHEDULE_CONSTANT)
        die(STATUS_USAGE, "the length of a pipe is not known: give --steps, --tokens or --decay "
                          "(or --schedule constant)");
    double run = r->steps == UINT64_MAX ? 0 : progress(r, r->steps, r->in_tokens);
    r->lr.decay = fmax(run - r->lr.warmup, 0);
}

void
run_length_resolve(struct run_length *r, uint64_t available)
{
    if (options.lr <= 0)
        die(STATUS_USAGE, "--lr is required");
    r->steps = steps_of_run(&r->ramp, available);
    r->lr = (struct lr_schedule){
        .kind = (enum schedule)options.schedule,
        .lr = options.lr,
        .min_lr = options.min_lr < 0 ? options.lr / 10 : options.min_lr,
    };
    r->in_tokens = options.tokens != 0;
    if (options.decay)
        r->lr.decay = read_length(options.decay, &r->in_tokens);
    r->warmup = read_length(options.warmup, &r->warmup_in_tokens);
    r->lr.warmup = convert(&r->ramp, r->warmup, r->warmup_in_tokens, r->in_tokens);
    if (r->lr.kind == SCHEDULE_WSD)
        place_decay(r);
    else if (!options.decay)
        decay_to_the_end(r);
}

double
run_length_lr(const struct run_length *r, uint64_t step)
{
    double warm = progress(r, step, r->warmup_in_tokens);

    if (warm <= r->warmup)
        return r->lr.lr * warm / r->warmup;
    return schedule_lr(&r->lr, fmax(progress(r, step, r->in_tokens), r->lr.warmup));
}
