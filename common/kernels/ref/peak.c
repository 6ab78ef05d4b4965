/* Multiply-add rate of plain C: eight independent chains, as the compiler makes them. */
#include "kernels/ref/ref.h"

#include "base/sys.h"

enum { CHAINS = 8, ROUNDS = 1000000 };

#define MEASURE(type)                                           \
    do {                                                        \
        type x[CHAINS] = {1, 2, 3, 4, 5, 6, 7, 8};              \
        volatile type factor = (type)0.999, term = (type)0.001; \
        type f = factor, t = term;                              \
        for (int i = 0; i < ROUNDS; i++)                        \
            for (int c = 0; c < CHAINS; c++)                    \
                x[c] = x[c] * f + t;                            \
        for (int c = 0; c < CHAINS; c++)                        \
            factor = x[c];                                      \
    } while (0)

/* Seconds of one run of 2 * CHAINS * ROUNDS flops. */
static double
measure(enum precision p)
{
    double start = sys_seconds();
    if (p == PRECISION_FP64)
        MEASURE(double);
    else
        MEASURE(float);
    return sys_seconds() - start;
}

double
ref_peak(enum precision p, double seconds)
{
    double best = 0, end = sys_seconds() + seconds;
    do {
        double rate = 2.0 * CHAINS * ROUNDS / measure(p);
        best = rate > best ? rate : best;
    } while (sys_seconds() < end);
    return best;
}
