/* Multiply-add rate in registers: what MFU is measured against. */
#include "kernels/sve/sve.h"

#include <arm_sve.h>

#include "kernels/peak.h"
#include "kernels/ref/ref.h"

enum { CHAINS = 24, ROUNDS = 100000 };

#define EIGHT(DO, i) DO(i##0) DO(i##1) DO(i##2) DO(i##3) DO(i##4) DO(i##5) DO(i##6) DO(i##7)
#define EACH_CHAIN(DO) EIGHT(DO, 1) EIGHT(DO, 2) EIGHT(DO, 3)

#define START(i) svfloat32_t x##i = svdup_n_f32(start + (i));
#define MULTIPLY(i) x##i = svmad_f32_x(all, x##i, factor, term);
#define ADD(i) sum = svadd_f32_x(all, sum, x##i);

/* CHAINS independent sums hide the latency of two units of nine cycles. */
static float
chains(float start)
{
    const svbool_t all = svptrue_b32();
    const svfloat32_t factor = svdup_n_f32(0.999f), term = svdup_n_f32(0.001f);
    EACH_CHAIN(START)
    for (int i = 0; i < ROUNDS; i++) {
        EACH_CHAIN(MULTIPLY)
    }
    svfloat32_t sum = svdup_n_f32(0);
    EACH_CHAIN(ADD)
    return svaddv_f32(all, sum);
}

double
sve_peak(enum precision p, double seconds)
{
    if (p == PRECISION_FP64)
        return ref_peak(p, seconds);
    return peak_rate(chains, 2.0 * (double)svcntw() * CHAINS * ROUNDS, seconds);
}
