#ifndef KERNELS_SVE_MATH_H
#define KERNELS_SVE_MATH_H

#include <arm_sve.h>
#include <math.h>
#include <stdint.h>

#include "kernels/sve/sve.h"

/* Loops over arrays, sums along a row, and functions, on vectors of whatever length. */

static inline int64_t
vector_floats(void)
{
    return (int64_t)svcntw();
}

static inline int64_t
tile_columns(void)
{
    return 2 * vector_floats();
}

/* Runs the block that follows for i = 0, one vector, two … below n; `in`: lanes i … n - 1. */
#define VECTORS(i, in, n, ...)                                             \
    for (int64_t i = 0; i < (n); i += vector_floats()) {                   \
        svbool_t in = svwhilelt_b32_s64(i, n);                             \
        __VA_ARGS__                                                        \
    }

#define SUM_STEP(i, in, sum, n, at, s, ...)          \
    do {                                             \
        const int64_t i = at;                        \
        const svbool_t in = svwhilelt_b32_s64(i, n); \
        svfloat32_t sum = s;                         \
        __VA_ARGS__                                  \
        s = sum;                                     \
    } while (0)

/*
 * Sums along a row into lane[SUM_LANES], element i into lane i mod SUM_LANES: runs the block
 * for every i of the row, `in` the lanes in the row, which adds to those of `sum`. Four
 * vectors of lanes at a time hide the latency of an addition; shorter vectors go over the row
 * more often.
 */
#define SUM_ROW(lane, i, in, sum, n, ...)                                              \
    do {                                                                               \
        const int64_t step_ = vector_floats();                                         \
        const svbool_t all_ = svptrue_b32();                                           \
        for (int64_t g_ = 0; g_ < SUM_LANES; g_ += 4 * step_) {                        \
            svfloat32_t s0_ = svdup_n_f32(0), s1_ = s0_, s2_ = s0_, s3_ = s0_;         \
            for (int64_t at_ = g_; at_ < (n); at_ += SUM_LANES) {                      \
                SUM_STEP(i, in, sum, n, at_, s0_, __VA_ARGS__);                        \
                SUM_STEP(i, in, sum, n, at_ + step_, s1_, __VA_ARGS__);                \
                SUM_STEP(i, in, sum, n, at_ + 2 * step_, s2_, __VA_ARGS__);            \
                SUM_STEP(i, in, sum, n, at_ + 3 * step_, s3_, __VA_ARGS__);            \
            }                                                                          \
            svst1_f32(all_, (lane) + g_, s0_);                                         \
            svst1_f32(all_, (lane) + g_ + step_, s1_);                                 \
            svst1_f32(all_, (lane) + g_ + 2 * step_, s2_);                             \
            svst1_f32(all_, (lane) + g_ + 3 * step_, s3_);                             \
        }                                                                              \
    } while (0)

/*
 * The lanes' sum: quarters first, then pairs of neighbours, of those pairs, and so on: what
 * FADDV computes on sixteen lanes.
 */
static inline double
sum_fold(const float lane[SUM_LANES])
{
    enum { QUARTER = SUM_LANES / 4 };
    float t[QUARTER];
    VECTORS(i, in, (int64_t)QUARTER, {
        svfloat32_t a = svadd_f32_x(in, svld1_f32(in, lane + i), svld1_f32(in, lane + i + QUARTER));
        svfloat32_t b = svadd_f32_x(in, svld1_f32(in, lane + i + 2 * QUARTER),
                                    svld1_f32(in, lane + i + 3 * QUARTER));
        a = svadd_f32_x(in, a, b);
        if (vector_floats() == QUARTER)
            return (double)svaddv_f32(in, a);
        svst1_f32(in, t + i, a);
    })
    for (int n = QUARTER / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++)
            t[i] = t[2 * i] + t[2 * i + 1];
    return (double)t[0];
}

/*
 * e^x = 2^(i/64) e^r: FEXPA makes the power of two from the low bits of a sum (Arm
 * Architecture Reference Manual, FEXPA), and |r| <= log 2 / 128 leaves 1 + r + r^2/2.
 * Within 2 ulp from -87 to 88.3; 0 below, the value at 88.3 above; NaN stays. 11 instructions.
 */
