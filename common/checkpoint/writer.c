#include "checkpoint/writer.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/sys.h"
#include "base/threads.h"
#include "checkpoint/writer_private.h"

/* The main thread's half of a save: what is agreed with the other ranks, and the guard. */

static const size_t default_pool = (size_t)64 << 20;

static int
agree(struct comm *comm, int result)
{
    return comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK);
}

/* ---- making one ---- */

/* Signals are the main thread's. */
static int
start_thread(struct checkpoint_writer *w)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (w->options.cpus)
        pthread_attr_setaffinity_np(&attributes, sizeof *w->options.cpus, w->options.cpus);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&w->thread, &attributes, writer_thread, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return e ? err_set(STATUS_FAILED, "cannot start a thread for checkpoints: %s", strerror(e)) : 0;
}

static void
take_memory(struct checkpoint_writer *w)
{
    const struct save_plan *p = &w->plan;
    size_t hashes = (size_t)p->hashes + 1;
    w->items = CHECKPOINT_ARRAYS * p->count;
    w->run = mem_zarray(CHECKPOINT_ARRAYS * p->runs + 1, sizeof *w->run);
    w->copy = mem_zarray(w->items + 1, sizeof *w->copy);
    w->scratch = mem_array(PIECE, sizeof *w->scratch);
    w->pool = mem_alloc(w->options.pool);
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++) {
        w->hash[a] = mem_zarray(hashes, sizeof *w->hash[a]);
        for (size_t i = 0; i < p->runs; i++)
            w->run[w->runs++] = (struct hash_run){.array = (enum checkpoint_array)a,
                                                  .first = p->run[i].first,
                                                  .count = p->run[i].count,
                                                  .hash = w->hash[a] + p->run[i].hash};
    }
    writer_files_init(&w->files, p->slices.files);
    w->memory = p->memory + w->options.pool + PIECE * sizeof *w->scratch +
                w->items * sizeof *w->copy + w->runs * sizeof *w->run +
                CHECKPOINT_ARRAYS * hashes * sizeof *w->hash[0];
}

static void
release(struct checkpoint_writer *w)
{
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        free(w->hash[a]);
    free(w->run);
    free(w->copy);
    free(w->scratch);
    free(w->pool);
    writer_files_release(&w->files);
    saving_release(&w->saving);
    save_plan_release(&w->plan);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->told);
    free(w);
}

static void
make_lock(struct checkpoint_writer *w)
{
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    pthread_cond_init(&w->told, &clock);
    pthread_condattr_destroy(&clock);
}

static void
give(struct checkpoint_writer *w, enum writer_task task, bool mine)
{
    w->stage = task;
    if (!mine)
        return;
    pthread_mutex_lock(&w->lock);
    w->task = task;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

struct checkpoint_writer *
checkpoint_writer_new(struct comm *comm, const struct checkpoint_layout *layout,
                      const struct checkpoint_writer_options *options)
{
    struct checkpoint_writer *w = mem_zalloc(sizeof *w);
    w->comm = comm;
    if (options)
        w->options = *options;
    if (w->options.pool == 0)
        w->options.pool = default_pool;
    make_lock(w);
    if (save_plan_init(&w->plan, comm, layout) == 0) {
        take_memory(w);
        int started = start_thread(w);
        if (agree(comm, started) == 0)
            return w;
        if (started == 0) {
            give(w, TASK_QUIT, true);
            pthread_join(w->thread, NULL);
        }
    }
    release(w);
    return NULL;
}

/* ---- waiting for the thread ---- */

/* Lets go of the lock for a millisecond, or until the thread tells something. */
static void
pause_a_little(struct checkpoint_writer *w)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&w->told, &w->lock, &until);
    pthread_mutex_unlock(&w->lock);
    threads_poll();
    pthread_mutex_lock(&w->lock);
}

/* Are all its tensors frozen? It may be read at any time. */
static bool
stays(const struct checkpoint_writer *w, size_t item)
{
    const struct piece *p = &w->plan.piece[item % w->plan.count];

    for (size_t i = p->held; i < p->held + p->count; i++)
        if (!w->plan.whole->param[w->plan.held[i].at.param].frozen)
            return false;
    return true;
}

/* Copies the last item that is still to be read. false: the pool is full. */
static bool
copy_last(struct checkpoint_writer *w)
{
    size_t item = w->end - 1;
    size_t bytes = (size_t)w->plan.piece[item % w->plan.count].elements * sizeof(float);
    if (stays(w, item)) {
        w->end = item;
        return true;
    }
    if (bytes > w->options.pool - w->pool_used)
        return false;
    w->copy[item] = (float *)(void *)(w->pool + w->pool_used);
    w->pool_used += bytes;
    writer_copy(w, item, w->copy[item]);
    w->end = item;
    return true;
}

void
checkpoint_guard(struct checkpoint_writer *w)
{
    if (w->status.phase != CHECKPOINT_WRITING || w->stage != TASK_WRITE)
        return;
    double start = sys_seconds();
    pthread_mutex_lock(&w->lock);
    while (w->task == TASK_WRITE && (w->next < w->end || w->live))
        if (w->next >= w->end || !copy_last(w))
            pause_a_little(w);
    pthread_mutex_unlock(&w->lock);
    w->status.stopped += sys_seconds() - start;
}

