#ifndef KERNELS_CHECK_H
#define KERNELS_CHECK_H

#include "kernels/kernels.h"

/*
 * Checks the table's kernels at precision p against ref/ in FP64 on small random
 * inputs, GEMM also on the given shapes (Freivalds' method in FP64). A wrong BLAS is disabled
 * with a message in *note and the check repeated; another failure is an error that
 * names the kernel and what was found. thorough: many shapes.
 */
struct kernel_error {
    char name[40];  /* of the operation, and of its result where it has several */
    double allowed; /* the largest bound, relative; 0: none is stated (a value or bits) */
    double ratio;   /* the largest error relative to its bound */
    int checked;
};

enum { KERNEL_ERRORS_MAX = 80 };

struct kernel_check {
    struct kernel_error error[KERNEL_ERRORS_MAX]; /* in the order of checking */
    int errors;
    char worst[64]; /* the operation with the largest error relative to its bound */
    double worst_ratio;
    int checked;
    char note[256]; /* "" or what was switched off, or runs far too slowly */
};
/* Why an operation's bound is what it is: a sentence for each kind (check_reasons.c). */
const char *kernel_bound_reason(const char *operation);

int kernels_check(const struct kernels *k, enum precision p, const struct gemm *shapes,
                  int shape_count, bool thorough, struct kernel_check *out);

#endif
