#ifndef PARALLEL_LAUNCH_H
#define PARALLEL_LAUNCH_H

#include <stdbool.h>

/*
 * `--ranks N`: this program starts `mpiexec -n N itself its-arguments`, stays its
 * parent, forwards signals, and returns the ranks' common status. mpiexec can
 * neither carry a stream on standard input nor return a status reliably under signals; what
 * ranks print goes through it as through a pipe, and last words may get lost. So all
 * of that goes through inherited descriptors, which every rank on this host gets:
 *
 *   LLM_STDIN_FD=FD:DEVICE:INODE   our standard input; rank 0 reads it, the others close it
 *   LLM_STDOUT_FD, LLM_STDERR_FD   our own: a terminal is still one for the ranks
 *   LLM_STATUS_FD=FD:DEVICE:INODE  a pipe; the first rank to know the job's status writes it
 *   LLM_WATCH=NAME                 a socket that ranks connect to: the one that dies is named
 *   LLM_RANKS=N                    against an mpiexec of another MPI, and starting twice
 */
struct launch {
    int ranks;
    const char *hosts;   /* a host file for mpiexec -f, or NULL */
    bool standard_input; /* an operand is "-": rank 0 gets our standard input */
    int argc;
    char **argv; /* our own; argv[0] is replaced by the running program's path */
};

/*
 * Runs the job to its end. Its status (0..255), or -1 with a record: no mpiexec, or the
 * ranks ended without leaving a status (one died). If this process is killed, so is the
 * job. Must not be called in a process that is itself a rank (mpi_launched()).
 */
int launch_ranks(const struct launch *l);

/*
 * In a rank: the descriptor to read for the operand "-". Only rank 0 may ask. Without
 * a launcher it is 0. -1 with a record: started by mpiexec directly, which cannot carry a
 * stream (the message says what can), or rank 0 is on another host than launch_ranks.
 */
int launch_stdin(void);

/* In a rank: takes over our standard output and error. mpi_world does it. */
void launch_adopt_output(void);

/* In a rank other than 0: closes that descriptor. mpi_world does it. */
void launch_drop_stdin(void);

/*
 * In a rank: tells the parent the job's status; the first report counts. mpi_end and
 * ops->abort do it.
 */
void launch_report(int status);

/* In a rank: tells the parent who it is. mpi_world does it. */
void launch_hello(int rank);

/* How many ranks launch_ranks asked for; 0: not started by it. */
int launch_expected(void);

#endif
