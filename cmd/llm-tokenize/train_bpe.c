#include "base/err.h"
#include "cmd/llm-tokenize/train.h"
#include "tokenizer/train.h"

/* --train bpe. */

enum { WORD_PIECE_LENGTH = 16 }; /* characters, as SentencePiece's default */

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
    const struct train_options *t = &options.learn;
    bool words = options_sentencepiece_bpe();
    struct bpe_options o = {
        .vocab_size = (uint32_t)t->vocab_size,
        .specials = l->specials,
        /* SentencePiece's way has <unk>, <s> and </s>: more only where they are asked for */
        .special_count = words && !t->special_tokens_given ? 0 : l->special_count,
        .symbols = l->symbols,
        .symbol_count = l->symbol_count,
        .pattern = t->pattern,
        .normalization = (enum bpe_normalization)t->normalization,
        .split_digits = t->split_digits,
        .min_frequency = t->min_frequency,
        .max_piece_length = words && !t->max_piece_length ? WORD_PIECE_LENGTH
                                                          : t->max_piece_length,
        .character_coverage = t->character_coverage,
        .limit_alphabet = t->limit_alphabet,
        .byte_fallback = t->byte_fallback,
        .words = {t->split_by_whitespace, t->split_by_script, t->split_by_number, false},
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
