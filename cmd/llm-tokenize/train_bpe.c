#include "base/err.h"
#include "cmd/llm-tokenize/train.h"
#include "tokenizer/train.h"

/* --train bpe. */

static void (*show)(const char *phase, uint64_t done, uint64_t all);

static void
show_merges(uint32_t done, uint32_t all)
{
    show("merge", done, all);
}

static void *
open_trainer(const struct learning *l)
{
    if (options.learn.vocab_size > UINT32_MAX) {
        err_set(STATUS_USAGE, "--vocab-size is too large");
        return NULL;
    }
    struct bpe_options o = {
        .vocab_size = (uint32_t)options.learn.vocab_size,
        .specials = l->specials,
        .special_count = l->special_count,
        .pattern = options.learn.pattern,
        .threads = options.threads,
        .progress = show_merges,
    };
    show = l->progress;
    return bpe_trainer_new(&o);
}

static int
add_text(void *trainer, int worker, const char *text, size_t n)
{
    return bpe_trainer_add(trainer, worker, text, n);
}

static int
finish_training(void *trainer, struct str *json)
{
    return bpe_trainer_finish(trainer, json);
}

static void
free_trainer(void *trainer)
{
    bpe_trainer_free(trainer);
}

const struct trainer_kind train_bpe = {open_trainer, add_text, finish_training, free_trainer};
