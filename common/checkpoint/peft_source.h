#ifndef CHECKPOINT_PEFT_SOURCE_H
#define CHECKPOINT_PEFT_SOURCE_H

#include <stdbool.h>

#include "checkpoint/model_source.h"

/*
 * A directory of Hugging Face's PEFT: adapter_config.json and adapter_model.safetensors, low-rank
 * adapters of the model whose directory base_model_name_or_path names (from here, or from there).
 * What would make another computation of it (DoRA, rank patterns, trained biases, …) is refused by
 * its key.
 */
bool peft_source_is(const char *path);

/* Fills a model_source whose path is set: one with struct lora, to be merged. 0 or -1. */
int peft_source_open(struct model_source *m);

#endif
