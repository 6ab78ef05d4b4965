#ifndef SHARD_RING_H
#define SHARD_RING_H

#include <stddef.h>

/*
 * Ordered work behind a push interface: jobs are worked on by threads in any
 * order and taken back in the order they were pushed. With one thread the work is
 * done in ring_pop on the caller's thread. Internal to common/shard.
 */
struct ring;

/* work() returns 0 or -1; its error record travels with the job. worker: 0 .. threads - 1. */
struct ring *ring_new(int threads, size_t slots, int (*work)(void *job, int worker));

/* Jobs pushed and not yet popped; at most `slots`. */
size_t ring_pending(const struct ring *r);
size_t ring_slots(const struct ring *r);
void ring_push(struct ring *r, void *job);

/* Is the oldest job done, so that ring_pop would not wait? */
int ring_ready(struct ring *r);

/* The oldest job, when it is done (NULL: none pending); *status 0 or -1 with its error record. */
void *ring_pop(struct ring *r, int *status);

/* Waits for the workers and ends them. Jobs stay the caller's. */
void ring_free(struct ring *r);

#endif
