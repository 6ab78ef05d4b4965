/* Checkpoints of a run: which to go on from, what they record, saving and restoring. */
#include "cmd/llm-train/trainer.h"

#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/fp8_file.h"
#include "checkpoint/model_source.h"
#include "checkpoint/spike_file.h"
#include "cmd/llm-train/arrays.h"
#include "cmd/llm-train/machine.h"
#include "cmd/llm-train/dpo.h"
#include "cmd/llm-train/on_spike.h"
#include "cmd/llm-train/schedule.h"
#include "cmd/llm-train/train.h"

static void
say_damaged(void *arg, const char *message)
{
    (void)arg;
    warn("%s: damaged, trying the one before", message);
}

/* Options of the checkpoint that the command line does not override; differences are told. "": was not given. */
static void
take_options(struct trainer *t)
{
    const struct training_state *old = &t->from->manifest.state;

    for (const char *const *name = recorded_options; *name; name++) {
        const char *was = training_state_get(old, *name);
        char *now = opt_get(&llm_train, *name);
        if (was && was[0] && !opt_given(&llm_train, *name)) {
            if (opt_set(&llm_train, *name, was) < 0)
                die(STATUS_INPUT, "%s: manifest.json: option %s: %s", t->from->path, *name, err_text());
        } else if (was && now && strcmp(was, now) != 0 && t->world->rank == 0) {
            note("--%s %s (was %s)", *name, now, was);
        }
        free(now);
    }
}

/* Is the checkpoint behind the beginning of the decay that its own run was to end with? */
static bool
trunk_decays(const struct trainer *t)
{
    const struct training_state *s = &t->from->manifest.state;
    const char *decay = training_state_get(s, "decay");
    uint64_t step = (uint64_t)s->step, steps = options.steps;

    if (!steps)
        steps = ramp_steps_for(&t->length.ramp, options.tokens);
    return !decay || !decay[0] || step + length_in_steps(decay, &t->length.ramp, step) > steps;
}

/* A branch goes on from itself once it has saved something, else it leaves its trunk. */
static void
find_branch(struct trainer *t)
{
    struct checkpoint_list list = {0};
    int32_t begun = 0;

    if (t->world->rank == 0 && file_is_dir(options.save)) {
        if (checkpoint_list(options.save, &list) < 0)
            die_err();
        begun = list.count > 0;
        checkpoint_list_release(&list);
    }
    if (comm_all_reduce(t->world, &begun, 1, COMM_I32, COMM_MAX) < 0)
        die_err();
    t->branches = !begun;
    options.resume = begun ? options.save : options.branch;
}

void
trainer_place_branch(struct trainer *t)
{
    const struct training_state *s;
    uint64_t steps, warmup;
    char text[32];

    if (!t->branches)
        return;
    s = &t->from->manifest.state;
    steps = length_in_steps(options.decay, &t->length.ramp, (uint64_t)s->step);
    warmup = length_in_steps(options.warmup, &t->length.ramp, 0);
    if (options.schedule != SCHEDULE_CONSTANT && options.schedule != SCHEDULE_WSD)
        die(STATUS_USAGE, "--branch %s: its schedule is %s; a branch leaves a trunk whose rate is constant (constant, wsd)",
            options.branch, training_state_get(s, "schedule"));
    if ((uint64_t)s->step < warmup)
        die(STATUS_USAGE, "--branch %s: step %lld is within the warm-up of %llu steps", options.branch,
            (long long)s->step, (unsigned long long)warmup);
    if (options.schedule == SCHEDULE_WSD && trunk_decays(t))
        die(STATUS_USAGE, "--branch %s: step %lld is within the trunk's own decay", options.branch, (long long)s->step);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)((uint64_t)s->step + steps));
    if (opt_set(&llm_train, "steps", text) < 0 || opt_set(&llm_train, "tokens", "0") < 0 ||
        opt_set(&llm_train, "schedule", "wsd") < 0)
        die_err();
}

void
trainer_find_checkpoint(struct trainer *t)
{
    int found;

    if (options.branch)
        find_branch(t);
    if (!options.resume)
        return;
    if (t->world->rank == 0 && checkpoint_clean(options.resume, NULL) < 0)
        die_err();
    found = checkpoint_resume(t->world, options.resume, say_damaged, NULL, &t->from);
    if (found < 0)
        die_err();
    if (found == 0 && !options.model && !options.init)
        die(STATUS_FAILED, "%s: no checkpoint to go on from, and neither --model nor --init to start anew with", options.resume);
    if (found > 0)
        take_options(t);
}

/* --save into a directory with checkpoints needs --resume: two runs must not mix. */
void
trainer_check_save_dir(struct trainer *t)
{
    struct checkpoint_list list;
    int status = 0;

    t->save = options.save ? options.save : options.resume;
    if (t->save && t->world->rank == 0) {
        if (file_mkdirs(t->save) < 0 || checkpoint_list(t->save, &list) < 0) {
            status = (int)err_status();
        } else {
            if (list.count > 0 && !options.resume)
                status = (err_set(STATUS_USAGE, "--save %s: holds checkpoints already; --resume %s goes on from them",
                                  t->save, t->save), STATUS_USAGE);
            if (status == 0 && checkpoint_clean(t->save, NULL) < 0)
                status = (int)err_status();
            checkpoint_list_release(&list);
        }
    }
    if (comm_agree(t->world, status) < 0)
        die_err();
}

static char *
option_text(const char *name)
{
    char *value = opt_get(&llm_train, name);

    return value ? value : mem_strdup("");
}

/*
 * What decides bits, too, but is not taken over by a resumed run: told in the record by its name, which
 * is looked at by people and by llm-convert --history alone. Only where it is, or was, other than usual.
 */
