#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/progress.h"
#include "cmd/llm-tokenize/modes.h"
#include "cmd/llm-tokenize/options.h"
#include "cmd/llm-tokenize/run.h"
#include "tokenizer/train.h"

/* --train bpe: texts to a tokenizer.json. */

struct training {
    struct bpe_trainer *trainer;
    char *list;            /* --special-tokens, cut at its commas */
    VEC(const char *) specials;
};

static int
add_text(void *arg, int worker, struct job *j, struct document *d, const char *text, size_t n)
{
    struct training *t = arg;

    (void)j;
    (void)d;
    return bpe_trainer_add(t->trainer, worker, text, n);
}

static void
show_merges(uint32_t done, uint32_t all)
{
    static bool started;

    if (!started)
        progress_start("merge", all, PROGRESS_COUNT,
                       common.progress_given ? common.progress : -1);
    started = true;
    progress_set(done);
}

static int
split_specials(struct training *t)
{
    t->list = mem_strdup(options.special_tokens);
    for (char *p = t->list, *comma = p; comma && *t->list; p = comma + 1) {
        comma = strchr(p, ',');
        if (comma)
            *comma = '\0';
        if (!*p)
            return err_set(STATUS_USAGE, "--special-tokens %s: an empty token",
                           options.special_tokens);
        vec_push(&t->specials, p);
    }
    return 0;
}

static int
open_trainer(struct training *t)
{
    if (split_specials(t))
        return -1;
    if (options.vocab_size > UINT32_MAX)
        return err_set(STATUS_USAGE, "--vocab-size is too large");
    struct bpe_options o = {
        .vocab_size = (uint32_t)options.vocab_size,
        .specials = t->specials.data,
        .special_count = t->specials.len,
        .pattern = options.pattern,
        .threads = options.threads,
        .progress = show_merges,
    };
    t->trainer = bpe_trainer_new(&o);
    return t->trainer ? 0 : -1;
}

int
train_tokenizer(void)
{
    struct training t = {0};
    struct sink sink = {add_text, NULL, &t};
    struct account total = {0};
    struct outfile out;
    struct str json = {0};
    int r = -1;

    if (outfile_open(&out, options.output, false))
        return -1;
    if (open_trainer(&t) || run_input(&sink, &total))
        goto out;
    r = bpe_trainer_finish(t.trainer, &json);
    progress_end();
    if (!r)
        r = outfile_write(&out, json.data, json.len);
    if (!r)
        r = outfile_commit(&out);
    if (!r)
        account_report(&total, options.source_name, NULL, false);
out:
    if (r)
        outfile_abandon(&out);
    bpe_trainer_free(t.trainer);
    vec_release(&t.specials);
    free(t.list);
    str_release(&json);
    return r;
}
