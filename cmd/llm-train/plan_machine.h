#ifndef LLM_TRAIN_PLAN_MACHINE_H
#define LLM_TRAIN_PLAN_MACHINE_H

#include "cmd/llm-train/trainer.h"

/*
 * Links between neighbours with and without a rank map on t->machine's network, where it has one, and
 * the map itself into the file of --rank-map. On standard output; dies on errors.
 */
void plan_machine_map(const struct trainer *t);

#endif
