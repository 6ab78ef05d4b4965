#ifndef KERNELS_CHECK_DATA_H
#define KERNELS_CHECK_DATA_H

#include "kernels/check.h"

/*
 * Arrays for checking kernels: each one twice, as the kernel under test sees it
 * and exactly the same numbers in double for ref/ in FP64. Inputs are random, outputs
 * begin as NaN, pointers are not aligned, and what lies behind an array is watched.
 */
enum array_kind { ARRAY_ACT, ARRAY_WIDE };

struct array {
    enum array_kind kind;
    int64_t n;
    void *got; /* elements of the precision under test */
    double *want;
    void *block; /* the allocation that `got` lies in */
    size_t size; /* bytes of got */
};

enum { ARRAYS_MAX = 24 };

struct checker {
    const struct ops *ops;
    struct ops exact; /* ref/ in FP64 */
    enum precision precision;
    uint64_t random;
    struct array array[ARRAYS_MAX];
    int arrays;
    bool failed;
    struct kernel_check *out;
};

void checker_init(struct checker *c, const struct kernels *k, enum precision p,
                  struct kernel_check *out);

/* Random in [low, high); the array lives until checker_clear. */
struct array *
array_random(struct checker *c, enum array_kind kind, int64_t n, double low, double high);
struct array *array_output(struct checker *c, enum array_kind kind, int64_t n);

/* A random number in [0, 1). */
double checker_uniform(struct checker *c);

/* Makes `got` the rounded copy of `want`: the result of one operation as input of the next. */
void array_round(struct checker *c, struct array *a);

/* Sets an element of `got`, rounded to its type. */
void array_put(const struct checker *c, struct array *a, int64_t i, double x);

double array_at(const struct checker *c, const struct array *a, int64_t i);

/* Unit roundoff of wide and, for results stored as act, of act. */
double checker_unit(const struct checker *c, enum array_kind kind);

/*
 * Every |got - want| must be at most bound (|want| + rms(want)) plus the rounding
 * of the stored type. Failing sets the error record and c->failed once.
 */
void checker_compare(struct checker *c, const char *name, const struct array *a, double bound);

/* The same for one ratio that the caller has worked out (error / allowed). */
void checker_ratio(struct checker *c, const char *name, double ratio);

/* Frees the arrays; one written behind its end is a failure of `name`. */
void checker_clear(struct checker *c, const char *name);

/* Runs every operation but GEMM at sizes that depend on `round` (check_ops.c). */
void check_ops(struct checker *c, int round);

/* Attention of queries over a part of their keys, `rounds` shapes (check_ops.c). */
void check_parts(struct checker *c, int rounds);

/* Those that work on rows or arrays at every size from 1 to 67: all remainders of vectors. */
void check_sizes(struct checker *c);

/* Zeros, subnormal numbers, far logits and scores (check_extremes.c). */
void check_extremes(struct checker *c);

/* GEMM at every remainder of its tiles (check_gemm.c). */
void check_gemm_sizes(struct checker *c);

/* GEMM with random shapes, transposes and options (check_gemm.c). */
void check_gemm(struct checker *c, int round);

/*
 * One cell of the product `g` (its shape and transposes) by ops->gemm, checked by Freivalds'
 * method ("Probabilistic machines can use less running time", 1977): C r against
 * A (B r) for a random vector r, in FP64.
 */
void check_gemm_shape(struct checker *c, const struct gemm *g);

#endif
