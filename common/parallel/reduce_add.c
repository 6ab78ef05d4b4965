/*
 * Adding gradient arrays in a fixed order. Every element goes through all additions
 * while it is in the cache: each array is read once, and what is added to written once.
 */
#include <string.h>

#include "parallel/reduce_private.h"

/* Elements: of a pool's cell; kept in the cache; looked at for zeros at once. */
enum { ADD_CELL = 16384, ADD_BLOCK = 2048, MOVE_BLOCK = 128 };

typedef float lanes __attribute__((vector_size(32), aligned(4), may_alias));

static void
add(float *to, const float *from, int64_t n)
{
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        *(lanes *)(to + i) += *(const lanes *)(from + i);
    for (; i < n; i++)
        to[i] += from[i];
}

/*
 * A list of additions over the elements [0, n) of value[]; every element goes through all of
 * them.
 */
struct sum_job {
    const struct addition *additions;
    int count;
    float *const *value;
    int64_t n;
};

static int
sum_cell(void *arg, size_t cell, int worker)
{
    const struct sum_job *job = arg;
    int64_t begin = (int64_t)cell * ADD_CELL, end = begin + ADD_CELL;

    (void)worker;
    end = end < job->n ? end : job->n;
    for (int64_t at = begin; at < end; at += ADD_BLOCK) {
        int64_t n = end - at < ADD_BLOCK ? end - at : ADD_BLOCK;
        for (int i = 0; i < job->count; i++)
            add(job->value[job->additions[i].to] + at, job->value[job->additions[i].from] + at, n);
    }
    return 0;
}

static size_t
cells(int64_t n)
{
    return (size_t)((n + ADD_CELL - 1) / ADD_CELL);
}

void
reduce_sum(struct threads *pool, const struct addition *additions, int count, float *const *value,
           int64_t n)
{
    struct sum_job job = {additions, count, value, n};

    if (count > 0)
        threads_run(pool, cells(n), sum_cell, &job);
}

static bool
all_zero(const float *x, int64_t n)
{
    typedef uint32_t bits __attribute__((vector_size(32), aligned(4), may_alias));
    bits any = {0};
    uint32_t rest = 0, one;
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        any |= *(const bits *)(const void *)(x + i);
    for (; i < n; i++, rest |= one)
        memcpy(&one, x + i, sizeof one);
    for (int lane = 0; lane < 8; lane++)
        rest |= any[lane];
    return rest == 0;
}

static int
move_cell(void *arg, size_t cell, int worker)
{
    const struct sum_job *job = arg;
    int64_t begin = (int64_t)cell * ADD_CELL, end = begin + ADD_CELL;

    (void)worker;
    end = end < job->n ? end : job->n;
    for (int64_t at = begin; at < end; at += MOVE_BLOCK) {
        int64_t n = end - at < MOVE_BLOCK ? end - at : MOVE_BLOCK;
        if (all_zero(job->value[1] + at, n))
            continue;
        add(job->value[0] + at, job->value[1] + at, n);
        memset(job->value[1] + at, 0, (size_t)n * sizeof(float));
    }
    return 0;
}

void
reduce_move(struct threads *pool, float *to, float *from, int64_t n)
{
    struct sum_job job = {.value = (float *[]){to, from}, .n = n};

    threads_run(pool, cells(n), move_cell, &job);
}

static int
zero_cell(void *arg, size_t cell, int worker)
{
    const struct sum_job *job = arg;
    int64_t begin = (int64_t)cell * ADD_CELL, n = job->n - begin;

    (void)worker;
    memset(job->value[0] + begin, 0, (size_t)(n < ADD_CELL ? n : ADD_CELL) * sizeof(float));
    return 0;
}

void
reduce_zero(struct threads *pool, float *value, int64_t n)
{
    struct sum_job job = {.value = &value, .n = n};

    threads_run(pool, cells(n), zero_cell, &job);
}
