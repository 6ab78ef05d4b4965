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
 * The gradient reduction over the ranks that share tensors: bits are a function of the
 * groups' gradients and their number G alone, never of the ranks (parallel/tree.h), nor of the
 * ZeRO stage, nor of the way (shared memory, messages).
 *
 *     for every group of reducer_groups(r), ascending for each tensor by itself:
 *         reducer_at(r, group, param, &fresh)        where its gradient goes; as often as wanted
 *         reducer_ready(r, group, param)             the group's gradient is complete
 *     if (reducer_finish(r) != 0) …
 *     runs = reducer_runs(r, rank, &count)           what this rank owns
 *     reducer_sum(r, runs[i].begin)                  its sum
 *
 * One tensor may be a group ahead of another (pipelines that split the backward pass). In the
 * rank's last group every finished tensor goes on its way to the owners at once, while the backward
 * pass goes on: pieces of at most REDUCE_PIECE elements. The ranks of a host add what the tree adds
 * among them in shared memory; that goes to the owner by messages, who finishes the tree.
 * threads_hook drives this through comm_progress.
 *
 * A tied embedding has two gradients (params.h), each with its own tree; they are added once, by
 * the owner. Where the two uses are on different pipeline stages, the owners of the same run
 * exchange them and both have the sum.
 *
 * Memory: gradients stand whole, once for every level of the tree that this rank needs at a time.
 * ZeRO-2 and 3 keep only the sums of the own runs and a ring in which gradients stand until their
 * owners took them, if every rank has one group of one micro-batch (options.single). Otherwise they
 * stand whole, too: the fixed order needs each rank's partial sums apart until all are there, and D
 * ranks' partial sums of a D-th are as much as one rank's whole.
 */
enum { REDUCE_PIECE = 262144 };

struct reducer;

struct reducer_options {
    struct comm *comm;           /* ranks that share gradients, in leaf order; size <= groups */
    const struct params *params; /* this rank's part; the same on all ranks of comm; outlives it */
    int groups;                  /* G */
    struct threads *pool;        /* for the additions; may be NULL */
    int zero;                    /* 0 … 3; 0: every rank gets all sums, else its runs' */
    bool single;                 /* a group is one micro-batch */
    const bool *mine;            /* [params->count]: the tensors it reduces; NULL: all. Copied */
    /*
     * The ranks (two) that hold a tied embedding of which params has one use: the first and
     * the last stage's, of the same place in comm. NULL: there are none.
     */
    struct comm *tied;
    bool tied_sparse;            /* of the two, this rank has the use as an input */
    bool messages_only;          /* no shared memory (tests, measurements) */
    int share_ranks;             /* at most so many ranks share memory (tests); 0: all of a host */
    /* COMM_F32, or COMM_BF16: messages are rounded, and bits depend on the ranks. */
    enum comm_type message_type;
};

/*
 * Collective, over tied as well. NULL with a record: comm has more ranks than there are groups
 * (STATUS_USAGE), no memory. All memory is taken here.
 */
struct reducer *reducer_new(const struct reducer_options *o);
void reducer_free(struct reducer *r); /* collective */

/*
 * Bytes that `rank` of `ranks` takes (-1: the largest of each kind): gradient buffers, and what
 * messages from other ranks land in. `mapped` are other ranks' buffers that it reads where they
 * lie: resident in it, but counted by those ranks. shared: all are on one host; else as if each
 * were on its own (several on each of several take less staging). o->comm and o->tied are not
 * looked at.
 */
struct reducer_memory {
    uint64_t gradients, staging, mapped;
    bool ring; /* gradients stand in a ring (ZeRO-2, 3), else whole */
};
void reducer_plan(const struct reducer_options *o, int ranks, int rank, bool shared,
                  struct reducer_memory *m);
void reducer_memory(const struct reducer *r, struct reducer_memory *m); /* of this rank, really */

/* Groups [begin, end) are this rank's. */
struct tree_run reducer_groups(const struct reducer *r);

/*
 * Where the gradient of tensor `param` goes in `group`; params->count: the input side of a
 * tied embedding that the part holds whole (tied_offset >= 0). struct gradients' `at`
 * (model/decoder.h): at the first call for a group *fresh is true and what stands there is
 * not to be read; where fresh is NULL it is zero then. The tensor's groups ascend without gaps. The
 * sums of the step before are no longer valid after a step's first call. Main thread, not within a
 * run of the pool; with a ring it may wait. What fails is kept for reducer_finish; NULL only for a
 * tensor that is not reduced here.
 */
float *reducer_at(struct reducer *r, int group, int param, bool *fresh);

/* The tensor's gradient of this group is complete. Once; main thread, not within a run. */
void reducer_ready(struct reducer *r, int group, int param);

/*
 * Completes the step: the sums of all own runs (zero 0: of everybody's) stand at reducer_sum
 * until the next step's first reducer_at. What reducer_ready never named counts as finished now
 * (with a ring its room is wanted sooner: all must be named). 0 or -1.
 */
int reducer_finish(struct reducer *r);

/* The runs that `rank` owns (parallel/slices.h), ascending: one of every unit at most. */
const struct reduced_run *reducer_runs(const struct reducer *r, int rank, int *count);
const struct slices *reducer_slices(const struct reducer *r);

/*
 * Where the sum of that element of the flat array stands, read-only: own runs always, any with
 * zero 0 (else NULL). Contiguous within a run, with zero 0 over all neighbouring tensors that are
 * reduced here. Frozen tensors (struct param) have owners, but no gradient and no sum: they are left
 * out, and what stands behind them follows what stands before them.
 */
const float *reducer_sum(const struct reducer *r, int64_t element);

/* How much of this rank's runs was reduced before the last reducer_finish: 0 to 1. */
double reducer_overlap(const struct reducer *r);

/* Does the reduction go through shared memory alone? */
bool reducer_shared(const struct reducer *r);

#endif
