#ifndef PARALLEL_PIPELINE_H
#define PARALLEL_PIPELINE_H

#include <stdint.h>

#include "comm/comm.h"
#include "model/decoder.h"
#include "parallel/pipeline_table.h"

/*
 * The engine that runs a schedule table: this rank's tasks in order, activations and their
 * gradients sent on to the ranks of the neighbouring pieces and received from them without
 * waiting, buffers taken once. One stage with one chunk is plain accumulation of gradients.
 * Forwards and backwards of each piece are in ascending order of micro-batches on every stage, as
 * they are in all tables of pipeline_table_make; micro-batch m has slot m % slots of its piece.
 */
struct pipeline_options {
    struct comm *comm;                  /* the pipeline axis; rank = stage */
    const struct pipeline_table *table; /* checked; stages = comm->size; must outlive it */
    struct decoder *decoder;            /* its pieces are this stage's chunks, in order */
    int64_t micro_batch;                /* sequences */
    double scale, z;                    /* set anew by pipeline_run */
    void *arg;
    /* Micro-batch m of this rank, 0 <= m < micros. */
    struct batch (*batch)(void *arg, int micro);
    /* Where its gradients go; `last` as in struct gradients. */
    struct gradients (*gradients)(void *arg, int micro);
    /* Where its losses go, [micro_batch]; called on the last stage only. */
    struct sequence_loss *(*loss)(void *arg, int micro);
    /*
     * NULL, or on the last stage, before a micro-batch's backward pass: how often the gradient of each
     * sequence's loss counts, [micro_batch] (batch.weight), from their losses, which are in `loss` by then.
     * NULL: an error, with a record.
     */
    const double *(*weigh)(void *arg, int micro);
};

struct pipeline;

/*
 * What decoder_options need for stage `stage` of a table: slots [chunks] (most micro-batches alive
 * in each piece) and weight slots (0: the table never splits backward).
 */
int pipeline_slots(const struct pipeline_table *t, int stage, int *slots);

struct pipeline *pipeline_new(const struct pipeline_options *o); /* NULL with a record */
void pipeline_free(struct pipeline *p);
int64_t pipeline_buffers(const struct pipeline_table *t, int stage); /* its message buffers */
uint64_t pipeline_bytes(const struct decoder *d, const struct pipeline_table *t, int stage,
                        int64_t micro_batch); /* of these; decoder_border each, in lines */

/*
 * All micro-batches of a step, forward and backward; every batch has micro_batch sequences. What
 * was sent last may still be on its way. Collective over the pipeline. 0, or -1: the pipeline is
 * not to be used again, its neighbours may wait for ever.
 */
int pipeline_run(struct pipeline *p, double scale, double z);

/*
 * Forward alone of one batch through all stages (validation): on the last stage out and
 * token_loss are filled as decoder_loss does, elsewhere they are not touched. Collective.
 */
int pipeline_loss(struct pipeline *p, const struct batch *b, struct sequence_loss *out,
                  double *token_loss);

/*
 * Seconds computing and waiting for neighbours on this rank, of all runs but the first, which
 * touches memory for the first time.
 */
void pipeline_seconds(const struct pipeline *p, double *busy, double *waiting);

#endif
