#ifndef TOKENIZER_UNIGRAM_TRAIN_H
#define TOKENIZER_UNIGRAM_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tokenizer/train_words.h"
#include "tokenizer/write_unigram.h"

/*
 * Learns a Unigram vocabulary as SentencePiece's trainer does. Feed texts, then finish.
 * The result depends on the texts alone: not on their order, nor on the number of
 * threads. Memory: the words that differ, about 30 bytes a character of them.
 */
struct unigram_trainer;

struct unigram_options {
    uint32_t vocab_size; /* <unk>, bytes, symbols, pieces and special tokens together */
    const char *const *specials, *const *symbols;
    size_t special_count, symbol_count;
    double coverage;    /* share of the text whose characters become pieces */
    uint64_t limit_alphabet; /* at most so many characters; 0: no limit */
    bool byte_fallback;
    enum normal_form form;
    struct word_rules rules;
    uint32_t longest;   /* characters in a piece; 0: 16 */
    size_t seed_size;   /* 0: five times the vocabulary */
    double shrink;
    int sub_iterations;
    int threads;
    void (*progress)(const char *phase, uint64_t done, uint64_t all); /* NULL: none */
};

/* NULL: impossible options (STATUS_USAGE). */
struct unigram_trainer *unigram_trainer_new(const struct unigram_options *o);

/*
 * Counts the words of one text (valid UTF-8). `worker` < threads: one call at a time
 * per worker. 0 or -1.
 */
int unigram_trainer_add(struct unigram_trainer *t, int worker, const char *text, size_t n);

/*
 * Learns and appends a tokenizer.json that Hugging Face's tokenizers loads. Of too
 * little text the vocabulary is smaller than asked. 0, or -1: the vocabulary does not
 * hold all characters (STATUS_USAGE).
 */
int unigram_trainer_finish(struct unigram_trainer *t, struct str *json);
void unigram_trainer_free(struct unigram_trainer *t);

#endif
