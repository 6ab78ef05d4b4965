/* What a run does about a bad step: --on-spike stop, skip or rewind. */
#include "cmd/llm-train/on_spike.h"

#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/progress.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/spike_file.h"
#include "cmd/llm-train/train.h"
#include "model/fp8.h"

/*
 * Steps from .. to join --skip, in the option as in the checkpoint's record: --resume, and a new
 * run with that --skip, come to the same bits.
 */
static int
record_range(struct trainer *t, uint64_t from, uint64_t to, const char *why)
{
    const struct training_state *s = t->state;
    char *ranges = spike_add_range(options.skip, from, to);
    struct named_value changed = {.name = mem_strdup("skip"), .value = ranges};
    int result = opt_set(&llm_train, "skip", ranges);

    training_state_option(t->state, "skip", ranges);
    training_state_change(t->state, (int64_t)to, &changed, 1);
    /* A second rewind to the same checkpoint undoes steps that are in the record. */
    if (s->skipped_count > 0 && (uint64_t)s->skipped[s->skipped_count - 1].last >= from)
        from = (uint64_t)s->skipped[s->skipped_count - 1].last + 1;
    for (; from <= to; from++)
        training_state_skip(t->state, (int64_t)from, why);
    free(changed.name);
    free(ranges);
    return result;
}

static int
report_bad(const struct trainer *t, const struct step_figures *f, const char *event,
           const char *why, uint64_t from)
{
    char range[48];

    if (t->world->rank != 0)
        return 0;
    snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)from, (unsigned long long)f->step);
    note("step %llu: %s; %s %s", (unsigned long long)f->step, why,
         strcmp(event, "skip") == 0 ? "no update, as with --skip" : "weights of the last checkpoint, as with --skip", range);
    progress_set(f->step);
    log_begin(event);
    log_int("step", (int64_t)f->step);
    log_int("tokens", (int64_t)f->position);
    log_str("why", why);
    log_real("loss", f->loss);
    log_real("grad_norm", f->grad_norm);
    log_str("range", range);
    return log_end();
}

/* The step's data is read: now it is as if --skip had named the step. */
static int
skip_step(struct trainer *t, const struct step_figures *f, const char *why)
{
    if (++t->spikes_in_row > options.spike_limit)
        return err_set(STATUS_FAILED, "step %llu: %s: more than %lld bad steps in a row (--spike-limit)",
                       (unsigned long long)f->step, why, (long long)options.spike_limit);
    trainer_drop_fp8_step(t);
    t->step = f->step;
    return record_range(t, f->step, f->step, "--on-spike skip") < 0 ? -1 : report_bad(t, f, "skip", why, f->step);
}

static void
say_damaged(void *arg, const char *message)
{
    (void)arg;
    warn("%s: damaged, trying the one before", message);
}

/*
 * Weights, moments and window are those of the last checkpoint, the data's position stays: the steps
 * between count as skipped, which a pipe, too, can do.
 */
static int
rewind_to_checkpoint(struct trainer *t, const struct step_figures *f, const char *why)
{
    uint64_t from;
    int found;

    if (++t->rewinds > options.spike_limit)
        return err_set(STATUS_FAILED, "step %llu: %s: more than %lld rewinds (--spike-limit)",
                       (unsigned long long)f->step, why, (long long)options.spike_limit);
    if (trainer_finish_save(t) < 0)
        return -1;
    found = checkpoint_resume(t->world, t->save, say_damaged, NULL, &t->from);
    if (found <= 0)
        return found < 0 ? -1
                         : err_set(STATUS_FAILED, "step %llu: %s: no checkpoint to rewind to",
                                   (unsigned long long)f->step, why);
    from = (uint64_t)t->from->manifest.state.step + 1;
    trainer_begin_phase(t); /* FP8's history begins anew, then is the checkpoint's */
    if (trainer_read_state(t) < 0)
        return -1;
    if (precision_at(&t->precisions, from) != t->phase)
        trainer_begin_phase(t);
    trainer_publish_weights(t);
    t->scored = t->from->manifest.state.scored;
    t->saved = t->from->manifest.state.step;
    t->step = f->step;
    checkpoint_close(t->from);
    t->from = NULL;
    return record_range(t, from, f->step, "--on-spike rewind") < 0 ? -1 : report_bad(t, f, "rewind", why, from);
}

static int
stop_run(const struct step_figures *f, const char *why)
{
    return err_set(STATUS_FAILED, "step %llu: %s: the last checkpoint is from before (--on-spike skip or rewind goes on)",
                   (unsigned long long)f->step, why);
}

/* All ranks end here: a save that is under way is of a good step, and is finished. */
static void
finish_save(struct trainer *t)
{
    struct err e;

    err_take(&e);
    trainer_finish_save(t);
    err_give(&e);
}

/*
 * Loss and norm are sums that every rank has computed from the same parts in the same order, so the
 * window is the same everywhere and all ranks decide alike without another message.
 */
enum step_result
trainer_judge_step(struct trainer *t, const struct step_figures *f)
{
    int result;
    char *why;

    if (!spike_is_bad(&t->spikes, f->loss, f->grad_norm, &why)) {
        t->spikes_in_row = 0;
        return STEP_DONE;
    }
    result = options.on_spike == ON_SPIKE_SKIP     ? skip_step(t, f, why)
             : options.on_spike == ON_SPIKE_REWIND ? rewind_to_checkpoint(t, f, why)
                                                   : stop_run(f, why);
    free(why);
    if (result < 0)
        finish_save(t);
    return result < 0 ? STEP_FAILED : STEP_SKIPPED;
}

int
trainer_restore_spikes(struct trainer *t)
{
    char *path = checkpoint_file(t->from, SPIKE_FILE);
    int result = path ? spike_read_file(&t->spikes, path) : 0;

    free(path);
    return result;
}
