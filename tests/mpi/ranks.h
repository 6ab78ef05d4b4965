#ifndef TESTS_MPI_RANKS_H
#define TESTS_MPI_RANKS_H

#include "comm/comm.h"
#include "tests/unit/tap.h"

/* TAP of several ranks: a test passes when it passes on all of them; rank 0 prints. Collective. */
__attribute__((format(printf, 3, 4))) static inline bool
ok_all(struct comm *world, bool cond, const char *fmt, ...)
{
    int32_t all = cond;
    va_list ap;

    if (comm_all_reduce(world, &all, 1, COMM_I32, COMM_MIN) != 0)
        all = 0;
    if (world->rank == 0) {
        va_start(ap, fmt);
        tap_result(all != 0, fmt, ap);
        va_end(ap);
    } else {
        tap_count++;
        tap_failed += all == 0;
    }
    if (!cond)
        fprintf(stderr, "# rank %d fails in test %d\n", world->rank, tap_count);
    return all != 0;
}

/* How many ranks are on this one's host, and its place among them. Collective. */
static inline int
ranks_here(struct comm *world, int *place)
{
    struct comm *host;
    int n = -1;

    *place = -1;
    if (world->ops->split_host(world, &host) == 0) {
        n = host->size;
        *place = host->rank;
        comm_release(host);
    }
    return n;
}

/* Prints the plan on rank 0; the status for mpi_end. */
static inline int
done_all(struct comm *world)
{
    if (world->rank == 0)
        return done();
    return tap_failed || !tap_count;
}

#endif
