#include "base/float16.h"

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */

float
fp16_to_float(fp16 h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    uint32_t u;
    float f;

    if (exponent == 0) {
        f = (float)fraction * 0x1p-24f; /* zero and subnormals, exactly */
        memcpy(&u, &f, 4);
    } else {
        exponent = exponent == 31 ? 255 : exponent + 127 - 15;
        u = exponent << 23 | fraction << 13;
        if (exponent == 255 && fraction)
            u |= 0x400000;
    }
    u |= sign;
    memcpy(&f, &u, 4);
    return f;
}

/* Rounds x >> shift to nearest, ties to even; 1 <= shift <= 31. */
static uint32_t
shift_round(uint32_t x, uint32_t shift)
{
    uint32_t half = 1u << (shift - 1), rest = x & ((half << 1) - 1), q = x >> shift;

    return q + (rest > half || (rest == half && (q & 1)));
}

fp16
fp16_from_float(float f)
{
    uint32_t u, sign, magnitude;

    memcpy(&u, &f, 4);
    sign = u >> 16 & 0x8000;
    magnitude = u & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (fp16)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
    if (magnitude >= 0x477ff000) /* 65520: half way to the next above 65504 */
        return (fp16)(sign | 0x7c00);
    if (magnitude >= 0x38800000) /* 2^-14, the smallest normal number */
        return (fp16)(sign | shift_round(magnitude - ((127u - 15u) << 23), 13));
    if (magnitude < 0x33000000) /* below 2^-25: nearer to zero */
        return (fp16)sign;
    /* A fraction with its hidden bit, counted in units of 2^-24. */
    return (fp16)(sign |
                  shift_round((magnitude & 0x7fffff) | 0x800000, 126u - (magnitude >> 23)));
}
