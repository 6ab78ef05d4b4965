#include "checkpoint/gguf_quant.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/float16.h"

/*
 * Each function reads blocks of one type. Products and sums are rounded one by one, in the
 * order of ggml's reference (ggml-quants.c), so that values are equal to the bit.
 */

static float
half_at(const uint8_t *p)
{
    return fp16_to_float(load_u16(p));
}

static void
read_f32(const uint8_t *b, size_t blocks, float *out)
{
    for (size_t i = 0; i < blocks; i++) {
        uint32_t u = load_u32(b + 4 * i);
        memcpy(&out[i], &u, 4);
    }
}

static void
read_f64(const uint8_t *b, size_t blocks, float *out)
{
    for (size_t i = 0; i < blocks; i++) {
        uint64_t u = load_u64(b + 8 * i);
        double d;
        memcpy(&d, &u, 8);
        out[i] = (float)d;
    }
}

static void
read_f16(const uint8_t *b, size_t blocks, float *out)
{
    for (size_t i = 0; i < blocks; i++)
        out[i] = half_at(b + 2 * i);
}

static void
read_bf16(const uint8_t *b, size_t blocks, float *out)
{
    for (size_t i = 0; i < blocks; i++)
        out[i] = bf16_to_float(load_u16(b + 2 * i));
}

/* ---- blocks of 32 ---- */

static void
read_q8_0(const uint8_t *b, size_t blocks, float *out)
{
    for (; blocks > 0; blocks--, b += 34, out += 32) {
        float d = half_at(b);
        for (int i = 0; i < 32; i++)
            out[i] = (float)(int8_t)b[2 + i] * d;
    }
}

/* The first half of a block lies in the low nibbles, the second in the high ones. */
static void
read_q4_0(const uint8_t *b, size_t blocks, float *out)
{
    for (; blocks > 0; blocks--, b += 18, out += 32) {
        float d = half_at(b);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)((b[2 + i] & 15) - 8);
            out[i + 16] = d * (float)((b[2 + i] >> 4) - 8);
        }
    }
}

static void
read_q4_1(const uint8_t *b, size_t blocks, float *out)
{
    for (; blocks > 0; blocks--, b += 20, out += 32) {
        float d = half_at(b), m = half_at(b + 2);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)(b[4 + i] & 15) + m;
            out[i + 16] = d * (float)(b[4 + i] >> 4) + m;
        }
    }
}

/* Five bits: the highest ones of all 32 stand together in a word. */
static int
five_bits(const uint8_t *nibbles, uint32_t high, int i)
{
    int low = i < 16 ? nibbles[i] & 15 : nibbles[i - 16] >> 4;
    return low | (int)(high >> i & 1) << 4;
}

static void
read_q5_0(const uint8_t *b, size_t blocks, float *out)
{
    for (; blocks > 0; blocks--, b += 22, out += 32) {
        float d = half_at(b);
        uint32_t high = load_u32(b + 2);
        for (int i = 0; i < 32; i++)
            out[i] = d * (float)(five_bits(b + 6, high, i) - 16);
    }
}

static void
read_q5_1(const uint8_t *b, size_t blocks, float *out)
{
    for (; blocks > 0; blocks--, b += 24, out += 32) {
        float d = half_at(b), m = half_at(b + 2);
        uint32_t high = load_u32(b + 4);
        for (int i = 0; i < 32; i++)
            out[i] = d * (float)five_bits(b + 8, high, i) + m;
    }
}

/* ---- blocks of 256 ---- */

/*
 * Twelve bytes hold eight scales and eight minima of six bits: the first four of each in bytes 0 to 7,
 * whose two highest bits belong to the others; these have their low four bits in bytes 8 to 11.
 */
static void
scale_and_minimum(const uint8_t *s, int i, int *scale, int *minimum)
{
    if (i < 4) {
        *scale = s[i] & 63;
        *minimum = s[i + 4] & 63;
    } else {
        *scale = (s[i + 4] & 15) | (s[i - 4] >> 2 & 48);
        *minimum = s[i + 4] >> 4 | (s[i] >> 2 & 48);
    }
}

