#ifndef TOKENIZER_TRAIN_H
#define TOKENIZER_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tokenizer/train_words.h"

/*
 * Learns a BPE (Sennrich et al., ACL 2016): over the bytes of pieces, as in GPT-2, or over
 * the characters of words, as SentencePiece does it. Feed texts, then finish. The
 * result depends on the texts' pieces and counts alone: not on their order, nor on the
 * number of threads. Of equally frequent pairs the one of smaller ids is merged first, as in
 * Hugging Face's trainer.
 */
struct bpe_trainer;

enum bpe_normalization {
    BPE_NORMALIZE_NONE,
    BPE_NORMALIZE_NFC,
    BPE_NORMALIZE_NFKC,
    BPE_NORMALIZE_NMT_NFKC
};

struct bpe_options {
    uint32_t vocab_size;         /* everything: bytes or characters, merges, all special tokens */
    const char *const *specials; /* appended last, in this order */
    size_t special_count;
    const char *const *symbols; /* always one token each, not special */
    size_t symbol_count;

    /*
     * The name of a built-in pre-tokenizer ("gpt2", "llama3", ...), a regular expression,
     * or "sentencepiece"; NULL: "llama3".
     */
    const char *pattern;
    enum bpe_normalization normalization;
    bool split_digits;       /* every digit is a piece */
    uint64_t min_frequency;  /* pairs below it are not merged; 0: 2 */
    size_t max_piece_length; /* no longer merges: bytes, or characters; 0: no limit */

    /* of "sentencepiece" only; its ids 0, 1 and 2 are <unk>, <s> and </s> */
    double character_coverage; /* share of the text whose characters are tokens */
    uint64_t limit_alphabet;   /* of those at most so many; 0: no limit */
    bool byte_fallback;        /* other characters become bytes, else unknown */
    struct word_rules words;   /* its split_digits is set by the one above */

    int threads;
    void (*progress)(uint32_t merges_done, uint32_t merges_all);
};

struct bpe_trainer *
bpe_trainer_new(const struct bpe_options *o); /* NULL: impossible options (STATUS_USAGE) */

/*
 * Counts the pieces of one text (valid UTF-8). `worker` < threads: one call at a time
 * per worker. 0 or -1.
 */
int bpe_trainer_add(struct bpe_trainer *t, int worker, const char *text, size_t n);

/* Learns and appends a tokenizer.json that Hugging Face's tokenizers loads. 0 or -1. */
int bpe_trainer_finish(struct bpe_trainer *t, struct str *json);
void bpe_trainer_free(struct bpe_trainer *t);

#endif
