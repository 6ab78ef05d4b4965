#ifndef LLM_TRAIN_ARRAYS_H
#define LLM_TRAIN_ARRAYS_H

#include "checkpoint/held.h"
#include "cmd/llm-train/trainer.h"

/* Where master weights, moments and the decoder's weights lie (struct state of trainer.h). */

/* Bytes of a rank; mapped: of other ranks' memory. */
struct array_memory {
    uint64_t master, moments, act, total, mapped;
};
void arrays_plan(const struct trainer *t, const struct layout *l, const struct params *p,
                 struct array_memory *m);

uint64_t arrays_bytes(const struct trainer *t); /* of this run, really */

/* Once the reducers are there. Collective. 0 or -1. */
int arrays_make(struct trainer *t);
void arrays_release(struct trainer *t);

/* What this rank writes into a checkpoint, and what it reads of one. */
void arrays_list_held(const struct trainer *t, struct held_list *out);
void arrays_list_wanted(const struct trainer *t, struct wanted_list *out);

/* New weights in the runs; those of whole tensor `param` (of the whole table) from `values`. */
void arrays_initialize(struct trainer *t);
void arrays_set_tensor(struct trainer *t, int param, const float *values);

/* The runs' pointers, after the precision changed. */
void arrays_set_runs(struct trainer *t);

/*
 * Around a change of the master weights: nobody reads the old ones any more; all see the new ones.
 * publish: both, with the copies in the decoder's precision. Collective. 0 or -1.
 */
int arrays_begin_update(struct trainer *t);
int arrays_end_update(struct trainer *t);
int arrays_publish(struct trainer *t);

#endif
