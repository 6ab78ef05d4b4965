#ifndef PARALLEL_LAUNCH_PRIVATE_H
#define PARALLEL_LAUNCH_PRIVATE_H

#include "base/str.h"
#include "parallel/launch.h"

/* What launch.c, launch_inherit.c and launch_watch.c share; nobody else includes it. */

/* The descriptors that ranks inherit. */
enum passed { PASS_STDIN, PASS_STDOUT, PASS_STDERR, PASS_STATUS, PASSED };

/*
 * Duplicates our own descriptors, and `status`, for children to inherit, and names them in
 * the environment as FD:DEVICE:INODE: another host's descriptor is not mistaken for ours.
 * 0 or -1; copies is to be -1 before.
 */
int launch_pass(const struct launch *l, int status, int copies[PASSED]);

/* Closes the copies, which are not needed once mpiexec has its own, and forgets the names. */
void launch_drop(int copies[PASSED]);

/*
 * launch_watch.c: the pipe with the job's status and the ranks that run on this host; others stay
 * unknown. NULL with a record on failure. Puts a name into the environment for the ranks.
 */
struct rank_watch;
struct rank_watch *rank_watch_new(int status_fd, int ranks);
void rank_watch_free(struct rank_watch *w);
/* Waits for something to happen and takes it; the first status goes into *status (-1 before). False: nothing. */
bool rank_watch_next(struct rank_watch *w, int milliseconds, int *status);
/* "rank 2 (pid 4711) died", or "a rank died" when it is not known which. */
void rank_watch_name(const struct rank_watch *w, struct str *out);

#endif
