#include "cmd/llm-tokenize/train.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/opt.h"
#include "base/progress.h"
#include "cmd/llm-tokenize/modes.h"
#include "cmd/llm-tokenize/run.h"

/* --train: texts to a tokenizer.json. */

struct training {
    const struct trainer_kind *kind;
    void *trainer;
    struct option_items specials, symbols;
    char *special_list, *symbol_list; /* what they point into */
};

static int
add_text(void *arg, int worker, struct job *j, struct document *d, const char *text, size_t n)
{
    struct training *t = arg;

    (void)j;
    (void)d;
    return t->kind->add(t->trainer, worker, text, n);
}

static int
open_trainer(struct training *t)
{
    struct train_options *o = &options.learn;

    t->special_list = options_split_list("special-tokens", o->special_tokens, &t->specials);
    if (t->special_list)
        t->symbol_list = options_split_list("user-symbols", o->user_symbols, &t->symbols);
    if (!t->symbol_list)
        return -1;
    struct learning l = {t->specials.data, t->symbols.data, t->specials.len, t->symbols.len,
                         run_phase};
    t->trainer = t->kind->open(&l);
    return t->trainer ? 0 : -1;
}

static void
release(struct training *t)
{
    t->kind->free(t->trainer);
    vec_release(&t->specials);
    vec_release(&t->symbols);
    free(t->special_list);
    free(t->symbol_list);
}

int
train_tokenizer(void)
{
    struct training t = {.kind = options.train == TRAIN_BPE ? &train_bpe : &train_unigram};
    struct sink sink = {.deliver = add_text, .arg = &t};
    struct account total = {0};
    struct outfile out;
    struct str json = {0};
    int r = -1;

    if (outfile_open(&out, options.output, false))
        return -1;
    if (open_trainer(&t) || run_input(&sink, &total))
        goto out;
    r = t.kind->finish(t.trainer, &json);
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
    release(&t);
    str_release(&json);
    return r;
}
