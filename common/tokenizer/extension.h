#ifndef TOKENIZER_EXTENSION_H
#define TOKENIZER_EXTENSION_H

#include <stddef.h>
#include <stdint.h>

#include "tokenizer/tokenizer.h"

/*
 * What `llm-tokenize --extend` writes into tokenizer.json, as the member "extension" of
 * "model", which Hugging Face's tokenizers reads over:
 *
 *     {"first": 32000, "replaces": [[28, 5], [17], ...]}
 *
 * replaces[i] are the ids of the base that stood for token first + i, in order: the base's
 * segmentation of its text. A good beginning of its embedding is their mean.
 */

/*
 * The ids that a token was added for, at least one, each smaller than `id`; *ids is owned
 * by t. 0: the token was not added by an extension.
 */
size_t tokenizer_replaces(const struct tokenizer *t, uint32_t id, const uint32_t **ids);

#endif
