/* Multiply-add rate in registers: what MFU is measured against. */
#include "kernels/avx2/avx2.h"

#include <immintrin.h>

#include "base/sys.h"
#include "kernels/blas.h"
#include "kernels/ref/ref.h"

enum { CHAINS = 12, ROUNDS = 200000 };

/* CHAINS independent sums hide the latency of two units of four or five cycles. */
static float
fma_256(void)
{
    __m256 x[CHAINS], factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
    for (int c = 0; c < CHAINS; c++)
        x[c] = _mm256_set1_ps((float)c);
    for (int i = 0; i < ROUNDS; i++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++)
            x[c] = _mm256_fmadd_ps(x[c], factor, term);
    for (int c = 1; c < CHAINS; c++)
        x[0] = _mm256_add_ps(x[0], x[c]);
    return _mm256_cvtss_f32(x[0]);
}

/*
 * The same on 512 bits: products then run in an OpenBLAS core that uses them, and their peak
 * is this.
 */
__attribute__((target("avx512f"))) static float
fma_512(void)
{
    __m512 x[CHAINS], factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
    for (int c = 0; c < CHAINS; c++)
        x[c] = _mm512_set1_ps((float)c);
    for (int i = 0; i < ROUNDS; i++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++)
            x[c] = _mm512_fmadd_ps(x[c], factor, term);
    for (int c = 1; c < CHAINS; c++)
        x[0] = _mm512_add_ps(x[0], x[c]);
    return _mm512_cvtss_f32(x[0]);
}

double
avx2_peak(enum precision p, double seconds)
{
    if (p == PRECISION_FP64)
        return ref_peak(p, seconds);
    bool wide = blas_loaded() && blas_uses_avx512();
    volatile float sink;
    double best = 0, start = sys_seconds(), begin, now = start;
    do {
        begin = now;
        sink = wide ? fma_512() : fma_256();
        now = sys_seconds();
        double rate = 2.0 * (wide ? 16 : 8) * CHAINS * ROUNDS / (now - begin);
        best = rate > best ? rate : best;
    } while (now - start < seconds);
    (void)sink;
    return best;
}
