#ifndef TESTS_BENCH_MEASURE_H
#define TESTS_BENCH_MEASURE_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "kernels/kernels.h"

/* Seconds that this thread has computed: other programs disturb them less than the clock. */
static inline double
cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* n numbers in [-1, 1] as wide or act, which are valid in every type; aligned. */
static inline void *
bench_numbers(const struct ops *ops, int64_t n, bool wide)
{
    float *x = mem_aligned((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((i * 2654435761u >> 8) % 2001) / 1000.0f - 1.0f;
    if (wide)
        return x;
    void *act = mem_aligned((size_t)n * ops->act_size);
    ops->to_act(act, x, n);
    free(x);
    return act;
}

#endif
