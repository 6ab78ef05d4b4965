#ifndef PARALLEL_TOPOLOGY_H
#define PARALLEL_TOPOLOGY_H

#include <sched.h>
#include <stdbool.h>

/*
 * Which CPUs the threads of ranks take that share the CPUs of `mask`, as hwloc sees the host
 * ($HWLOC_SYNTHETIC describes another one). Cores are counted domain by domain; a memory
 * domain is a NUMA node (a quarter of an A64FX). At most as many ranks as domains: each has
 * domains of its own; more: equal runs of cores. A thread takes a core of its own
 * as long as there are any, then the cores' other hardware threads.
 */
struct seats {
    cpu_set_t *thread; /* [threads] of this rank */
    int domains;       /* in the mask */
};

/*
 * Rank `rank` of `ranks`, `threads` threads each. With one rank every thread gets all CPUs of its
 * domain, else one CPU. False: fewer CPUs than threads, or no topology; s is empty then.
 */
bool topology_seats(const cpu_set_t *mask, int ranks, int rank, int threads, struct seats *s);
void seats_release(struct seats *s);

#endif
