#ifndef PARALLEL_PLACE_H
#define PARALLEL_PLACE_H

#include <stdbool.h>

#include "base/threads.h"
#include "comm/comm.h"

/*
 * Where the ranks of one host run. MPICH does not bind: every rank's mask is all
 * CPUs. Ranks with the same mask take disjoint parts of it in rank order; a mask of its
 * own, set by the launcher, is kept.
 */

/*
 * How many ranks (this one included) share CPUs with this rank; its place among them.
 * Collective. 0 or -1.
 */
int place_share(struct comm *world, int *share, int *place);

/*
 * Pins this rank's threads to its part. *pinned says whether it was done: not when the
 * ranks' threads are more than the CPUs, nor when masks overlap in part, nor when
 * nothing is shared. Collective. 0 or -1.
 */
int place_ranks(struct comm *world, struct threads *pool, bool *pinned);

#endif
