#ifndef PARALLEL_REDUCE_H
#define PARALLEL_REDUCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/threads.h"
#include "comm/comm.h"
#include "model/decoder.h"
#include "model/params.h"
#include "parallel/slices.h"
#include "parallel/tree.h"

/*
 * The gradient reduction over the data-parallel ranks: bits are a function of the
 * groups' gradients and their number G alone, never of the ranks (parallel/tree.h).
 *
 *     while (reducer_more(r)) {
 *         float *grads = reducer_group(r);            the next group of this rank
 *         decoder_train(…, grads, …, NULL, NULL);     every micro-batch but the group's last
 *         decoder_train(…, grads, …, reducer_ready, r);
 *     }
 *     if (reducer_finish(r, &sum) != 0) …             sum [elements], the same on every rank
 *
 * In the rank's last group every finished range goes on its way to the owner of
 * its slice at once, while the backward pass goes on: pieces of at most
 * REDUCE_PIECE elements, in shared memory when all ranks are on one host, else
 * by messages. The owner finishes the tree; a tied embedding's two gradients are added
 * there, once. threads_hook drives this through comm_progress.
 */
enum { REDUCE_PIECE = 262144 };

struct reducer;

struct reducer_options {
    struct comm *comm;           /* the data-parallel ranks; size <= groups */
    const struct params *params; /* must outlive the reducer */
    int groups;                  /* G */
    struct threads *pool;        /* for the additions at the end; may be NULL */
    bool overwritten;            /* a group's first batch has batch.overwrite set */
    bool messages_only;          /* no shared memory (tests, measurements) */
};

/* Collective. NULL with a record. All memory is taken here. */
struct reducer *reducer_new(const struct reducer_options *o);
void reducer_free(struct reducer *r); /* collective */

/*
 * Bytes that `rank` takes (-1: the largest of each kind): gradient buffers, and what messages
 * from other ranks land in. `mapped` are other ranks' buffers that it reads where they
 * lie: resident in it, but counted by those ranks.
 */
struct reducer_memory {
    uint64_t gradients, staging, mapped;
};
void reducer_plan(const struct params *p, int groups, int ranks, int rank, bool shared,
                  struct reducer_memory *m);
void reducer_memory(const struct reducer *r, struct reducer_memory *m); /* of this rank, really */

/* Groups [begin, end) are this rank's. */
struct tree_run reducer_groups(const struct reducer *r);

/* Does this rank have a group left in this step? */
bool reducer_more(const struct reducer *r);

/*
 * The next group's gradients, [grad_elements], ascending: zero, or where options.overwritten,
 * zero but for the weights of products. NULL with a record.
 * The sum of the step before is no longer valid after the first of a step.
 */
float *reducer_group(struct reducer *r);

/* decoder_train's ready() for the last micro-batch of a group; arg is the reducer. */
void reducer_ready(void *arg, int64_t begin, int64_t end);

/*
 * Completes the step: *sum [elements] is valid on every rank until the next
 * reducer_group, and read-only. What reducer_ready never named counts as finished now. 0 or -1.
 */
int reducer_finish(struct reducer *r, const float **sum);

/* How much of this rank's slice was reduced before the last reducer_finish: 0 to 1. */
double reducer_overlap(const struct reducer *r);

/* Does the reduction go through shared memory? */
bool reducer_shared(const struct reducer *r);

/* Elements of slice `rank` (parallel/slices.h); this rank's own: comm->rank. */
const struct slice *reducer_slice(const struct reducer *r, int rank);

/*
 * Every rank has filled sums[block] for the blocks of its own slice
 * (optimizer_block_sums); afterwards all have all, and flags is the OR of all ranks' flags, in the
 * same message. 0 or -1.
 */
int reducer_gather_sums(struct reducer *r, double *sums, uint64_t *flags);

/*
 * The losses of a step's B sequences. mine: this rank's, in order (those of its
 * groups, B/G each); all [B] gets every rank's; total adds them in ascending order. 0 or -1.
 */
int reduce_losses(struct reducer *r, int64_t sequences, const struct sequence_loss *mine,
                  struct sequence_loss *all, struct sequence_loss *total);

#endif
