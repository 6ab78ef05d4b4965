#ifndef LLM_TRAIN_PROBE_H
#define LLM_TRAIN_PROBE_H

#include "cmd/llm-train/machine_file.h"
#include "cmd/llm-train/trainer.h"

/*
 * --machine local, and what a run plans itself by: the machine that this process runs on, as its
 * ranks find it while all of them work at once. One layer of each kind and the model's ends are
 * computed with the run's kernels, precision, threads and shapes; AdamW on arrays that no cache
 * holds; messages and sums between the ranks there are. Their seconds, carried over to the whole
 * model, make the rates: a rank's, times the ranks of this host (domains). Products have one rate for
 * all sizes of this model (half-size and overhead 0), which is no other model's.
 *
 * `seconds`: about how long it may take, wherever that is possible; for models that are too large for
 * it, fewer tokens, then narrower layers and a smaller vocabulary stand for the whole. t: with its
 * layout, kernels and pool, before any arena is taken. Nothing is kept but what the heap keeps.
 * Collective over t->world. 0 or -1 with a record.
 */
int probe_machine(const struct trainer *t, double seconds, struct machine_file *m);

/* Is it this machine, that --machine names? */
bool probe_is_local(const char *machine);

#endif
