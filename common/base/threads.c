#include "base/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

void (*threads_hook)(void);

#define NO_CELL SIZE_MAX
enum { SPINS = 4000 }; /* some tens of microseconds before a wait sleeps */

struct worker {
    struct threads *pool;
    pthread_t thread;
    int number;
};

/*
 * A run has a number, its generation. The caller writes the run's fields, then
 * publishes the generation; a worker that sees a new one takes cells until none
 * is left and then counts itself out in `busy`. The caller waits for busy = 0, so
 * that no worker still reads the fields when the next run is set up.
 */
struct threads {
    int count;
    int spins;
    struct worker *workers; /* count - 1 of them, numbered from 1 */

    int (*fn)(void *arg, size_t cell, int worker);
    void *arg;
    size_t cells;
    bool each; /* cell i is for thread i */
    _Alignas(64) atomic_size_t next;
    _Alignas(64) atomic_uint generation;
    atomic_int busy;
    atomic_bool quit;
    atomic_size_t failed; /* the lowest failed cell, or NO_CELL */

    pthread_mutex_t lock; /* of what follows, and of sleeping */
    pthread_cond_t wake, idle;
    struct err error;
};

static inline void
relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* The lowest failing cell's error is kept, whichever came first. */
static void
record_failure(struct threads *t, size_t cell)
{
    pthread_mutex_lock(&t->lock);
    if (cell < t->failed) {
        atomic_store(&t->failed, cell);
        err_take(&t->error);
    }
    pthread_mutex_unlock(&t->lock);
}

/* Cells are handed out in order: all below a failed one are out, and are run. */
static void
take_cells(struct threads *t, int worker)
{
    if (t->each) {
        if (t->fn(t->arg, (size_t)worker, worker) != 0)
            record_failure(t, (size_t)worker);
        return;
    }
    for (;;) {
        size_t cell = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed);

        if (cell >= t->cells || cell > atomic_load_explicit(&t->failed, memory_order_relaxed))
            return;
        if (t->fn(t->arg, cell, worker) != 0)
            record_failure(t, cell);
        if (worker == 0)
            threads_poll();
    }
}

static unsigned
wait_for_run(struct threads *t, unsigned seen)
{
    unsigned now = seen;

    for (int i = 0; i < t->spins && now == seen; i++) {
        relax();
        now = atomic_load_explicit(&t->generation, memory_order_acquire);
    }
    if (now != seen)
        return now;
    pthread_mutex_lock(&t->lock);
    while ((now = atomic_load(&t->generation)) == seen)
        pthread_cond_wait(&t->wake, &t->lock);
    pthread_mutex_unlock(&t->lock);
    return now;
}

static void *
worker_main(void *arg)
{
    struct worker *w = arg;
    struct threads *t = w->pool;

    for (unsigned seen = 0;;) {
        seen = wait_for_run(t, seen);
        if (atomic_load(&t->quit))
            return NULL;
        take_cells(t, w->number);
        if (atomic_fetch_sub(&t->busy, 1) == 1) {
            pthread_mutex_lock(&t->lock);
            pthread_cond_signal(&t->idle);
            pthread_mutex_unlock(&t->lock);
        }
    }
}

static void
publish(struct threads *t)
{
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->generation, 1);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

static void
wait_for_workers(struct threads *t)
{
    for (int i = 0; i < t->spins; i++) {
        if (atomic_load_explicit(&t->busy, memory_order_acquire) == 0)
            return;
        relax();
        if (i % 256 == 255)
            threads_poll();
    }
    pthread_mutex_lock(&t->lock);
    while (atomic_load(&t->busy) != 0)
        pthread_cond_wait(&t->idle, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

/* Signals are for the main thread: workers start with all of them blocked. */
static int
start_worker(struct worker *w)
{
    sigset_t all, old;
    int result;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    result = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

struct threads *
threads_new(int n)
{
    struct threads *t = mem_aligned(sizeof *t);

    *t = (struct threads){.count = 1, .spins = n <= threads_cpus() ? SPINS : 0};
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->idle, NULL);
    t->workers = mem_zarray((size_t)n, sizeof *t->workers);
    while (t->count < n) {
        struct worker *w = &t->workers[t->count - 1];

        *w = (struct worker){.pool = t, .number = t->count};
        if (start_worker(w) != 0)
            break; /* fewer threads compute the same */
        t->count++;
    }
    return t;
}

void
threads_free(struct threads *t)
{
    if (!t)
        return;
    atomic_store(&t->quit, true);
    publish(t);
    for (int i = 0; i < t->count - 1; i++)
        pthread_join(t->workers[i].thread, NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->wake);
    pthread_cond_destroy(&t->idle);
    free(t->workers);
    free(t);
}

int
threads_count(const struct threads *t)
{
    return t ? t->count : 1;
}

static int
run_alone(size_t n, int (*fn)(void *arg, size_t cell, int worker), void *arg)
{
    for (size_t cell = 0; cell < n; cell++) {
        if (fn(arg, cell, 0) != 0)
            return -1;
        threads_poll();
    }
    return 0;
}

static int
run_all(struct threads *t, size_t n, bool each, int (*fn)(void *arg, size_t cell, int worker),
        void *arg)
{
    t->fn = fn;
    t->arg = arg;
    t->cells = n;
    t->each = each;
    atomic_store(&t->next, 0);
    atomic_store(&t->failed, NO_CELL);
    atomic_store(&t->busy, t->count - 1);
    publish(t);
    take_cells(t, 0);
    wait_for_workers(t);
    if (t->failed == NO_CELL)
        return 0;
    err_give(&t->error);
    return -1;
}

int
threads_run(struct threads *t, size_t n, int (*fn)(void *arg, size_t cell, int worker), void *arg)
{
    if (!t || t->count == 1 || n <= 1)
        return run_alone(n, fn, arg);
    return run_all(t, n, false, fn, arg);
}

int
threads_each(struct threads *t, int (*fn)(void *arg, size_t cell, int worker), void *arg)
{
    if (!t || t->count == 1)
        return run_alone(1, fn, arg);
    return run_all(t, (size_t)t->count, true, fn, arg);
}

/* ---- CPUs -------------------------------------------------------------------- */

int
threads_cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

int
threads_default(int share)
{
    const char *value = getenv("LLM_THREADS");
    int64_t n;

    if (value && parse_int(value, &n) == 0 && n >= 1 && n <= 4096)
        return (int)n;
    n = threads_cpus() / (share < 1 ? 1 : share);
    return n < 1 ? 1 : (int)n;
}

bool
threads_bind(struct threads *t, const cpu_set_t *sets)
{
    bool done = pthread_setaffinity_np(pthread_self(), sizeof *sets, sets) == 0;

    for (int i = 1; i < threads_count(t); i++)
        done &= pthread_setaffinity_np(t->workers[i - 1].thread, sizeof *sets, &sets[i]) == 0;
    return done;
}

void
threads_calm(struct threads *t)
{
    if (t)
        t->spins = 0;
}
