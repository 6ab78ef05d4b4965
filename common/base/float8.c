#include "base/float8.h"

#include <math.h>
#include <string.h>

/* What tells the formats apart: bits of the fraction, the exponents' bias. */
static const struct shape {
    int fraction, bias;
    uint8_t largest, nan; /* codes */
} shapes[] = {
    [FP8_E4M3] = {3, 7, 0x7e, 0x7f},
    [FP8_E5M2] = {2, 15, 0x7b, 0x7e},
};

float
fp8_to_float(uint8_t x, enum fp8_format f)
{
    const struct shape *s = &shapes[f];
    int magnitude = x & 0x7f, exponent = magnitude >> s->fraction;
    int fraction = magnitude & ((1 << s->fraction) - 1), hidden = 1 << s->fraction;
    float value;

    if (magnitude > s->largest)
        value = f == FP8_E5M2 && fraction == 0 ? INFINITY : NAN;
    else if (exponent == 0)
        value = ldexpf((float)fraction, 1 - s->bias - s->fraction);
    else
        value = ldexpf((float)(hidden | fraction), exponent - s->bias - s->fraction);
    return copysignf(value, x & 0x80 ? -1.0f : 1.0f);
}

/*
 * The code of a magnitude is its exponent and fraction as one number, so a fraction that
 * rounds up to the next power of two, or a subnormal that becomes a normal number, carries
 * into the exponent by itself.
 */
uint8_t
fp8_from_float(float x, enum fp8_format f)
{
    const struct shape *s = &shapes[f];
    uint32_t u;
    int exponent, code;

    memcpy(&u, &x, 4);
    uint8_t sign = (uint8_t)(u >> 24 & 0x80);
    u &= 0x7fffffff;
    if (u > 0x7f800000)
        return (uint8_t)(sign | s->nan);
    exponent = (int)(u >> 23) - 127 + s->bias; /* as it would be stored */
    if (exponent > 31)
        return (uint8_t)(sign | s->largest);

    /* The significand with its hidden bit loses what the fraction has less, more if subnormal. */
    int shift = 23 - s->fraction + (exponent < 1 ? 1 - exponent : 0);
    if (shift > 25)
        return sign;
    uint32_t significand = (u & 0x7fffff) | 0x800000, half = 1u << (shift - 1);
    uint32_t rest = significand & (2 * half - 1);
    code = (int)(significand >> shift);
    code += rest > half || (rest == half && (code & 1));
    if (exponent >= 1)
        code += (exponent - 1) << s->fraction;
    return (uint8_t)(sign | (code > s->largest ? s->largest : code));
}
