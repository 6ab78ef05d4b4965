#ifndef PARALLEL_PLACE_H
#define PARALLEL_PLACE_H

#include <stdbool.h>

#include "base/threads.h"
#include "comm/comm.h"

/*
 * Where the ranks of one host run. MPICH does not bind: every rank's mask is all
 * CPUs. Ranks with the same mask take disjoint cores of it in rank order, memory domain by
 * memory domain (parallel/topology.h); a mask of its own, set by the launcher, is kept, and
 * its threads are bound to memory domains within it.
 */

/*
 * How many ranks (this one included) share CPUs with this rank; its place among them.
 * Collective. 0 or -1.
 */
int place_share(struct comm *world, int *share, int *place);

/*
 * Pins this rank's threads to their cores. *pinned says whether it was done: not when the
 * ranks' threads are more than the CPUs, nor when masks overlap in part, nor when a rank
 * is alone in one memory domain. Threads that share CPUs wait asleep. Collective. 0 or -1.
 */
int place_ranks(struct comm *world, struct threads *pool, bool *pinned);

#endif
