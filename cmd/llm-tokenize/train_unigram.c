#include "base/err.h"
#include "cmd/llm-tokenize/train.h"
#include "tokenizer/unigram_train.h"

/* --train unigram. */

static void *
open_trainer(const struct learning *l)
{
    const struct train_options *t = &options.learn;

    if (t->vocab_size > UINT32_MAX || t->max_piece_length > UINT32_MAX) {
        err_set(STATUS_USAGE, "--vocab-size or --max-piece-length is too large");
        return NULL;
    }
    struct unigram_options o = {
        .vocab_size = (uint32_t)t->vocab_size,
        .specials = l->specials,
        .symbols = l->symbols,
        .special_count = l->special_count,
        .symbol_count = l->symbol_count,
        .coverage = t->character_coverage,
        .limit_alphabet = t->limit_alphabet,
        .byte_fallback = t->byte_fallback,
        .form = (enum normal_form)t->normalization,
        .rules = {t->split_by_whitespace, t->split_by_script, t->split_by_number,
                  t->split_digits},
        .longest = (uint32_t)t->max_piece_length,
        .seed_size = t->seed_size,
        .shrink = t->shrink,
        .sub_iterations = (int)t->sub_iterations,
        .threads = options.threads,
        .progress = l->progress,
    };

    return unigram_trainer_new(&o);
}

static int
add_text(void *trainer, int worker, const char *text, size_t n)
{
    return unigram_trainer_add(trainer, worker, text, n);
}

static int
finish_training(void *trainer, struct str *json)
{
    return unigram_trainer_finish(trainer, json);
}

static void
free_trainer(void *trainer)
{
    unigram_trainer_free(trainer);
}

const struct trainer_kind train_unigram = {open_trainer, add_text, finish_training, free_trainer};
