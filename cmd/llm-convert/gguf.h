#ifndef CMD_LLM_CONVERT_GGUF_H
#define CMD_LLM_CONVERT_GGUF_H

#include "checkpoint/gguf_build.h"
#include "checkpoint/gguf_names.h"
#include "checkpoint/model_source.h"

/* The parts of writing a GGUF file. */

/* The values of the model itself, general.* and those of its architecture; what GGUF cannot say is refused. 0 or -1. */
int gguf_put_model(struct gguf_build *b, const struct model_source *m, const char *name, int type);

/*
 * tokenizer.*: vocabulary, merges or scores, special tokens, chat templates, and the tokenizer.json as
 * it is. A model without a tokenizer has none, which is noted. 0 or -1.
 */
int gguf_put_tokenizer(struct gguf_build *b, const struct model_source *m);

/* The type of enum gguf_type that a tensor gets where matrices get `type` of enum output_type. */
uint32_t gguf_tensor_type(const struct gguf_part *part, int type);

/* The type of enum output_type that is asked for, else nearest to the model's own. */
int gguf_output_type(const struct model_source *m);

#endif
