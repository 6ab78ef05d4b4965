/* Multiply-add rate in registers: what MFU is measured against. */
#include "kernels/avx2/avx2.h"

#include <immintrin.h>

#include "kernels/peak.h"
#include "kernels/ref/ref.h"

enum { CHAINS = 12, ROUNDS = 200000 };

/* CHAINS independent sums hide the latency of two units of four or five cycles. */
static float
chains(float start)
{
    __m256 x[CHAINS], factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
    for (int c = 0; c < CHAINS; c++)
        x[c] = _mm256_set1_ps(start + (float)c);
    for (int i = 0; i < ROUNDS; i++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++)
            x[c] = _mm256_fmadd_ps(x[c], factor, term);
    for (int c = 1; c < CHAINS; c++)
        x[0] = _mm256_add_ps(x[0], x[c]);
    return _mm256_cvtss_f32(x[0]);
}

double
avx2_peak(enum precision p, double seconds)
{
    return p == PRECISION_FP64 ? ref_peak(p, seconds)
                               : peak_rate(chains, 2.0 * 8 * CHAINS * ROUNDS, seconds);
}
