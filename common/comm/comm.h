#ifndef COMM_COMM_H
#define COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The communicator interface: no MPI type in it. comm/single.c is a world of one
 * process; parallel/mpi_comm.c is MPI. MPI_THREAD_FUNNELED: main thread only.
 * Operations are non-blocking and complete in comm_wait; waiting tests, yields,
 * then sleeps, and gives up after the watchdog's time (comm_set_timeout). Every
 * function returns 0, or -1 with an error record; a died peer ends the job.
 */
enum comm_type { COMM_BYTE, COMM_I32, COMM_U64, COMM_F32, COMM_F64, COMM_BF16 };
enum comm_reduce { COMM_SUM, COMM_MAX, COMM_MIN, COMM_OR };

struct comm_request; /* NULL: already complete */

/*
 * What a group's members did with it: for the log, per axis of the grid. bytes: what this rank
 * sent to others (of a collective: its share of the least that must travel); seconds_waiting: in
 * comm_wait and in sums, until the others had come. Callers set it to zero when they like.
 */
struct comm_stats {
    uint64_t bytes, calls;
    double seconds_waiting;
};

struct comm {
    const struct comm_ops *ops;
    int rank, size;
    struct comm_stats stats;
    struct comm_sums *sums; /* comm_sum's memory (comm/sum.c); NULL: not used so far */
};

struct comm_ops {
    const char *name; /* "single", "mpi" */

    /* Ranks with equal color (>= 0) form a group ordered by key, then rank. color < 0: *out = NULL. */
    int (*split)(struct comm *c, int color, int key, struct comm **out);
    /* The ranks that share this host's memory. */
    int (*split_host)(struct comm *c, struct comm **out);
    void (*release)(struct comm *c);

    /* Reduction order is the library's: never for what must have the same bits on every layout (integers and MAX are fine). */
    int (*all_reduce)(struct comm *c, void *buffer, size_t count, enum comm_type t, enum comm_reduce r, struct comm_request **q);
    int (*reduce_scatter)(struct comm *c, const void *send, void *receive, size_t count_each, enum comm_type t, struct comm_request **q);
    /* receive holds size * count_each elements; send may be its own part (in place). */
    int (*all_gather)(struct comm *c, const void *send, void *receive, size_t count_each, enum comm_type t, struct comm_request **q);
    /* Parts of different sizes, in bytes; offsets into receive. */
    int (*all_gather_v)(struct comm *c, const void *send, size_t bytes, void *receive, const size_t *sizes, const size_t *offsets, struct comm_request **q);
    int (*all_to_all)(struct comm *c, const void *send, void *receive, size_t count_each, enum comm_type t, struct comm_request **q);
    /* Parts of different sizes, in bytes: to rank i from send + send_offsets[i], … */
    int (*all_to_all_v)(struct comm *c, const void *send, const size_t *send_sizes, const size_t *send_offsets, void *receive, const size_t *sizes, const size_t *offsets, struct comm_request **q);
    int (*broadcast)(struct comm *c, void *buffer, size_t bytes, int root, struct comm_request **q);
    int (*send)(struct comm *c, const void *buffer, size_t bytes, int to, int tag, struct comm_request **q);
    int (*receive)(struct comm *c, void *buffer, size_t bytes, int from, int tag, struct comm_request **q);
    int (*barrier)(struct comm *c, struct comm_request **q);

    int (*test)(struct comm *c, struct comm_request **q, bool *done); /* done: *q is NULL */
    int (*wait)(struct comm *c, struct comm_request **q);

    /* A window of `bytes` per rank in memory that the group (one host) shares; base[r] is rank r's part. Collective. */
    int (*share)(struct comm *c, size_t bytes, void ***base, void **window);
    void (*unshare)(struct comm *c, void *window);

    /* Takes the whole job down with `status`. Does not return. */
    void (*abort)(struct comm *c, int status);
};

/* A world of this process alone. */
struct comm *comm_single(void);

/* Lets pending operations move on; cheap, called by kernels through threads_hook. */
void comm_progress(void);

/* Seconds a wait may last before the job is given up (0: for ever), and what the waits are called in messages. */
void comm_set_timeout(double seconds);

/* Blocking conveniences over the operations above. */
int comm_all_reduce(struct comm *c, void *buffer, size_t count, enum comm_type t, enum comm_reduce r);
int comm_broadcast(struct comm *c, void *buffer, size_t bytes, int root);
int comm_all_gather(struct comm *c, const void *send, void *receive, size_t bytes_each);
int comm_barrier(struct comm *c);
int comm_all_to_all(struct comm *c, const void *send, const size_t *send_sizes, const size_t *send_offsets, void *receive, const size_t *sizes, const size_t *offsets);

/*
 * Sums over the ranks in rank order, ((r0 + r1) + r2) + …, accumulated in FP32 (F64 in FP64) and
 * rounded once to the type (F32, BF16, F64): the same bits for the same ranks, on every path
 * (shared memory within a host, between hosts by messages). For activations and small gradients;
 * buffers of any alignment. comm_sum: every rank gets all; comm_sum_scatter: rank i gets part i of
 * the size * count_each elements (receive may be that part of send). Blocking; a size of 1 returns
 * at once.
 */
int comm_sum(struct comm *c, void *buffer, size_t count, enum comm_type t);
int comm_sum_scatter(struct comm *c, const void *send, void *receive, size_t count_each, enum comm_type t);

/* From now on sums go by messages within a host, too (tests, measurements); alike on all ranks. */
void comm_sum_messages_only(bool on);

int comm_wait(struct comm *c, struct comm_request **q);
void comm_release(struct comm *c);

/*
 * Do all ranks agree that nothing failed? Every rank passes its own status (0 or an
 * error class, its record set); all return the same: 0, or -1 with the record of the lowest
 * failing rank ("rank 2: ..."). Collective.
 */
int comm_agree(struct comm *c, int status);

#endif
