#ifndef TOKENIZER_TRAIN_H
#define TOKENIZER_TRAIN_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Learns a byte-level BPE (Sennrich et al., ACL 2016, over the bytes as in GPT-2).
 * Feed texts, then finish. The result depends on the texts' pieces and counts
 * alone: not on their order, nor on the number of threads. Of equally frequent pairs
 * the one of smaller ids is merged first, as in Hugging Face's trainer.
 */
struct bpe_trainer;

struct bpe_options {
    uint32_t vocab_size;         /* bytes, merges and special tokens together */
    const char *const *specials; /* appended last, in this order */
    size_t special_count;
    const char
        *pattern; /* name of a built-in pre-tokenizer: "gpt2", "llama3", ...; NULL: "llama3" */
    uint64_t min_frequency; /* pairs below it are not merged; 0: 2 */
    size_t max_piece_bytes; /* longer merges are not made; 0: no limit */
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
