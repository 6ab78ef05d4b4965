/* Saving checkpoints while training goes on: what is written, and what becomes of it. */
#include "cmd/llm-train/trainer.h"

#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/fp8_file.h"
#include "checkpoint/dpo_file.h"
#include "checkpoint/spike_file.h"
#include "cmd/llm-train/dpo.h"
#include "checkpoint/writer.h"
#include "cmd/llm-train/arrays.h"
#include "cmd/llm-train/train.h"

/* Adds what every rank consumed of each source since the last call to the state. */
static int
gather_sources(struct trainer *t)
{
    struct feed *f = &t->feed;
    size_t n = f->source_count, most;
    uint64_t count = n;

    if (!layout_counts(&t->layout, t->world->rank)) /* another rank counts the same sequences */
        memset(f->source_tokens, 0, n * sizeof *f->source_tokens);
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

/* The tokenizer's files, FP8's history, the spikes' window, --dpo's reference. The strings own those files' bytes; the list is freed. */
static struct tokenizer_file *
list_files(const struct trainer *t, struct str *fp8, struct str *spikes, struct str *reference, size_t *count)
{
    const struct tokenizer_file *of_tokenizer = NULL;
    size_t n = t->tokenizer ? tokenizer_files(t->tokenizer, &of_tokenizer) : 0;
    struct tokenizer_file *list = mem_zarray(n + 3, sizeof *list);

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
    if (t->dpo) {
        dpo_make_file(t->dpo, reference);
        list[n++] = (struct tokenizer_file){DPO_FILE, reference->data, reference->len};
    }
    *count = n;
    return list;
}

int
trainer_make_writer(struct trainer *t)
{
    struct held_list held = {0};
    struct checkpoint_layout layout = {.whole = &t->whole};

    if (!t->save)
        return 0;
    arrays_list_held(t, &held);
    layout.held = held.data;
    layout.count = held.len;
    /* Where any thread of the process might have run: not on the core of this one alone. */
    t->writer = checkpoint_writer_new(t->world, &layout, &(struct checkpoint_writer_options){.cpus = CPU_COUNT(&t->cpus) ? &t->cpus : NULL});
    vec_release(&held);
    return t->writer ? 0 : -1;
}

/* What the checkpoint says of where training is. Collective. */
static int
set_state(struct trainer *t)
{
    struct training_state *s = t->state;
    uint64_t once = t->feed.stream ? token_stream_tokens(t->feed.stream) : UINT64_MAX;
    int status = 0;

    if (gather_sources(t) < 0)
        return -1;
    s->step = (int64_t)t->step;
    s->position = t->feed.position;
    s->scored = t->scored;
    s->epoch = once == 0 || once == UINT64_MAX ? 0 : s->position / once;
    if (feed_chain(&t->feed, &s->chain) < 0)
        status = (int)err_status();
    free(s->precision);
    s->precision = mem_strdup(t->phase->name);
    return comm_agree(t->world, status);
}

/*
 * A save has ended. One that failed costs nothing but itself while training goes on: the checkpoint
 * before is whole. `last`: there will be no other.
 */
static int
report_saved(struct trainer *t, const struct checkpoint_status *s, bool last)
{
    char hex[33], *path;
    int result = 0;

    if (s->phase == CHECKPOINT_FAILED) {
        if (last)
            return err_set(STATUS_FAILED, "%s", s->error);
        if (t->world->rank == 0)
            warn("step %lld: not saved: %s", (long long)s->step, s->error);
        return t->world->rank == 0 ? report_not_saved((uint64_t)s->step, s->error) : 0;
    }
    if (s->phase != CHECKPOINT_DONE)
        return 0;
    t->saved = s->step;
    if (t->world->rank != 0)
        return 0;
    if (s->error[0])
        warn("%s", s->error);
    path = checkpoint_path(t->save, s->step);
    result = report_save(&t->report, (uint64_t)s->step, path, hash128_hex(s->state_hash, hex), s->seconds, s->stopped);
    free(path);
    return result;
}

static int
begin_save(struct trainer *t)
{
    struct checkpoint_save save = {
        .directory = t->save,
        .config = &t->config,
        .state = t->state,
        .keep_last = options.keep_last,
        .keep_every = options.keep_every,
    };
    struct checkpoint_status before;
    struct tokenizer_file *files;
    struct str fp8 = {0}, spikes = {0}, reference = {0};
    int result;

    if (set_state(t) < 0)
        return -1;
    save.files = files = list_files(t, &fp8, &spikes, &reference, &save.file_count);
    result = checkpoint_begin(t->writer, &save, &before);
    free(files);
    str_release(&fp8);
    str_release(&spikes);
    str_release(&reference);
    if (report_saved(t, &before, false) < 0)
        return -1;
    if (result == 0) {
        t->saving = (int64_t)t->step;
        return 0;
    }
    struct checkpoint_status failed = {.phase = CHECKPOINT_FAILED, .step = (int64_t)t->step};
    snprintf(failed.error, sizeof failed.error, "%s", err_text());
    return report_saved(t, &failed, false);
}

int
trainer_save(struct trainer *t, bool last)
{
    struct checkpoint_status s = {0};

    if (t->saved != (int64_t)t->step && t->saving != (int64_t)t->step && begin_save(t) < 0)
        return -1;
    if (!last)
        return 0;
    if (checkpoint_finish(t->writer, &s) < 0 || report_saved(t, &s, true) < 0)
        return -1;
    if (t->saved != (int64_t)t->step)
        return err_set(STATUS_FAILED, "step %llu: not saved", (unsigned long long)t->step);
    return 0;
}

int
trainer_poll_save(struct trainer *t)
{
    struct checkpoint_status s;

    if (!t->writer)
        return 0;
    return checkpoint_poll(t->writer, &s) < 0 ? -1 : report_saved(t, &s, false);
}

int
trainer_finish_save(struct trainer *t)
{
    struct checkpoint_status s;

    if (!t->writer)
        return 0;
    return checkpoint_finish(t->writer, &s) < 0 ? -1 : report_saved(t, &s, false);
}
