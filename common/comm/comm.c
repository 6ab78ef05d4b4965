/*
 * What every back end shares: blocking forms, progress, waiting with a watchdog, agreement
 * on errors.
 */
#include "comm/comm.h"

#include <sched.h>

#include "base/err.h"
#include "base/sys.h"
#include "base/threads.h"
#include "comm/progress.h"
#include "comm/sum_private.h"

enum { MAX_HOOKS = 16, POLLS_BEFORE_SLEEP = 200, SLEEP_NANOSECONDS = 20000 };
static const double look_seconds = 0.05;

static struct {
    void (*fn)(void *arg);
    void *arg;
} hooks[MAX_HOOKS];
static int hook_count;
static bool in_progress, in_wait;
static _Thread_local bool owns_hooks; /* the thread that may communicate */

static double timeout_seconds, waited_seconds;
static int (*watchdog)(const char *what, double waited, bool overdue);

void
comm_progress_add(void (*fn)(void *arg), void *arg)
{
    if (hook_count == MAX_HOOKS)
        abort();
    hooks[hook_count].fn = fn;
    hooks[hook_count].arg = arg;
    hook_count++;
    owns_hooks = true;
    threads_hook = comm_progress;
}

void
comm_progress_remove(void (*fn)(void *arg), void *arg)
{
    for (int i = 0; i < hook_count; i++)
        if (hooks[i].fn == fn && hooks[i].arg == arg) {
            hooks[i] = hooks[--hook_count];
            break;
        }
    if (hook_count == 0 && threads_hook == comm_progress)
        threads_hook = NULL;
}

void
comm_progress(void)
{
    if (!owns_hooks || in_progress)
        return;
    in_progress = true;
    for (int i = 0; i < hook_count; i++)
        hooks[i].fn(hooks[i].arg);
    in_progress = false;
}

double
comm_waited(void)
{
    return waited_seconds;
}

bool
comm_waiting(void)
{
    return in_wait;
}

void
comm_set_timeout(double seconds)
{
    timeout_seconds = seconds;
}

double
comm_timeout(void)
{
    return timeout_seconds;
}

void
comm_set_watchdog(int (*look)(const char *what, double waited, bool overdue))
{
    watchdog = look;
}

/* Looks at the clock, and every 50 ms at the other ranks. */
static int
watch(struct comm_pause *p)
{
    double now = sys_seconds();

    if (p->start == 0)
        p->start = p->looked = now;
    if (now - p->looked < look_seconds)
        return 0;
    p->looked = now;
    bool overdue = timeout_seconds > 0 && now - p->start > timeout_seconds;
    if (watchdog) {
        int verdict = watchdog(p->what, now - p->start, overdue);
        if (verdict > 0)
            p->start = now;
        return verdict < 0 ? -1 : 0;
    }
    if (overdue)
        return err_set(STATUS_FAILED, "%s: nothing arrived for %.0f s", p->what, now - p->start);
    return 0;
}

static int
pause_once(struct comm_pause *p)
{
    in_wait = true;
    comm_progress();
    in_wait = false;
    if (p->polls++ < POLLS_BEFORE_SLEEP) {
        sched_yield();
        return p->polls % 64 == 1 ? watch(p) : 0;
    }
    nanosleep(&(struct timespec){.tv_nsec = SLEEP_NANOSECONDS}, NULL);
    return watch(p);
}

int
comm_pause(struct comm_pause *p)
{
    double start = sys_seconds();
    int result = pause_once(p);

    waited_seconds += sys_seconds() - start;
    return result;
}

int
comm_wait(struct comm *c, struct comm_request **q)
{
    if (!*q)
        return 0;
    double start = sys_seconds();
    int result = c->ops->wait(c, q);
    c->stats.seconds_waiting += sys_seconds() - start;
    return result;
}

int
comm_all_reduce(struct comm *c, void *buffer, size_t count, enum comm_type t, enum comm_reduce r)
{
    struct comm_request *q = NULL;

    return c->ops->all_reduce(c, buffer, count, t, r, &q) ? -1 : comm_wait(c, &q);
}

int
comm_broadcast(struct comm *c, void *buffer, size_t bytes, int root)
{
    struct comm_request *q = NULL;

    return c->ops->broadcast(c, buffer, bytes, root, &q) ? -1 : comm_wait(c, &q);
}

int
comm_all_gather(struct comm *c, const void *send, void *receive, size_t bytes_each)
{
    struct comm_request *q = NULL;

    return c->ops->all_gather(c, send, receive, bytes_each, COMM_BYTE, &q) ? -1 : comm_wait(c, &q);
}

int
comm_all_to_all(struct comm *c, const void *send, const size_t *send_sizes,
                const size_t *send_offsets, void *receive, const size_t *sizes,
                const size_t *offsets)
{
    struct comm_request *q = NULL;
    int result = c->ops->all_to_all_v(c, send, send_sizes, send_offsets, receive, sizes, offsets,
                                      &q);

    return result ? -1 : comm_wait(c, &q);
}

int
comm_barrier(struct comm *c)
{
    struct comm_request *q = NULL;

    return c->ops->barrier(c, &q) ? -1 : comm_wait(c, &q);
}

void
comm_release(struct comm *c)
{
    if (!c)
        return;
    sums_release(c);
    c->ops->release(c);
}

int
comm_agree(struct comm *c, int status)
{
    if (c->size == 1)
        return status ? -1 : 0;

    int32_t first = status ? c->rank : c->size;
    struct err mine = {0}, record = {0};
    if (status)
        err_take(&mine);
    if (comm_all_reduce(c, &first, 1, COMM_I32, COMM_MIN) != 0)
        return -1;
    if (first == c->size)
        return 0;
    if (first == c->rank) {
        record = mine;
        if (record.status == STATUS_OK)
            record.status = (enum status)status;
    }
    if (comm_broadcast(c, &record, sizeof record, first) != 0)
        return -1;
    return err_set(record.status, "rank %d: %s", (int)first, record.text);
}
