#include "shard/ring.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

enum slot_state { SLOT_WAITING, SLOT_RUNNING, SLOT_DONE };

struct slot {
    void *job;
    enum slot_state state;
    int status;
    struct err err;
};

struct worker {
    struct ring *ring;
    int number;
    pthread_t thread;
};

struct ring {
    int (*work)(void *job, int worker);
    struct slot *slot;
    size_t slots, head, pending; /* head: the oldest */
    size_t started;              /* of the pending ones, the first not yet taken by a worker */
    struct worker *workers;
    int threads;
    bool stop;
    pthread_mutex_t lock;
    pthread_cond_t pushed, done;
};

static struct slot *
slot_at(struct ring *r, size_t i)
{
    return &r->slot[(r->head + i) % r->slots];
}

static void
run(struct ring *r, struct slot *s, int worker)
{
    s->status = r->work(s->job, worker);
    if (s->status != 0)
        err_take(&s->err);
}

static void *
worker_main(void *arg)
{
    struct worker *w = arg;
    struct ring *r = w->ring;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (!r->stop && r->started == r->pending)
            pthread_cond_wait(&r->pushed, &r->lock);
        if (r->stop)
            break;
        struct slot *s = slot_at(r, r->started++);
        s->state = SLOT_RUNNING;
        pthread_mutex_unlock(&r->lock);
        run(r, s, w->number);
        pthread_mutex_lock(&r->lock);
        s->state = SLOT_DONE;
        pthread_cond_signal(&r->done);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

struct ring *
ring_new(int threads, size_t slots, int (*work)(void *job, int worker))
{
    struct ring *r = mem_zalloc(sizeof *r);
    r->work = work;
    r->slots = slots;
    r->slot = mem_zarray(slots, sizeof *r->slot);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->pushed, NULL);
    pthread_cond_init(&r->done, NULL);
    r->workers = mem_zarray((size_t)threads, sizeof *r->workers);
    if (threads < 2)
        return r;
    for (int i = 0; i < threads; i++) {
        struct worker *w = &r->workers[i];
        *w = (struct worker){.ring = r, .number = i};
        /* With fewer threads than asked for, the work only takes longer. */
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
            break;
        r->threads++;
    }
    return r;
}

size_t
ring_pending(const struct ring *r)
{
    return r->pending;
}

size_t
ring_slots(const struct ring *r)
{
    return r->slots;
}

void
ring_push(struct ring *r, void *job)
{
    pthread_mutex_lock(&r->lock);
    struct slot *s = slot_at(r, r->pending++);
    s->job = job;
    s->state = SLOT_WAITING;
    pthread_cond_signal(&r->pushed);
    pthread_mutex_unlock(&r->lock);
}

int
ring_ready(struct ring *r)
{
    pthread_mutex_lock(&r->lock);
    int ready = r->pending && (!r->threads || slot_at(r, 0)->state == SLOT_DONE);
    pthread_mutex_unlock(&r->lock);
    return ready;
}

void *
ring_pop(struct ring *r, int *status)
{
    if (!r->pending)
        return NULL;
    struct slot *s = slot_at(r, 0);
    if (!r->threads)
        run(r, s, 0);
    pthread_mutex_lock(&r->lock);
    while (r->threads && s->state != SLOT_DONE)
        pthread_cond_wait(&r->done, &r->lock);
    r->started -= r->threads ? 1 : 0;
    r->head = (r->head + 1) % r->slots;
    r->pending--;
    pthread_mutex_unlock(&r->lock);
    *status = s->status;
    if (s->status != 0)
        err_give(&s->err);
    return s->job;
}

void
ring_free(struct ring *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->pushed);
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < r->threads; i++)
        pthread_join(r->workers[i].thread, NULL);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->pushed);
    pthread_cond_destroy(&r->done);
    free(r->workers);
    free(r->slot);
    free(r);
}
