#ifndef BASE_THREADS_H
#define BASE_THREADS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Two shapes of parallel work.
 *
 * A pool runs cells: threads_run(pool, n, fn, arg) calls fn(arg, i, worker) for
 * every i in [0, n), each once, on the pool's threads and the calling one, and
 * returns when all are done. What a cell computes must not depend on the worker
 * that runs it. Waiting spins a little, then sleeps (never when there are more
 * threads than CPUs).
 */
struct threads;

/* n >= 1 threads including the caller; NULL pool = one thread everywhere below. */
struct threads *threads_new(int n);
void threads_free(struct threads *t);
int threads_count(const struct threads *t);

/*
 * 0, or -1 with the error record of the lowest failing cell. fn returns 0 or -1.
 * Between cells the calling thread calls threads_hook.
 */
int threads_run(struct threads *t, size_t n, int (*fn)(void *arg, size_t cell, int worker), void *arg);

/* fn(arg, worker, worker) once on every thread of the pool, the calling one included. As above. */
int threads_each(struct threads *t, int (*fn)(void *arg, size_t cell, int worker), void *arg);

/* The progress hook: kernels call it between blocks, about every 0.5 ms. Main thread only does work in it. */
extern void (*threads_hook)(void);
static inline void
threads_poll(void)
{
    if (threads_hook)
        threads_hook();
}

/*
 * An ordered pipeline: produce() makes jobs on the caller's thread, work() runs
 * them on workers in any order, consume() takes them in order of production, on
 * the caller's thread. At most `window` jobs are alive. produce returns NULL at
 * the end (or with *failed set); work and consume return 0 or -1. The error that
 * is reported is that of the earliest job.
 */
struct threads_pipeline {
    void *(*produce)(void *arg, bool *failed);
    int (*work)(void *arg, void *job, int worker);
    int (*consume)(void *arg, void *job);
    void (*discard)(void *arg, void *job); /* frees a job that will not be consumed */
    void *arg;
    int threads, window;
};
int threads_pipeline_run(const struct threads_pipeline *p);

/* CPUs this process may use; those divided by `share` processes, at least 1. */
int threads_cpus(void);
int threads_default(int share); /* $LLM_THREADS, else threads_cpus() / share */

/* Binds each thread of a pool, the calling one first, to its set of CPUs; false: not all. */
bool threads_bind(struct threads *t, const cpu_set_t *sets);

/* The CPUs have other work, too: waiting threads of this pool sleep at once. */
void threads_calm(struct threads *t);

#endif
