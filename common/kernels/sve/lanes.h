#ifndef KERNELS_SVE_LANES_H
#define KERNELS_SVE_LANES_H

#include <arm_sve.h>

#include "base/float16.h"

/* Numbers to and from FP32, in the lanes `in`; the others are 0 and are not touched. */

static inline svfloat32_t
load_float(svbool_t in, const float *p)
{
    return svld1_f32(in, p);
}

static inline void
store_float(svbool_t in, float *p, svfloat32_t x)
{
    svst1_f32(in, p, x);
}

static inline svfloat32_t
load_bf16(svbool_t in, const bf16 *p)
{
    return svreinterpret_f32_u32(svlsl_n_u32_x(svptrue_b32(), svld1uh_u32(in, p), 16));
}

/* Round to nearest, ties to even; a NaN becomes the one with all bits set. */
static inline void
store_bf16(svbool_t in, bf16 *p, svfloat32_t x)
{
    svuint32_t u = svreinterpret_u32_f32(x);
    svuint32_t odd = svand_n_u32_x(in, svlsr_n_u32_x(in, u, 16), 1);
    svuint32_t sum = svadd_u32_x(in, svadd_n_u32_x(in, u, 0x7fff), odd);
    sum = svsel_u32(svcmpuo_f32(in, x, x), svdup_n_u32(0xffffffff), sum);
    svst1h_u32(in, p, svlsr_n_u32_x(in, sum, 16));
}

#endif
