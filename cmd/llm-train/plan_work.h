#ifndef LLM_TRAIN_PLAN_WORK_H
#define LLM_TRAIN_PLAN_WORK_H

#include "cmd/llm-train/plan_time.h"

/*
 * plan_time's lower half: what a rank can do, how it reaches others, and how long its part of a layer
 * takes for one micro-batch.
 */

/* How a rank reaches the others of its group. size 1: there are none. */
struct way {
    int size;
    double rate, latency; /* bytes/s of this rank; 0: no time */
};

/* A rank of the planned machine. */
struct plan_rank {
    const struct config *c;
    const struct layout *l;
    const struct machine_file *m;
    double products, linear, attention; /* operations/s; linear: of linear layers (in FP8 faster) */
    double stream, update, bandwidth;   /* bytes/s */
    double act, wide;                   /* bytes of an element */
    bool fp8;
    double sequences, length, tokens;   /* of a micro-batch; tokens: this rank's part */
    double split;                       /* tensor-parallel ranks */
    struct way tensor, context, expert, pipeline, dense, experts;
};
void plan_rank_init(struct plan_rank *r, const struct trainer *t, const struct layout *l,
                    const struct machine_file *m);

/* Seconds of one pass of a micro-batch, and what they are for. */
struct work {
    double products, attention, elementwise, tensor, context, expert;
    double operations; /* really done, those that are done again included */
    struct plan_bytes bytes;
    struct plan_messages messages;
};
struct passes {
    struct work forward, input, weight;
};
double work_seconds(const struct work *w);
void work_add(struct work *to, const struct work *from, double times);

/* Piece `piece` of the model (pipeline_stages.h), as `stage` recomputes. */
void plan_piece(const struct plan_rank *r, const struct model_piece *piece, enum recompute recompute,
                struct passes *out);

/* Seconds until bytes, handed to each other by all of a group, are where they belong: in a sum that
 * all have, in one whose parts each has (or from parts to all), exchanged; and to one neighbour. */
double way_all_reduce(const struct way *w, double bytes);
double way_scatter(const struct way *w, double bytes);
double way_exchange(const struct way *w, double bytes);
double way_send(const struct way *w, double bytes);

#endif
