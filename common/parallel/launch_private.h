#ifndef PARALLEL_LAUNCH_PRIVATE_H
#define PARALLEL_LAUNCH_PRIVATE_H

#include "parallel/launch.h"

/* What launch.c and launch_inherit.c share; nobody else includes it. */

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

#endif
