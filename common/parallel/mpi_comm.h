#ifndef PARALLEL_MPI_COMM_H
#define PARALLEL_MPI_COMM_H

#include <stdbool.h>
#include <stddef.h>

#include "comm/comm.h"

/*
 * comm.h over MPI. Plain MPI-3.1 calls, all of them non-blocking, from the main
 * thread alone (MPI_THREAD_FUNNELED). A message of any size goes in pieces that
 * MPI's int counts hold. A died rank takes the job down through the launcher.
 */

/* Was this program built with MPI? Without it (make MPI=no) the world is one process. */
bool mpi_built(void);

/*
 * Was this process started by a launcher of ranks (mpiexec, srun)? Looks at the environment
 * only.
 */
bool mpi_launched(void);

/* This process's rank as the launcher's environment tells it, before mpi_world; -1: not told. */
int mpi_launched_rank(void);

/*
 * The world of all ranks. Without a launcher it is comm_single() and MPI is never touched.
 * Closes, in ranks other than 0, the standard input that launch_ranks passed on. 0, or -1
 * with a record (the launcher started another number of ranks than launch_ranks asked for:
 * it belongs to another MPI). Every rank must end in mpi_end (parallel/mpi_end.h) or in
 * ops->abort.
 */
int mpi_world(int *argc, char ***argv, struct comm **out);

/*
 * The library's name and version in one line ("MPICH 4.0.2"), for --version and the log.
 * Needs no mpi_world.
 */
const char *mpi_version(void);

/* Largest piece of a message in bytes; tests make it small. 0: the default again. */
void mpi_set_piece(size_t bytes);

#endif
