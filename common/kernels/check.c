#include "kernels/check.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "kernels/blas.h"
#include "kernels/check_data.h"

static bool
check_products(const struct kernels *k, enum precision p, const struct gemm *shapes, int count,
               int rounds, struct kernel_check *out)
{
    struct checker c;
    checker_init(&c, k, p, out);
    for (int round = 0; round < rounds; round++)
        check_gemm(&c, round);
    for (int i = 0; i < count; i++)
        check_gemm_shape(&c, &shapes[i]);
    return !c.failed;
}

static bool
check_others(const struct kernels *k, enum precision p, int rounds, struct kernel_check *out)
{
    struct checker c;
    checker_init(&c, k, p, out);
    for (int round = 0; round < rounds; round++)
        check_ops(&c, round);
    return !c.failed;
}

static bool
check_all(const struct kernels *k, enum precision p, const struct gemm *shapes, int count,
          bool thorough, struct kernel_check *out)
{
    memset(out, 0, sizeof *out);
    int rounds = thorough ? 8 : 2;
    bool products = check_products(k, p, shapes, count, rounds, out);
    return check_others(k, p, rounds, out) && products;
}

/*
 * A BLAS that computes wrong results is known (caches of new processors misread): do without
 * it then.
 */
int
kernels_check(const struct kernels *k, enum precision p, const struct gemm *shapes, int shape_count,
              bool thorough, struct kernel_check *out)
{
    if (check_all(k, p, shapes, shape_count, thorough, out))
        return 0;
    if (!blas_loaded())
        return -1;
    char found[200];
    snprintf(found, sizeof found, "%s", err_text());
    char name[100];
    snprintf(name, sizeof name, "%s", blas_describe());
    blas_disable("wrong results");
    if (!check_all(k, p, shapes, shape_count, thorough, out))
        return -1;
    err_clear();
    snprintf(out->note, sizeof out->note, "%.80s is not used: with it, %.140s", name, found);
    return 0;
}