/* Four bits, in runs of 32 with a scale and a minimum each: low nibbles of 32 bytes, then their high ones. */
static void
read_q4_k(const uint8_t *b, size_t blocks, float *out)
{
    for (; blocks > 0; blocks--, b += 144) {
        float d = half_at(b), dmin = half_at(b + 2);
        const uint8_t *q = b + 16;
        for (int run = 0; run < 8; run++, out += 32) {
            int scale, minimum, shift = 4 * (run & 1);
            scale_and_minimum(b + 4, run, &scale, &minimum);
            float ds = d * (float)scale, m = dmin * (float)minimum;
            for (int i = 0; i < 32; i++)
                out[i] = ds * (float)(q[i] >> shift & 15) - m;
            q += 32 * (run & 1);
        }
    }
}

/* The same with a fifth bit, of run r bit r of 32 bytes. */
static void
read_q5_k(const uint8_t *b, size_t blocks, float *out)
{
    for (; blocks > 0; blocks--, b += 176) {
        float d = half_at(b), dmin = half_at(b + 2);
        const uint8_t *high = b + 16, *q = b + 48;
        for (int run = 0; run < 8; run++, out += 32) {
            int scale, minimum, shift = 4 * (run & 1);
            scale_and_minimum(b + 4, run, &scale, &minimum);
            float ds = d * (float)scale, m = dmin * (float)minimum;
            for (int i = 0; i < 32; i++)
                out[i] = ds * (float)((q[i] >> shift & 15) | (high[i] >> run & 1) << 4) - m;
            q += 32 * (run & 1);
        }
    }
}

/*
 * Six bits in two halves of 128: four runs of 32 take their low bits from the low nibbles of 64 bytes and
 * then the high ones, their two high bits from two bits each of 32 bytes; 16 elements share a scale.
 */
static void
read_q6_k(const uint8_t *b, size_t blocks, float *out)
{
    for (; blocks > 0; blocks--, b += 210) {
        float d = half_at(b + 208);
        for (int half = 0; half < 2; half++) {
            const uint8_t *low = b + 64 * half, *high = b + 128 + 32 * half;
            const uint8_t *scales = b + 192 + 8 * half;
            for (int i = 0; i < 128; i++) {
                int run = i / 32, at = i % 32;
                int q = (low[at + 32 * (run & 1)] >> 4 * (run >> 1) & 15) |
                        (high[at] >> 2 * run & 3) << 4;
                *out++ = d * (float)(int8_t)scales[i / 16] * (float)(q - 32);
            }
        }
    }
}

/* Two bits: four runs of 32 from the bits of 32 bytes, twice; 16 elements share a scale and a minimum. */
static void
read_q2_k(const uint8_t *b, size_t blocks, float *out)
{
    for (; blocks > 0; blocks--, b += 84) {
        float d = half_at(b + 80), dmin = half_at(b + 82);
        for (int i = 0; i < 256; i++) {
            const uint8_t *q = b + 16 + 32 * (i / 128);
            uint8_t s = b[i / 16];
            float scale = d * (float)(s & 15), m = dmin * (float)(s >> 4);
            *out++ = scale * (float)(q[i % 32] >> 2 * (i / 32 % 4) & 3) - m;
        }
    }
}

/* Sixteen scales of six bits: low four bits in nibbles of eight bytes, high two in four more. */
static int
q3_scale(const uint8_t *s, int i)
{
    int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4;
    return (low | (s[8 + i % 4] >> 2 * (i / 4) & 3) << 4) - 32;
}

