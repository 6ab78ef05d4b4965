#ifndef COMM_PROGRESS_H
#define COMM_PROGRESS_H

#include <stdbool.h>

/*
 * What a back end shares with comm.c: work that is done bit by bit while the main
 * thread computes, and the one way of waiting.
 */

/*
 * fn(arg) is called by comm_progress until it is removed. The first one points
 * threads_hook (base/threads.h) at comm_progress, the last one takes it away. All
 * calls come from the thread that added; comm_progress in other threads does
 * nothing, and fn is never entered twice at once.
 */
void comm_progress_add(void (*fn)(void *arg), void *arg);
void comm_progress_remove(void (*fn)(void *arg), void *arg);

/*
 * A wait for something that another rank does:
 *
 *     struct comm_pause p = {.what = "all_reduce"};
 *     while (!arrived())
 *         if (comm_pause(&p) != 0)
 *             return -1;
 *
 * It calls comm_progress, yields, and after some calls sleeps 20 microseconds: ranks
 * beyond cores must not spin. -1 with a record when the watchdog gave up.
 */
struct comm_pause {
    const char *what;
    double start, looked; /* comm_pause's own: seconds, 0 at first */
    unsigned polls;
};
int comm_pause(struct comm_pause *p);

/* Seconds that this rank has spent in comm_pause since its start. */
double comm_waited(void);

/* Is comm_progress being called out of a wait (and not while this rank computes)? */
bool comm_waiting(void);

/*
 * The back end's part of the watchdog. Called in a wait about every 50 ms, and told when the
 * time of comm_set_timeout is over (overdue). 0: go on; 1: go on, and count the time anew;
 * -1 with a record: give up. NULL: none, a wait that is overdue simply fails.
 */
void comm_set_watchdog(int (*look)(const char *what, double waited, bool overdue));

/* The time of comm_set_timeout; 0: for ever. */
double comm_timeout(void);

#endif