/* ---- the stages ---- */

static void
fail(struct checkpoint_writer *w)
{
    snprintf(w->status.error, sizeof w->status.error, "%s", err_text());
    w->status.phase = CHECKPOINT_FAILED;
}

int
checkpoint_begin(struct checkpoint_writer *w, const struct checkpoint_save *save,
                 struct checkpoint_status *before)
{
    struct checkpoint_status ended;
    if (checkpoint_finish(w, &ended) < 0)
        return -1;
    if (before)
        *before = ended;
    saving_release(&w->saving);
    w->begun = sys_seconds();
    w->status = (struct checkpoint_status){.phase = CHECKPOINT_WRITING, .step = save->state->step};
    w->next = w->pool_used = 0;
    w->end = w->items;
    w->failed = w->cancelled = w->live = false;
    w->late[0] = '\0';
    if (w->items)
        memset(w->copy, 0, w->items * sizeof *w->copy);
    if (saving_make(&w->saving, w->comm, &w->plan, save) < 0) {
        fail(w);
        if (w->comm->rank == 0)
            saving_remove(&w->saving);
    } else {
        writer_files_begin(&w->files, &w->saving);
        give(w, TASK_WRITE, true);
    }
    w->status.stopped = sys_seconds() - w->begun;
    return 0;
}

/* A rank's thread failed: what was written goes. */
static void
give_up(struct checkpoint_writer *w)
{
    if (w->failed)
        err_give(&w->error);
    agree(w->comm, w->failed ? -1 : 0);
    fail(w);
    if (w->comm->rank == 0)
        saving_remove(&w->saving);
}

/* The stage that has ended on every rank is followed by the next. -1: communication failed. */
static int
advance(struct checkpoint_writer *w)
{
    if (w->stage == TASK_COMMIT) {
        w->status.phase = CHECKPOINT_DONE;
        w->status.state_hash = w->saving.state_hash;
        snprintf(w->status.error, sizeof w->status.error, "%s", w->late);
        return 0;
    }
    if (w->stage == TASK_WRITE && w->plan.split) {
        give(w, TASK_HASH, true);
        return 0;
    }
    if (saving_gather(&w->saving, w->run, w->runs) < 0)
        return -1;
    give(w, TASK_COMMIT, w->comm->rank == 0);
    return 0;
}

static int
look(struct checkpoint_writer *w)
{
    uint64_t busy_failed[2];
    pthread_mutex_lock(&w->lock);
    busy_failed[0] = w->task != TASK_NONE;
    busy_failed[1] = w->failed;
    pthread_mutex_unlock(&w->lock);
    if (comm_all_reduce(w->comm, busy_failed, 2, COMM_U64, COMM_SUM) < 0)
        return -1;
    if (busy_failed[1]) {
        pthread_mutex_lock(&w->lock);
        w->cancelled = true;
        pthread_mutex_unlock(&w->lock);
    }
    w->status.seconds = sys_seconds() - w->begun;
    if (busy_failed[0])
        return 0;
    if (busy_failed[1]) {
        give_up(w);
        return 0;
    }
    return advance(w);
}

/* An end is told once. */
static void
tell(struct checkpoint_writer *w, struct checkpoint_status *status)
{
    *status = w->status;
    if (w->status.phase == CHECKPOINT_DONE || w->status.phase == CHECKPOINT_FAILED)
        w->status.phase = CHECKPOINT_IDLE;
}

int
checkpoint_poll(struct checkpoint_writer *w, struct checkpoint_status *status)
{
    double start = sys_seconds();
    int result = w->status.phase == CHECKPOINT_WRITING ? look(w) : 0;
    if (w->status.phase != CHECKPOINT_IDLE)
        w->status.stopped += sys_seconds() - start;
    tell(w, status);
    return result;
}

int
checkpoint_finish(struct checkpoint_writer *w, struct checkpoint_status *status)
{
    double start = sys_seconds();
    int result = 0;
    while (w->status.phase == CHECKPOINT_WRITING && result == 0) {
        pthread_mutex_lock(&w->lock);
        while (w->task != TASK_NONE)
            pause_a_little(w);
        pthread_mutex_unlock(&w->lock);
        result = look(w);
    }
    if (w->status.phase != CHECKPOINT_IDLE)
        w->status.stopped += sys_seconds() - start;
    tell(w, status);
    return result;
}

void
checkpoint_writer_free(struct checkpoint_writer *w)
{
    struct checkpoint_status status;
    if (!w)
        return;
    checkpoint_finish(w, &status);
    pthread_mutex_lock(&w->lock);
    while (w->task != TASK_NONE) /* finish failed to communicate */
        pthread_cond_wait(&w->told, &w->lock);
    pthread_mutex_unlock(&w->lock);
    give(w, TASK_QUIT, true);
    pthread_join(w->thread, NULL);
    release(w);
}
