#ifndef PARALLEL_MPI_PRIVATE_H
#define PARALLEL_MPI_PRIVATE_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "comm/comm.h"

/* What the files of the MPI back end share; nobody else includes it. */

struct mpi_comm {
    struct comm comm; /* first: a struct comm * is one of these */
    MPI_Comm mpi;
};

enum { REQUEST_INLINE = 4 };
struct comm_request {
    const char *what;         /* for messages: "all_reduce" */
    int count, complete, cap; /* the first `complete` ones are */
    MPI_Request *mpi;         /* few, or allocated */
    MPI_Request few[REQUEST_INLINE];
    struct comm_request *next; /* in the list of free ones */
};

static inline struct mpi_comm *
mpi_of(struct comm *c)
{
    return (struct mpi_comm *)c;
}

/* Tags of comm.h's users lie below; ours, for collectives made of messages, from here on. */
enum { TAG_OWN = 1 << 27 };

/* Records MPI's error text as "what: ...". Returns -1, or 0 when rc is MPI_SUCCESS. */
int mpi_check(int rc, const char *what);

/* A new request with the name of the operation; room for one more MPI request in it. */
struct comm_request *mpi_request(const char *what);
MPI_Request *mpi_request_slot(struct comm_request *q);

/* Pieces of at most this many bytes. */
size_t mpi_piece(void);

/* The operations of mpi_collect.c and mpi_share.c. */
int mpi_all_reduce(struct comm *c, void *buffer, size_t count, enum comm_type t, enum comm_reduce r,
                   struct comm_request **q);
int mpi_reduce_scatter(struct comm *c, const void *send, void *receive, size_t count_each,
                       enum comm_type t, struct comm_request **q);
int mpi_all_gather(struct comm *c, const void *send, void *receive, size_t count_each,
                   enum comm_type t, struct comm_request **q);
int mpi_all_gather_v(struct comm *c, const void *send, size_t bytes, void *receive,
                     const size_t *sizes, const size_t *offsets, struct comm_request **q);
int mpi_all_to_all(struct comm *c, const void *send, void *receive, size_t count_each,
                   enum comm_type t, struct comm_request **q);
int mpi_all_to_all_v(struct comm *c, const void *send, const size_t *send_sizes,
                     const size_t *send_offsets, void *receive, const size_t *sizes,
                     const size_t *offsets, struct comm_request **q);
int mpi_broadcast(struct comm *c, void *buffer, size_t bytes, int root, struct comm_request **q);
int mpi_send(struct comm *c, const void *buffer, size_t bytes, int to, int tag,
             struct comm_request **q);
int
mpi_receive(struct comm *c, void *buffer, size_t bytes, int from, int tag, struct comm_request **q);
int mpi_barrier(struct comm *c, struct comm_request **q);

int mpi_share(struct comm *c, size_t bytes, void ***base, void **window);
void mpi_unshare(struct comm *c, void *window);

/* mpi_watch.c: starts the watchdog on a communicator of its own; comm_set_watchdog's function. */
int mpi_watch_start(MPI_Comm world);
/* Tells the watchdogs of other ranks, now and then, that this one is alive. */
void mpi_watch_busy(void);
/* Remembers what this rank does, for those signs of life; `what` stays valid. */
void mpi_watch_operation(const char *what);
/* mpi_end.c: this process ends with `status` when it is still there after so many seconds. */
void mpi_leave_within(int seconds, int status);
/* Lets MPI move pending operations on. */
void mpi_poke(void);

#endif
