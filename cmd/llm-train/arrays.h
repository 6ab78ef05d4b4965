#ifndef LLM_TRAIN_ARRAYS_H
#define LLM_TRAIN_ARRAYS_H

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
