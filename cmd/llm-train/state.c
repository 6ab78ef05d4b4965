/* Checkpoints of a run: which to go on from, what they record, saving and restoring. */
#include "cmd/llm-train/trainer.h"

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
#include "cmd/llm-train/machine.h"
#include "cmd/llm-train/on_spike.h"
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

void
trainer_find_checkpoint(struct trainer *t)
{
    int found;

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

/* Brings the record of options up to date; what changed since the checkpoint goes into its history. */
static void
record_options(struct training_state *s, int64_t step)
{
    struct named_value changed[64];
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
    if (n > 0)
        training_state_change(s, step, changed, n);
    for (size_t i = 0; i < n; i++) {
        free(changed[i].name);
        free(changed[i].value);
    }
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
    record_options(s, s->step);
    t->state = s;
}

int
trainer_read_state(struct trainer *t)
{
    float *const arrays[CHECKPOINT_ARRAYS] = {t->optimizer.master, t->optimizer.m, t->optimizer.v};
    int status = 0;

    if (checkpoint_read_state(t->from, arrays) < 0 || trainer_restore_fp8(t) < 0 ||
        trainer_restore_spikes(t) < 0)
        status = (int)err_status();
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
        params_initialize(t->pool, &t->params, &t->config, (uint64_t)common.seed, options.init_std, t->optimizer.master);
        return;
    }
    if (model_source_open(&source, options.init) < 0 || trainer_load_weights(t, &source, t->optimizer.master) < 0)
        status = (int)err_status();
    model_source_close(&source);
    if (comm_agree(t->world, status) < 0)
        die_err();
}

/* Adds what every rank consumed of each source since the last call to the state. */
static int
gather_sources(struct trainer *t)
{
    struct feed *f = &t->feed;
    size_t n = f->source_count, most;
    uint64_t count = n;

    if (comm_all_reduce(t->world, &count, 1, COMM_U64, COMM_MAX) < 0)
        return -1;
    most = (size_t)count;
    f->source_tokens = mem_grow_array(f->source_tokens, most + 1, sizeof *f->source_tokens);
    memset(f->source_tokens + n, 0, (most + 1 - n) * sizeof *f->source_tokens);
    f->source_count = most;
    if (most > 0 && comm_all_reduce(t->world, f->source_tokens, most, COMM_U64, COMM_SUM) < 0)
        return -1;
    for (size_t i = 0; i < most && t->world->rank == 0; i++)
        training_state_source(t->state, token_stream_source(f->stream, i)->name, f->source_tokens[i]);
    memset(f->source_tokens, 0, most * sizeof *f->source_tokens);
    return 0;
}

/* The tokenizer's files, FP8's history, and the spikes' window. *fp8 and *spikes own those files' bytes; the list is freed. */
static struct tokenizer_file *
list_files(const struct trainer *t, struct str *fp8, struct str *spikes, size_t *count)
{
    const struct tokenizer_file *of_tokenizer = NULL;
    size_t n = t->tokenizer ? tokenizer_files(t->tokenizer, &of_tokenizer) : 0;
    struct tokenizer_file *list = mem_zarray(n + 2, sizeof *list);

    for (size_t i = 0; i < n; i++)
        list[i] = of_tokenizer[i];
    if (trainer_has_fp8_history(t)) {
        fp8_file_make(decoder_fp8(t->decoder), fp8);
        list[n++] = (struct tokenizer_file){FP8_FILE, fp8->data, fp8->len};
    }
    if (t->spikes.threshold > 0) {
        spike_make_file(&t->spikes, spikes);
        list[n++] = (struct tokenizer_file){SPIKE_FILE, spikes->data, spikes->len};
    }
    *count = n;
    return list;
}

int
trainer_save(struct trainer *t)
{
    double start = sys_seconds();
    struct tokenizer_file *files;
    struct str fp8 = {0}, spikes = {0};
    struct training_state *s = t->state;
    uint64_t once = t->feed.stream ? token_stream_tokens(t->feed.stream) : UINT64_MAX;
    struct hash128 hash;
    struct checkpoint_save save = {
        .directory = t->save,
        .config = &t->config,
        .state = s,
        .keep_last = options.keep_last,
        .keep_every = options.keep_every,
    };
    const float *const arrays[CHECKPOINT_ARRAYS] = {t->optimizer.master, t->optimizer.m, t->optimizer.v};
    struct held_list held = {0};
    struct checkpoint_layout layout = {.whole = &t->params};
    char hex[33], *path;
    int status = 0;

    if (t->saved == (int64_t)t->step)
        return 0;
    if (gather_sources(t) < 0)
        return -1;
    s->step = (int64_t)t->step;
    s->position = t->feed.position;
    s->scored = t->scored;
    s->epoch = once == 0 || once == UINT64_MAX ? 0 : s->position / once;
    if (feed_chain(&t->feed, &s->chain) < 0)
        status = (int)err_status();
    if (comm_agree(t->world, status) < 0)
        return -1;
    replace_text(&s->precision, t->phase->name);
    save.files = files = list_files(t, &fp8, &spikes, &save.file_count);
    held_add_share(&held, &t->params, t->world->rank, t->world->size, arrays);
    layout.held = held.data;
    layout.count = held.len;
    status = checkpoint_save(t->world, &layout, &save, &hash);
    vec_release(&held);
    free(files);
    str_release(&fp8);
    str_release(&spikes);
    if (status < 0)
        return -1;
    t->saved = s->step;
    if (t->world->rank != 0)
        return 0;
    path = checkpoint_path(t->save, s->step);
    status = report_save(&t->report, t->step, path, hash128_hex(hash, hex), sys_seconds() - start);
    free(path);
    return status < 0 ? -1 : 0;
}