/* Two bits as above and, where bit r of 32 bytes is not set, four less in run r. */
static void
read_q3_k(const uint8_t *b, size_t blocks, float *out)
{
    for (; blocks > 0; blocks--, b += 110) {
        float d = half_at(b + 108);
        for (int i = 0; i < 256; i++) {
            const uint8_t *q = b + 32 + 32 * (i / 128);
            int two = q[i % 32] >> 2 * (i / 32 % 4) & 3, set = b[i % 32] >> (i / 32) & 1;
            *out++ = d * (float)q3_scale(b + 96, i / 16) * (float)(two - (set ? 0 : 4));
        }
    }
}

/* ---- the table ---- */

static const struct gguf_block types[] = {
    [GGUF_TYPE_F32] = {"F32", 1, 4, read_f32},
    [GGUF_TYPE_F16] = {"F16", 1, 2, read_f16},
    [GGUF_TYPE_Q4_0] = {"Q4_0", 32, 18, read_q4_0},
    [GGUF_TYPE_Q4_1] = {"Q4_1", 32, 20, read_q4_1},
    [GGUF_TYPE_Q5_0] = {"Q5_0", 32, 22, read_q5_0},
    [GGUF_TYPE_Q5_1] = {"Q5_1", 32, 24, read_q5_1},
    [GGUF_TYPE_Q8_0] = {"Q8_0", 32, 34, read_q8_0},
    [9] = {"Q8_1", 32, 40, NULL},
    [GGUF_TYPE_Q2_K] = {"Q2_K", 256, 84, read_q2_k},
    [GGUF_TYPE_Q3_K] = {"Q3_K", 256, 110, read_q3_k},
    [GGUF_TYPE_Q4_K] = {"Q4_K", 256, 144, read_q4_k},
    [GGUF_TYPE_Q5_K] = {"Q5_K", 256, 176, read_q5_k},
    [GGUF_TYPE_Q6_K] = {"Q6_K", 256, 210, read_q6_k},
    [15] = {"Q8_K", 256, 292, NULL},
    [16] = {"IQ2_XXS", 256, 66, NULL},
    [17] = {"IQ2_XS", 256, 74, NULL},
    [18] = {"IQ3_XXS", 256, 98, NULL},
    [19] = {"IQ1_S", 256, 50, NULL},
    [20] = {"IQ4_NL", 32, 18, NULL},
    [21] = {"IQ3_S", 256, 110, NULL},
    [22] = {"IQ2_S", 256, 82, NULL},
    [23] = {"IQ4_XS", 256, 136, NULL},
    [24] = {"I8", 1, 1, NULL},
    [25] = {"I16", 1, 2, NULL},
    [26] = {"I32", 1, 4, NULL},
    [27] = {"I64", 1, 8, NULL},
    [GGUF_TYPE_F64] = {"F64", 1, 8, read_f64},
    [29] = {"IQ1_M", 256, 56, NULL},
    [GGUF_TYPE_BF16] = {"BF16", 1, 2, read_bf16},
    [34] = {"TQ1_0", 256, 54, NULL},
    [35] = {"TQ2_0", 256, 66, NULL},
    [39] = {"MXFP4", 32, 17, NULL},
    [40] = {"NVFP4", 64, 36, NULL},
    [41] = {"Q1_0", 128, 18, NULL},
};

const struct gguf_block *
gguf_block_of(uint32_t type)
{
    if (type >= sizeof types / sizeof *types || !types[type].name)
        return NULL;
    return &types[type];
}

void
gguf_to_q8_0(const float *in, size_t n, uint8_t *out)
{
    for (; n >= 32; n -= 32, in += 32, out += 34) {
        float most = 0;
        for (int i = 0; i < 32; i++) {
            float a = fabsf(in[i]);
            most = a > most || isnan(a) ? a : most;
        }
        float d = most / 127, inverse = d == 0 ? 0 : 1 / d;
        store_u16(out, fp16_from_float(d));
        for (int i = 0; i < 32; i++) {
            float q = roundf(in[i] * inverse);
            out[2 + i] = q >= -128 && q <= 127 ? (uint8_t)(int8_t)q : 0; /* a NaN is in d */
        }
    }
}
