#ifndef LLM_TRAIN_LORA_H
#define LLM_TRAIN_LORA_H

#include "cmd/llm-train/trainer.h"

/*
 * Low-rank adapters (struct lora of model/config.h): --lora puts them beside the weights of --init
 * or --model; a checkpoint that is resumed has its own. Once the configuration is there, before the
 * tables are made. Dies on what cannot be.
 */
void lora_choose(struct trainer *t);

/* Says what is trained, where it is adapters. */
void lora_note(const struct trainer *t);

#endif
