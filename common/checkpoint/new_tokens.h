#ifndef CHECKPOINT_NEW_TOKENS_H
#define CHECKPOINT_NEW_TOKENS_H

#include "base/vec.h"
#include "model/config.h"
#include "tokenizer/tokenizer.h"

/*
 * A model whose tokenizer was extended: the vocabulary grows, and a new token's rows of embedding
 * and head begin as the mean of the rows of the tokens that stood for its text before.
 */
struct new_tokens {
    uint32_t first, end; /* ids; first == end: there are none */
    struct ids pieces;
    size_t *begin; /* [end - first + 1]: where each one's begin in pieces */
};

/*
 * Finds them: the ids of `grown` from `known` on, each of which replaces smaller ids, as its
 * extension says (tokenizer/extension.h). Where it does not, as `old` cuts the token's text, if old is
 * given, whose tokens must then have the same texts and ids in grown. 0; or -1 (STATUS_INPUT):
 * grown does not extend it, says why. Release it in any case.
 */
int new_tokens_find(struct new_tokens *n, const struct tokenizer *old,
                    const struct tokenizer *grown, uint32_t known);
void new_tokens_release(struct new_tokens *n);

/*
 * Fills the new rows of rows [end][columns]; the others are there. Sums in double, in order of ids.
 */
void new_tokens_fill(const struct new_tokens *n, int64_t columns, float *rows);

/* `from` with another vocab_size, in its json text as well (made where it has none). 0 or -1. */
int config_grow(struct config *to, const struct config *from, int64_t vocab_size);

#endif