static inline svfloat32_t
exp_of(svbool_t in, svfloat32_t x)
{
    /* Numbers about 1.5 2^17 are multiples of 1/64; 127 is the exponent's bias. */
    const svfloat32_t magic = svdup_n_f32(0x1.8p17f + 127);
    x = svmin_n_f32_x(in, x, 88.3f);
    svfloat32_t shifted = svmla_n_f32_x(in, magic, x, 1.44269504088896341f);
    svfloat32_t n = svsub_f32_x(in, shifted, magic);
    svfloat32_t r = svmls_n_f32_x(in, x, n, 0x1.62e43p-1f);
    r = svmls_n_f32_x(in, r, n, -0x1.05c61p-29f);
    svfloat32_t power = svexpa_f32(svreinterpret_u32_f32(shifted));
    svfloat32_t p = svmul_f32_x(in, r, svmla_n_f32_x(in, svdup_n_f32(1), r, 0.5f));
    p = svmla_f32_x(in, power, power, p);
    return svsel_f32(svcmplt_n_f32(in, x, -87.0f), svdup_n_f32(0), p);
}

/* 1/x: the 8 bits of FRECPE, doubled twice by Newton's iteration. Within 2 ulp. */
static inline svfloat32_t
reciprocal(svbool_t in, svfloat32_t x)
{
    svfloat32_t y = svrecpe_f32(x);
    y = svmul_f32_x(in, y, svrecps_f32(x, y));
    return svmul_f32_x(in, y, svrecps_f32(x, y));
}

/* The same for the square root, x / sqrt(x); 0 and infinity, where that is NaN, are their own. */
static inline svfloat32_t
square_root(svbool_t in, svfloat32_t x)
{
    svfloat32_t y = svrsqrte_f32(x);
    y = svmul_f32_x(in, y, svrsqrts_f32(svmul_f32_x(in, x, y), y));
    y = svmul_f32_x(in, y, svrsqrts_f32(svmul_f32_x(in, x, y), y));
    svbool_t own = svorr_b_z(in, svcmpeq_n_f32(in, x, 0), svcmpeq_n_f32(in, x, INFINITY));
    return svsel_f32(own, x, svmul_f32_x(in, x, y));
}

static inline svfloat32_t
sigmoid_of(svbool_t in, svfloat32_t x)
{
    return reciprocal(in, svadd_n_f32_x(in, exp_of(in, svneg_f32_x(in, x)), 1));
}

/*
 * The normal distribution function and, in *density, its derivative. The tail is
 * e^(-a^2/2) t q(t), t = 1/(1 + a/2), a = |x|: q is our own fit, as in avx2/math.h.
 */
static inline svfloat32_t
normal_of(svbool_t in, svfloat32_t x, svfloat32_t *density)
{
    svfloat32_t a = svabs_f32_x(in, x);
    svfloat32_t e = exp_of(in, svmul_n_f32_x(in, svmul_f32_x(in, a, a), -0.5f));
    svfloat32_t t = reciprocal(in, svmla_n_f32_x(in, svdup_n_f32(1), a, 0.5f));
    svfloat32_t q = svdup_n_f32(-0.02597678266465664f);
    q = svmla_f32_x(in, svdup_n_f32(0.1948043406009674f), q, t);
    q = svmla_f32_x(in, svdup_n_f32(-0.5959259867668152f), q, t);
    q = svmla_f32_x(in, svdup_n_f32(0.9364705681800842f), q, t);
    q = svmla_f32_x(in, svdup_n_f32(-0.7325150966644287f), q, t);
    q = svmla_f32_x(in, svdup_n_f32(0.1727144718170166f), q, t);
    q = svmla_f32_x(in, svdup_n_f32(-0.005401900969445705f), q, t);
    q = svmla_f32_x(in, svdup_n_f32(0.15748940408229828f), q, t);
    q = svmla_f32_x(in, svdup_n_f32(0.19884918630123138f), q, t);
    q = svmla_f32_x(in, svdup_n_f32(0.19949181377887726f), q, t);
    svfloat32_t tail = svmul_f32_x(in, svmul_f32_x(in, q, t), e);
    *density = svmul_n_f32_x(in, e, 0.39894228040143267794f);
    return svsel_f32(svcmplt_n_f32(in, x, 0), tail, svsubr_n_f32_x(in, tail, 1));
}

#endif
