/* The run: steps, validation, checkpoints, and how it ends. */
#include "cmd/llm-train/trainer.h"

#include "base/die.h"
#include "base/err.h"
#include "base/sys.h"
#include "cmd/llm-train/train.h"
#include "kernels/profile.h"

static bool
due(int64_t every, uint64_t step)
{
    return every > 0 && step % (uint64_t)every == 0;
}

/* Validation and checkpoint where they are due. `last`: the run ends here. */
static int
after_step(struct trainer *t, bool last)
{
    bool save = t->save && (last || due(options.save_every, t->step));
    bool validate = options.valid && (due(options.valid_every, t->step) || (last && t->step == t->length.steps));

    if (validate && trainer_validate(t) < 0)
        return -1;
    if (trainer_poll_save(t) < 0)
        return -1;
    return save ? trainer_save(t, last) : 0;
}

static int
end(struct trainer *t, int status, const char *why)
{
    if (health_end(&t->health) < 0 || trainer_report_ranks(t) < 0)
        return -1;
    if (options.profile && t->world->rank == 0 && profile_report(t) < 0)
        return -1;
    if (t->world->rank == 0 &&
        (axes_end(t) < 0 || report_end(&t->report, status, t->step, why) < 0))
        return -1;
    return status;
}

static int
end_of_data(struct trainer *t)
{
    char why[128];

    if (t->length.steps == UINT64_MAX)
        snprintf(why, sizeof why, "data ended at step %llu", (unsigned long long)t->step);
    else
        snprintf(why, sizeof why, "data ended at step %llu of %llu", (unsigned long long)t->step,
                 (unsigned long long)t->length.steps);
    if (options.valid && !due(options.valid_every, t->step) && trainer_validate(t) < 0)
        return -1;
    if (t->save && trainer_save(t, true) < 0)
        return -1;
    return end(t, STATUS_OK, why);
}

static int
stopped(struct trainer *t)
{
    char why[128];
    int signal = sys_stop_signal();

    if (signal)
        snprintf(why, sizeof why, "stopped by signal %d behind step %llu", signal, (unsigned long long)t->step);
    else
        snprintf(why, sizeof why, "stopped behind step %llu", (unsigned long long)t->step);
    return end(t, t->save ? STATUS_RESUMABLE : STATUS_FAILED, why);
}

/* Reading failed. When a stop was asked for, whoever fed us is gone for the same reason: a stop. */
static int
not_read(struct trainer *t)
{
    int any = sys_stop_signal() != 0;

    if (comm_all_reduce(t->world, &any, 1, COMM_I32, COMM_MAX) < 0 || !any)
        return -1;
    if (t->save && trainer_save(t, true) < 0)
        return -1;
    return stopped(t);
}

/* The first step touches all memory for the first time: it is left out. */
static enum step_result
timed_step(struct trainer *t, bool *stop)
{
    double start = sys_seconds();
    enum step_result r = trainer_step(t, stop);

    if (!options.profile || r != STEP_DONE)
        return r;
    if (t->profile.started) {
        t->profile.steps++;
        t->profile.seconds += sys_seconds() - start;
    } else {
        t->profile.started = true;
        profile_reset();
    }
    return r;
}

static bool
is_stop(const struct trainer *t)
{
    return options.stop_at > 0 && t->step >= options.stop_at;
}

int
trainer_run(struct trainer *t)
{
    bool stop = is_stop(t);

    if (stop && t->step < t->length.steps)
        return stopped(t);
    while (t->step < t->length.steps) {
        enum step_result r = timed_step(t, &stop);
        if (r == STEP_DATA_ENDED)
            return end_of_data(t);
        if (r == STEP_NOT_READ)
            return not_read(t);
        if (r == STEP_FAILED)
            return -1;
        stop = stop || is_stop(t);
        if (after_step(t, stop || t->step == t->length.steps) < 0)
            return -1;
        if (stop && t->step < t->length.steps)
            return stopped(t);
    }
    return end(t, STATUS_OK, "done");
}
