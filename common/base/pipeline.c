/*
 * The ordered pipeline. Jobs live in a ring of `window` slots: the caller's thread
 * produces into the tail and consumes from the head, workers take the oldest job
 * that nobody has taken. So the order of consumption never depends on timing.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/threads.h"

enum state { EMPTY, READY, RUNNING, DONE, FAILED };

struct slot {
    enum state state;
    void *job;
    struct err error;
};

struct run {
    const struct threads_pipeline *p;
    struct slot *slots;
    size_t window;
    size_t head, taken, tail; /* jobs consumed, taken by workers, produced */
    bool stop;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
};

struct helper {
    struct run *run;
    pthread_t thread;
    int number;
};

static struct slot *
slot_of(struct run *r, size_t index)
{
    return &r->slots[index % r->window];
}

/* Runs the oldest waiting job; the lock is held on entry and on return. */
static void
run_next(struct run *r, int worker)
{
    struct slot *slot = slot_of(r, r->taken++);
    bool failed;

    slot->state = RUNNING;
    pthread_mutex_unlock(&r->lock);
    failed = r->p->work(r->p->arg, slot->job, worker) != 0;
    if (failed)
        err_take(&slot->error);
    pthread_mutex_lock(&r->lock);
    slot->state = failed ? FAILED : DONE;
    pthread_cond_signal(&r->done);
}

static void *
helper_main(void *arg)
{
    struct helper *h = arg;
    struct run *r = h->run;

    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        if (r->taken < r->tail)
            run_next(r, h->number);
        else
            pthread_cond_wait(&r->work, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Takes the head job, helping with the work while it is not finished. 0 or -1. */
static int
consume_head(struct run *r)
{
    struct slot *slot = slot_of(r, r->head);
    void *job;

    pthread_mutex_lock(&r->lock);
    while (slot->state != DONE && slot->state != FAILED) {
        if (r->taken < r->tail)
            run_next(r, 0);
        else
            pthread_cond_wait(&r->done, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    if (slot->state == FAILED) {
        err_give(&slot->error);
        return -1;
    }
    job = slot->job;
    slot->state = EMPTY;
    r->head++;
    return r->p->consume(r->p->arg, job);
}

/* Is the head job finished (or is there no job at all to wait for)? */
static bool
head_finished(struct run *r)
{
    enum state state;

    pthread_mutex_lock(&r->lock);
    state = slot_of(r, r->head)->state;
    pthread_mutex_unlock(&r->lock);
    return state == DONE || state == FAILED;
}

static void
put(struct run *r, void *job)
{
    struct slot *slot = slot_of(r, r->tail);

    pthread_mutex_lock(&r->lock);
    slot->job = job;
    slot->state = READY;
    r->tail++;
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
}

/*
 * What was produced before a failing produce() is still consumed: an error in an
 * earlier job is the one to report.
 */
static int
drive(struct run *r)
{
    struct err error = {0};
    bool ended = false, failed = false;

    for (;;) {
        while (r->head < r->tail &&
               (ended || r->tail - r->head == r->window || head_finished(r)))
            if (consume_head(r) != 0)
                return -1;
        if (ended)
            break;
        void *job = r->p->produce(r->p->arg, &failed);

        if (failed)
            err_take(&error);
        if (job && !failed)
            put(r, job);
        else
            ended = true;
        threads_poll();
    }
    if (failed)
        err_give(&error);
    return failed ? -1 : 0;
}

static int
start_helper(struct helper *h)
{
    sigset_t all, old;
    int result;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    result = pthread_create(&h->thread, NULL, helper_main, h);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

int
threads_pipeline_run(const struct threads_pipeline *p)
{
    int threads = p->threads < 1 ? 1 : p->threads, started = 1, result;
    struct run r = {.p = p, .window = p->window < 1 ? 1 : (size_t)p->window};
    struct helper *helpers = mem_zarray((size_t)threads, sizeof *helpers);

    r.slots = mem_zarray(r.window, sizeof *r.slots);
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.work, NULL);
    pthread_cond_init(&r.done, NULL);
    for (; started < threads; started++) {
        helpers[started] = (struct helper){.run = &r, .number = started};
        if (start_helper(&helpers[started]) != 0)
            break;
    }
    result = drive(&r);
    pthread_mutex_lock(&r.lock);
    r.stop = true;
    pthread_cond_broadcast(&r.work);
    pthread_mutex_unlock(&r.lock);
    while (--started > 0)
        pthread_join(helpers[started].thread, NULL);
    for (; r.head < r.tail; r.head++)
        if (p->discard)
            p->discard(p->arg, slot_of(&r, r.head)->job);
    pthread_mutex_destroy(&r.lock);
    pthread_cond_destroy(&r.work);
    pthread_cond_destroy(&r.done);
    free(r.slots);
    free(helpers);
    return result;
}
