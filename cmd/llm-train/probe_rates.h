#ifndef LLM_TRAIN_PROBE_RATES_H
#define LLM_TRAIN_PROBE_RATES_H

#include "cmd/llm-train/machine_file.h"
#include "cmd/llm-train/trainer.h"

/* The rest of probe_machine: what does not depend on the model. Both collective; 0 or -1 with a record. */

/* Bytes a second that this rank's gradient norm and AdamW move, as plan_time counts them. */
int probe_update(const struct trainer *t, double seconds, double *rate);

/*
 * Sets link, latency, inner and inner_latency, all alike, by what the layout uses most: messages
 * between ranks (pipeline, context, experts) or sums over them. One rank: nothing.
 */
int probe_ways(const struct trainer *t, double seconds, struct machine_file *m);

#endif
