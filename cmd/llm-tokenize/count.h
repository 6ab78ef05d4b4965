#ifndef LLM_TOKENIZE_COUNT_H
#define LLM_TOKENIZE_COUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"

/* A line of --count: what there is of one source. */
struct count {
    const char *source, *language;
    uint64_t documents, bytes, tokens;
    bool has_tokens; /* else "tokens" is null: there was no tokenizer */
};

/* Writes it as one line of JSON. 0 or -1. */
int count_write(struct outfile *out, const struct count *c);

#endif
