#ifndef LLM_TRAIN_LOSSES_H
#define LLM_TRAIN_LOSSES_H

#include "cmd/llm-train/layout.h"
#include "comm/comm.h"

/*
 * The losses of a step's sequences, from the ranks that have them to all: context ranks' parts
 * are added in rank order, sequences in ascending order, whatever the layout.
 */
struct losses;
struct losses *losses_new(struct comm *world, const struct layout *l, int64_t global_batch);
void losses_free(struct losses *s);

/* mine: of this rank's sequences; not looked at where the rank has none. Collective. 0 or -1. */
int losses_add(struct losses *s, const struct sequence_loss *mine, struct sequence_loss *total);

#endif
