#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <stdbool.h>
#include <stdint.h>

/* Facts of the machine and of this process. */
uint64_t sys_memory_available(void);   /* bytes, the cgroup's limit respected */
uint64_t sys_memory_resident(void);    /* this process's resident set now */
uint64_t sys_memory_peak(void);        /* its highest so far */
uint64_t sys_heap_used(void);          /* what malloc has given and not got back */
double sys_seconds(void);              /* monotonic clock */
const char *sys_hostname(void);

/*
 * Stop signals, for tools that end a run in an orderly way: after
 * sys_catch_stop() SIGTERM, SIGINT and SIGUSR1 (batch systems send it) only set a flag (the second one of a kind
 * within a second ends the process at once, but for an echo within 0.1 s: mpiexec
 * forwards what a terminal has already sent to all).
 */
void sys_catch_stop(void);
int sys_stop_signal(void); /* the signal received, or 0 */
bool sys_catches_stop(void); /* was sys_catch_stop called? */

#endif
