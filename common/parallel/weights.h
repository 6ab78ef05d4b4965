#ifndef PARALLEL_WEIGHTS_H
#define PARALLEL_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/threads.h"
#include "comm/comm.h"
#include "model/decoder.h"
#include "model/params.h"
#include "parallel/reduce.h"

/*
 * What the decoder reads, on ranks that divide the update among themselves (ZeRO): the act
 * copy of the flat array, and the norms and biases ("vectors") in an array of their own. Each rank
 * writes its runs (reducer_runs), then all see all:
 *
 *     weights_publish_begin(w)       nobody reads the old ones any more
 *     … own runs at weights_act, own norms and biases in weights_vectors …
 *     weights_publish(w)             all runs have been written and are here
 *
 * zero 0, or one rank: private arrays, every rank writes all of them.
 * zero 1 … 3 on one host: one array in shared memory in which owners write in place, a copy of the
 *     model for all ranks together; nothing is sent. That is all that ZeRO-3 can save.
 * zero 1, 2 between hosts: private arrays, the others' runs come by messages in weights_publish.
 * zero 3 between hosts: the own runs alone stay; a unit (struct weight_source, model/decoder.h) is
 *     gathered when it is needed, the next one meanwhile, in three buffers: the embedding's and the
 *     head's, and two for layers.
 *
 * In fp32 the act copy is the master array itself.
 */
struct weights;

struct weights_options {
    struct comm *comm;            /* the ranks that share the model, those of `dense` */
    const struct params *params;  /* the same on all of them; outlives the weights */
    const struct reducer *dense;  /* whose runs are owned; outlives the weights */
    struct comm *expert_comm;     /* where experts are shared among fewer ranks; else NULL, */
    const struct reducer *expert; /* and NULL */
    size_t act_size;              /* bytes of an element */
    int zero;                     /* 0 … 3 */
    bool messages_only;           /* no shared memory (tests, measurements) */
    struct threads *pool;         /* may be NULL */
};

/* Collective. NULL with a record. All memory is taken here; everything is zero. */
struct weights *weights_new(const struct weights_options *o);
void weights_free(struct weights *w); /* collective */

/*
 * Bytes that `rank` takes: its part of the act copy (all of it where arrays are private), the
 * vectors, the buffers that units are gathered in; mapped: other ranks' parts that it reads in
 * shared memory. slices: those of the dense reducer; experts, experts_rank: those of the experts' (NULL:
 * there is none, and slices has all tensors); shared: all on one host.
 */
struct weights_memory {
    uint64_t act, vectors, gathered, mapped;
};
void weights_plan(const struct params *p, const struct slices *slices, int rank,
                  const struct slices *experts, int experts_rank, size_t act_size, int zero,
                  bool shared, struct weights_memory *m);

/* act, vectors and gathered, really. */
uint64_t weights_bytes(const struct weights *w);

/* The act copy of an own run (contiguous), or of any element where source is NULL. */
void *weights_act(const struct weights *w, int64_t element);

/* [params->vectors], wide (float): to be written for own runs, and read for all. */
float *weights_vectors(const struct weights *w);

/* Around the update. Collective. 0 or -1. */
int weights_publish_begin(struct weights *w);
int weights_publish(struct weights *w);

/*
 * What decoder_set_part_weights takes: NULL where the flat array at weights_act(w, 0) is whole.
 * need and done are collective: the same calls in the same order on all ranks of comm.
 */
const struct weight_source *weights_source(const struct weights *w);

#endif
