/*
 * Every kernel of every table at every precision against ref/ in FP64, with the bounds of
 * kernels/check_ops.c.
 */
#include "kernels/check.h"

#include <stdlib.h>

#include "base/err.h"
#include "kernels/blas.h"
#include "tests/unit/tap.h"

/* Shapes as training has them: forward, both gradients, the head; odd sizes; one row. */
static const struct gemm shapes[] = {
    {.ta = false, .tb = true, .m = 512, .n = 768, .k = 384},
    {.ta = false, .tb = false, .m = 300, .n = 384, .k = 1000},
    {.ta = true, .tb = false, .m = 384, .n = 700, .k = 513, .c_wide = true, .accumulate = true},
    {.ta = false, .tb = true, .m = 1, .n = 2000, .k = 768, .c_wide = true},
    {.ta = true, .tb = true, .m = 77, .n = 129, .k = 1030},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* $LLM_QUICK: fewer of everything, for a processor that is emulated. */
static bool quick;

static void
check_table(const struct kernels *k, const char *with)
{
    for (int p = 0; p < PRECISIONS; p++) {
        struct kernel_check r;
        int status = kernels_check(k, (enum precision)p, shapes, quick ? 0 : SHAPES, !quick, &r);
        ok(status == 0 && !strstr(r.note, "not used"),
           "%s %s, %s: %d comparisons, worst %s at %.2f of its bound %s%s", k->name,
           precision_name((enum precision)p), with, r.checked, r.worst, r.worst_ratio, r.note,
           status ? err_text() : "");
    }
}

static const struct kernels *
pick(const char *name)
{
    setenv("LLM_ISA", name, 1);
    return kernels_pick(NULL);
}

int
main(void)
{
    quick = getenv("LLM_QUICK") != NULL;
    for (int level = 0; kernels_level_name(level); level++) {
        const struct kernels *k = pick(kernels_level_name(level));
        if (k)
            check_table(k, blas_describe());
        else
            ok(err_status() == STATUS_FAILED, "not here: %s", err_text());
    }
    blas_disable("the test wants the table's own GEMM");
    for (int level = 0; kernels_level_name(level); level++) {
        const struct kernels *k = pick(kernels_level_name(level));
        if (k && level)
            check_table(k, "without BLAS");
    }
    return done();
}
