#ifndef LLM_TRAIN_PROBE_PIECE_H
#define LLM_TRAIN_PROBE_PIECE_H

#include "cmd/llm-train/trainer.h"

/*
 * How long a layer, and what stands at the model's ends, really take on this rank: a decoder of that
 * one layer with the run's kernels, precision and threads, forward and backward.
 *
 *   layer  its forward and backward passes
 *   ends   head, loss and final norm backward, and the gradient of the embedding
 */
struct probe_seconds {
    double products, attention, elementwise;
};

/*
 * What is measured. config: the model, its heads, widths and vocabulary those of this rank's part; it
 * computes layer `layer`, and the ends where `ends`. fresh: gradients are written, not added to.
 */
struct probe_piece {
    const struct config *config;
    int layer;
    bool ends;
    int64_t sequences, length;
    enum recompute recompute;
    bool fresh;
};

/*
 * Repeats passes until `seconds` are over (at least one, behind one that touches memory for the first
 * time, and at most some) and takes the fastest. Ranks begin together. seen: what the passes were of;
 * layer or ends. 0, or -1 with a record: no memory. Collective.
 */
int probe_piece(const struct trainer *t, const struct probe_piece *what, double seconds,
                struct probe_seconds *seen);

#endif
