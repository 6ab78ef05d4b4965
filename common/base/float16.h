#ifndef BASE_FLOAT16_H
#define BASE_FLOAT16_H

#include <stdint.h>
#include <string.h>

/* BF16 and IEEE half precision, round to nearest even; NaN stays a (quiet) NaN. */
typedef uint16_t bf16;
typedef uint16_t fp16;

static inline float
bf16_to_float(bf16 h)
{
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static inline bf16
bf16_from_float(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (bf16)(u >> 16 | 0x40u);
    return (bf16)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

float fp16_to_float(fp16 h);
fp16 fp16_from_float(float f);

#endif
