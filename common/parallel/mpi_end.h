#ifndef PARALLEL_MPI_END_H
#define PARALLEL_MPI_END_H

#include "comm/comm.h"

/*
 * The end of a run. Collective; every rank passes its status and all leave with
 * one: a failure (1..4) wins over 75, 75 over 0, of several failures the largest number.
 * Everything must be durable, logged, and standard output closed before; all
 * requests must be complete.
 *
 * Under MPICH's own launcher it does not return: after two barriers it says
 * goodbye to the launcher and leaves with _exit, as that version's MPI_Finalize hangs over
 * TCP in about half of the runs (facts in mpi_end.c). Elsewhere, and in a world of one
 * process, it returns the agreed status, which the caller exits with:
 *
 *     finish(mpi_end(world, status));
 */
int mpi_end(struct comm *world, int status);

/*
 * The status all ranks leave with, agreed without leaving. -1 with a record when the
 * exchange failed.
 */
int mpi_agree_status(struct comm *world, int status);

#endif