static size_t
record_facts(const struct trainer *t, struct training_state *s, struct named_value *changed)
{
    const struct {
        const char *name;
        bool is;
    } facts[] = {
        {"init", options.init && !t->from},
        {"extend-vocabulary", options.extend_vocabulary && !t->from},
        {"sequence-parallel", t->layout.sequence_parallel},
        {"grad-reduce-in-bf16", options.grad_reduce_in_bf16},
    };
    enum { OF_THE_START = 2 };
    size_t n = 0;

    for (size_t i = t->from ? OF_THE_START : 0; i < sizeof facts / sizeof *facts; i++) {
        const char *was = training_state_get(s, facts[i].name), *is = facts[i].is ? "yes" : "no";
        if (strcmp(was ? was : "no", is) == 0)
            continue;
        changed[n++] = (struct named_value){mem_strdup(facts[i].name), mem_strdup(is)};
        training_state_option(s, facts[i].name, is);
    }
    return n;
}

/* Brings the record of options up to date; what changed since the checkpoint goes into its history. */
static void
record_options(const struct trainer *t, struct training_state *s, int64_t step)
{
    struct named_value changed[96];
    size_t n = 0;

    for (const char *const *name = recorded_options; *name; name++) {
        char *value = option_text(*name);
        const char *was = training_state_get(s, *name);
        if (!was || strcmp(was, value) != 0) {
            changed[n++] = (struct named_value){mem_strdup(*name), value};
            training_state_option(s, *name, value);
        } else {
            free(value);
        }
    }
    n += record_facts(t, s, changed + n);
    if (n > 0)
        training_state_change(s, step, changed, n);
    for (size_t i = 0; i < n; i++) {
        free(changed[i].name);
        free(changed[i].value);
    }
}

/* Layouts may differ from run to run: how is told. */
static void
record_layout(const struct trainer *t, struct training_state *s)
{
    const struct layout *l = &t->layout;
    const struct training_layout *was = training_state_layout(s);
    char schedule[32];
    struct training_layout now = {
        .tensor = l->size[AXIS_TENSOR],
        .context = l->size[AXIS_CONTEXT],
        .expert = l->size[AXIS_EXPERT],
        .data = l->size[AXIS_DATA],
        .pipeline = l->size[AXIS_PIPELINE],
        .zero = l->zero,
        .schedule = schedule,
    };

    snprintf(schedule, sizeof schedule, "%s", l->size[AXIS_PIPELINE] > 1 ? pipeline_schedule_name(l->schedule) : "");
    if (was && t->world->rank == 0 &&
        (was->tensor != now.tensor || was->context != now.context || was->expert != now.expert ||
         was->data != now.data || was->pipeline != now.pipeline))
        note("layout: tensor %lld, context %lld, expert %lld, data %lld, pipeline %lld (was %lld, %lld, %lld, %lld, %lld)",
             (long long)now.tensor, (long long)now.context, (long long)now.expert, (long long)now.data,
             (long long)now.pipeline, (long long)was->tensor, (long long)was->context,
             (long long)was->expert, (long long)was->data, (long long)was->pipeline);
    training_state_lay_out(s, s->step, &now);
}

static void
replace_text(char **field, const char *text)
{
    free(*field);
    *field = mem_strdup(text);
}

/* What a new or continued run writes into its checkpoints from the start on. */
static void
begin_state(struct trainer *t)
{
    struct training_state *s = mem_zalloc(sizeof *s);

    if (t->from)
        training_state_copy(s, &t->from->manifest.state);
    s->seed = (uint64_t)common.seed;
    s->reduce_groups = t->groups;
    memcpy(s->fingerprint, t->fingerprint, sizeof s->fingerprint);
    replace_text(&s->precision, t->phase->name);
    replace_text(&s->kernels, t->kernels->name);
    replace_text(&s->blas, machine_blas(t));
    record_options(t, s, s->step);
    record_layout(t, s);
    t->state = s;
}

int
trainer_read_state(struct trainer *t)
{
    struct wanted_list wanted = {0};
    int status = 0;

    arrays_list_wanted(t, &wanted);
    if (checkpoint_read_wanted(t->from, wanted.data, wanted.len, 0) < 0 || trainer_restore_fp8(t) < 0 ||
        trainer_restore_spikes(t) < 0 || dpo_restore(t) < 0)
        status = (int)err_status();
    vec_release(&wanted);
    return comm_agree(t->world, status);
}

int
trainer_restore(struct trainer *t)
{
    const struct training_state *s;

    begin_state(t);
    t->saved = -1;
    if (!t->from)
        return 0;
    s = &t->from->manifest.state;
    if (trainer_read_state(t) < 0)
        return -1;
    t->step = (uint64_t)s->step;
    t->saved = options.save && strcmp(options.save, options.resume) != 0 ? -1 : s->step;
    t->scored = s->scored;
    if (feed_seek(&t->feed, s->position, s->chain) < 0)
        return -1;
    if (t->world->rank == 0)
        note("going on from %s, step %lld, token %llu", t->from->path, (long long)s->step,
             (unsigned long long)s->position);
    checkpoint_close(t->from);
    t->from = NULL;
    return 0;
}

/* New weights, or those of --init. */
void
trainer_init_weights(struct trainer *t)
{
    struct model_source source = {0};
    int status = 0;

    if (t->from)
        return;
    if (!options.init) {
        arrays_initialize(t);
        return;
    }
    trainer_agree_or_die(t, model_source_open(&source, options.init));
    if (source.trained && checkpoint_verify(t->world, source.trained) < 0)
        die_err();
    if (trainer_load_weights(t, &source) < 0)
        status = (int)err_status();
    model_source_close(&source);
    if (comm_agree(t->world, status) < 0)
        die_err();
}
