#ifndef BASE_FLOAT8_H
#define BASE_FLOAT8_H

#include <stdint.h>

/*
 * The two 8-bit formats of "OCP 8-bit Floating Point Specification (OFP8)", revision 1.0
 * (Open Compute Project, 2023), and Micikevicius et al., "FP8 Formats for Deep Learning", 2022:
 *
 *            sign exponent fraction bias   largest   smallest   infinity   NaN
 *   E4M3        1        4        3    7       448       2^-9   none       S.1111.111
 *   E5M2        1        5        2   15     57344      2^-16   S.11111.00 S.11111.01 to .11
 *
 * Every value of both is a BF16 value.
 */
enum fp8_format { FP8_E4M3, FP8_E5M2 };

/* The largest finite value. */
static inline float
fp8_max(enum fp8_format f)
{
    return f == FP8_E4M3 ? 448.0f : 57344.0f;
}

float fp8_to_float(uint8_t x, enum fp8_format f);

/*
 * Round to nearest, ties to even. Saturating: what is larger than the largest finite value,
 * infinities too, becomes that value (as Transformer Engine's quantizer converts). A NaN stays
 * one, with its sign: S.1111.111 or S.11111.10.
 */
uint8_t fp8_from_float(float x, enum fp8_format f);

#endif
