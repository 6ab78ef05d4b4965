#ifndef TOKENIZER_FAST_H
#define TOKENIZER_FAST_H

#include <stddef.h>

#include "base/vec.h"
#include "kernels/text.h"
#include "tokenizer/bpe.h"
#include "tokenizer/pattern.h"

/*
 * The encoder of byte-level BPE with a built-in pattern, what most models use: pieces are
 * cut in batches, looked up in a cache of the thread, and only those not in it merged.
 * The ids are those of pretokenizer_run() and bpe_encode().
 */
struct fast_scratch;
struct fast_scratch *fast_scratch_new(void);
void fast_scratch_free(struct fast_scratch *s);

/* Appends the ids of text[0..n), valid UTF-8, n < 2^32. */
void fast_encode(const struct pattern *p, const struct text_kernels *k, const uint16_t *classes,
                 const struct bpe *b, struct bpe_scratch *misses, struct fast_scratch *s,
                 const char *text, size_t n, struct ids *out);

#endif
