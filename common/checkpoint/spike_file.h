#ifndef CHECKPOINT_SPIKE_FILE_H
#define CHECKPOINT_SPIKE_FILE_H

/*
 * spike.json of llm-checkpoint(5): loss and gradient norm of the last good steps, which
 * llm-train --spike-threshold compares the next ones with. cmd/llm-train/spike.h makes and reads it.
 */
#define SPIKE_FILE "spike.json"

#endif
