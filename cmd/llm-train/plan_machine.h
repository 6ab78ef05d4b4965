#ifndef LLM_TRAIN_PLAN_MACHINE_H
#define LLM_TRAIN_PLAN_MACHINE_H

#include "cmd/llm-train/trainer.h"

/*
 * What a planned run asks of the machine of --machine: memory of its nodes, bytes that ranks hand on,
 * links between neighbours with and without a rank map, which --rank-map writes. most: of the rank
 * that needs the most. On standard output; dies on errors.
 */
void plan_machine(const struct trainer *t, int ranks, const struct memory_plan *most);

#endif
