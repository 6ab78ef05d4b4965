#include <string.h>

#include "kernels/check.h"

/*
 * The bounds of check_ops.c and check_gemm.c in words, u being the unit roundoff of the wide
 * type; an error is measured against the value and the root mean square of the whole result,
 * and what is stored as act may be off by its rounding besides.
 */
static const struct {
    const char *part, *reason; /* the first part that an operation's name has decides */
} reasons[] = {
    {"in place", "none: the same bits"},
    {"'s forward", "none: the same bits"},
    {"of tiny numbers", "absolute: k times the least subnormal number (tiles: normal number)"},
    {"of far parts", "64 units of the stored type, and log_z's rounding in double: 2^-53 |log_z|"},
    {"of far", "64 units of the stored type, absolute where zero is expected"},
    {"of small", "64 units of the stored type, 8 times that absolute for norms"},
    {"gemm", "8 u sqrt(k + 16): rounding errors of k products add like a random walk"},
    {"attention", "4 (8 + 4 sqrt(keys + head_dim)) u: the scores' errors stand in exponents, "
                  "times their size; twice that backward; rounded probabilities: 2 units of act"},
    {"rms_norm", "(8 + 4 sqrt(n)) u: a sum of n squares, a root, a division"},
    {"layer_norm_forward mean", "4 (8 + 4 sqrt(n)) u: the mean is small beside the terms"},
    {"layer_norm", "(8 + 4 sqrt(n)) u, twice that backward: two sums of n terms"},
    {"cross_entropy", "(8 + 4 sqrt(n)) u: a sum of n exponentials and a logarithm"},
    {"column_sum", "(8 + 4 sqrt(rows)) u: a sum of so many terms"},
    {"sum_squares", "(n + 16) 2^-53: a sum in double"},
    {"quantize", "none: every value of the grid is exact"},
    {"to_act", "none beyond the stored type's rounding"},
    {"to_wide", "none: exact"},
    {"adamw", "12 u: a chain of ten operations with a root and a division"},
    {"add", "12 u: one addition"},
    {"blend_wide", "12 u: two products and an addition"},
    {"rotary", "12 u: two products and an addition"},
    {"swiglu", "12 u: an exponential of 1 ulp, a division, two products"},
    {"gelu", "12 u: a distribution function of relative error 6e-8, two products"},
};

const char *
kernel_bound_reason(const char *operation)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strstr(operation, reasons[i].part))
            return reasons[i].reason;
    return "";
}
