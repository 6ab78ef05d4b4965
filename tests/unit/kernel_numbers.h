#ifndef TESTS_UNIT_KERNEL_NUMBERS_H
#define TESTS_UNIT_KERNEL_NUMBERS_H

#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernels/kernels.h"

/* n random numbers in [low, high) of the act or wide type, freed by the caller. */
static inline void *
kernel_numbers(const struct ops *ops, bool wide, int64_t n, uint64_t key, double low, double high)
{
    float *x = mem_array((size_t)n, sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(rng_uniform(key, (uint64_t)i) * (high - low) + low);
    if (wide)
        return x;
    void *act = mem_array((size_t)n, ops->act_size);
    ops->to_act(act, x, n);
    free(x);
    return act;
}

#endif
