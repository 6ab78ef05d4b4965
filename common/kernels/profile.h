#ifndef KERNELS_PROFILE_H
#define KERNELS_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/*
 * Where a run's time goes: a table whose entries call those of another and count
 * calls, seconds, floating-point operations and bytes. Each thread counts for
 * itself; the counters are summed when asked for.
 */
struct profile_row {
    const char *name; /* "gemm", "attention backward", … */
    uint64_t calls;
    double seconds; /* of all threads together */
    double flops;   /* matrix and attention products only, masked positions left out; else 0 */
    double bytes;   /* operands read and written once each; a product's, too */
};

/* The counting table over k, for k's own precisions. Call it once, before threads start. */
const struct kernels *profile_kernels(const struct kernels *k);

/* Writes a row for each operation called since the last reset; returns how many (≤ PROFILE_ROWS). */
enum { PROFILE_ROWS = 40 };
size_t profile_take(struct profile_row rows[PROFILE_ROWS]);
void profile_reset(void);

/* Seconds within operations since the last reset, of the calling thread alone. */
double profile_caller_seconds(void);

/* The same by what a step is planned by: matrix products with packing, attention, and all others. */
enum profile_work { PROFILE_PRODUCTS, PROFILE_ATTENTION, PROFILE_OTHERS, PROFILE_WORKS };
void profile_caller_work(double seconds[PROFILE_WORKS]);

/* Bytes a second that one thread reads from an array larger than the caches, measured. */
double profile_read_rate(double seconds);

#endif
