/* base/threads.h: every cell once, errors of the lowest cell, order of the pipeline. */
#include "base/threads.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "tests/unit/tap.h"

enum { CELLS = 1000 };

static int
count_cell(void *arg, size_t cell, int worker)
{
    atomic_int *counts = arg;

    (void)worker;
    atomic_fetch_add(&counts[cell], 1);
    return 0;
}

static int
fail_some(void *arg, size_t cell, int worker)
{
    volatile uint64_t x = cell;
    const size_t *first = arg;

    (void)worker;
    for (uint64_t i = 0; i < hash_mix(cell) % 500; i++)
        x = hash_mix(x);
    if (cell >= *first && cell % 3 == 0)
        return err_set(STATUS_INPUT, "cell %zu", cell);
    return 0;
}

static void
test_pool(int n)
{
    struct threads *pool = n ? threads_new(n) : NULL;
    atomic_int *counts = mem_zarray(CELLS, sizeof *counts);
    bool once = true, lowest = true;
    size_t first = 0;

    for (int run = 0; run < 200; run++)
        threads_run(pool, CELLS, count_cell, counts);
    for (size_t i = 0; i < CELLS; i++)
        once &= counts[i] == 200;
    ok(once, "%d threads: every cell runs once a run", n);
    for (first = 0; first < 300; first += 3) {
        char want[32];

        snprintf(want, sizeof want, "cell %zu", first);
        err_clear();
        lowest &= threads_run(pool, CELLS, fail_some, &first) == -1 &&
                  strcmp(err_text(), want) == 0 && err_status() == STATUS_INPUT;
    }
    ok(lowest, "%d threads: the error is that of the lowest cell", n);
    ok(threads_run(pool, 0, fail_some, &first) == 0, "%d threads: no cells", n);
    memset(counts, 0, CELLS * sizeof *counts);
    for (int run = 0; run < 200; run++)
        threads_each(pool, count_cell, counts);
    once = true;
    for (size_t i = 0; i < CELLS; i++)
        once &= counts[i] == ((int)i < (n ? n : 1) ? 200 : 0);
    ok(once, "%d threads: each has its own call", n);
    free(counts);
    threads_free(pool);
}

struct flow {
    int produced, consumed, limit, fail_at, alive, most;
    bool in_order, fail_consume, fail_produce;
};

static void *
produce(void *arg, bool *failed)
{
    struct flow *f = arg;
    int *job;

    if (f->produced == f->limit) {
        if (f->fail_produce) {
            *failed = true;
            err_set(STATUS_FAILED, "produce");
        }
        return NULL;
    }
    job = mem_alloc(sizeof *job);
    *job = f->produced++;
    if (++f->alive > f->most)
        f->most = f->alive;
    return job;
}

static int
work(void *arg, void *job, int worker)
{
    const struct flow *f = arg;
    int number = *(int *)job;
    volatile uint64_t x = 0;

    (void)worker;
    for (uint64_t i = 0; i < hash_mix((uint64_t)number) % 3000; i++)
        x = hash_mix(x);
    if (!f->fail_consume && f->fail_at >= 0 && number >= f->fail_at)
        return err_set(STATUS_INPUT, "job %d", number);
    return 0;
}

static int
consume(void *arg, void *job)
{
    struct flow *f = arg;
    int number = *(int *)job;

    f->in_order &= number == f->consumed++;
    f->alive--;
    free(job);
    if (f->fail_consume && number == f->fail_at)
        return err_set(STATUS_INPUT, "consume %d", number);
    return 0;
}

static void
discard(void *arg, void *job)
{
    struct flow *f = arg;

    f->alive--;
    free(job);
}

static int
flow(struct flow *f, int threads, int window)
{
    struct threads_pipeline p = {produce, work, consume, discard, f, threads, window};

    f->in_order = true;
    err_clear();
    return threads_pipeline_run(&p);
}

static void
test_pipeline(int threads)
{
    struct flow all = {.limit = 2000, .fail_at = -1};
    struct flow bad = {.limit = 2000, .fail_at = 777};
    struct flow full = {.limit = 2000, .fail_at = 500, .fail_consume = true};
    struct flow cut = {.limit = 300, .fail_at = -1, .fail_produce = true};
    struct flow both = {.limit = 300, .fail_at = 298, .fail_produce = true};
    struct flow none = {.limit = 0, .fail_at = -1};

    ok(flow(&all, threads, 8) == 0 && all.in_order && all.consumed == 2000 && all.alive == 0,
       "%d threads: all jobs come in order", threads);
    ok(all.most <= 8, "%d threads: at most a window of jobs is alive", threads);
    ok(flow(&bad, threads, 16) == -1 && strcmp(err_text(), "job 777") == 0 &&
           bad.consumed == 777 && bad.in_order && bad.alive == 0,
       "%d threads: the earliest failing job is reported, those before it are consumed", threads);
    ok(flow(&full, threads, 16) == -1 && strcmp(err_text(), "consume 500") == 0 &&
           full.consumed == 501 && full.alive == 0, "%d threads: consume fails", threads);
    ok(flow(&cut, threads, 16) == -1 && strcmp(err_text(), "produce") == 0 && cut.consumed == 300,
       "%d threads: produce fails, what came before is consumed", threads);
    ok(flow(&both, threads, 16) == -1 && strcmp(err_text(), "job 298") == 0 && both.alive == 0,
       "%d threads: an earlier job's error wins over produce's", threads);
    ok(flow(&none, threads, 4) == 0 && none.consumed == 0, "%d threads: nothing to do", threads);
}

int
main(void)
{
    test_pool(0);
    test_pool(1);
    test_pool(2);
    test_pool(5);
    test_pipeline(1);
    test_pipeline(2);
    test_pipeline(5);
    ok(threads_cpus() >= 1 && threads_default(1000) == 1, "at least one thread for each process");
    return done();
}
