#ifndef LLM_TOKENIZE_TRAIN_H
#define LLM_TOKENIZE_TRAIN_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "cmd/llm-tokenize/options.h"

/* A kind of training: what --train's main loop asks of train_bpe.c and train_unigram.c. */
struct learning {
    const char *const *specials, *const *symbols; /* --special-tokens, --user-symbols */
    size_t special_count, symbol_count;
    void (*progress)(const char *phase, uint64_t done, uint64_t all);
};

struct trainer_kind {
    void *(*open)(const struct learning *l); /* by `options`; NULL: impossible ones */
    int (*add)(void *trainer, int worker, const char *text, size_t n);
    int (*finish)(void *trainer, struct str *json); /* what is to be written */
    void (*free)(void *trainer);                    /* NULL will do */
};

extern const struct trainer_kind train_bpe, train_unigram;

#endif
