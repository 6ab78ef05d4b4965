#include "checkpoint/safetensors.h"

#include <string.h>

#include "base/bytes.h"
#include "base/float16.h"

/* Element types by their names in a header, and their sizes. */
static const struct {
    const char *name;
    int bits;
} types[DTYPES] = {
    [DTYPE_F32] = {"F32", 32},        [DTYPE_BF16] = {"BF16", 16},
    [DTYPE_F16] = {"F16", 16},        [DTYPE_F64] = {"F64", 64},
    [DTYPE_BOOL] = {"BOOL", 8},       [DTYPE_U8] = {"U8", 8},
    [DTYPE_I8] = {"I8", 8},           [DTYPE_F8_E4M3] = {"F8_E4M3", 8},
    [DTYPE_F8_E5M2] = {"F8_E5M2", 8}, [DTYPE_F8_E8M0] = {"F8_E8M0", 8},
    [DTYPE_F4] = {"F4", 4},           [DTYPE_F6_E2M3] = {"F6_E2M3", 6},
    [DTYPE_F6_E3M2] = {"F6_E3M2", 6}, [DTYPE_I16] = {"I16", 16},
    [DTYPE_U16] = {"U16", 16},        [DTYPE_I32] = {"I32", 32},
    [DTYPE_U32] = {"U32", 32},        [DTYPE_I64] = {"I64", 64},
    [DTYPE_U64] = {"U64", 64},        [DTYPE_C64] = {"C64", 64},
};

const char *
dtype_name(enum dtype t)
{
    return types[t].name;
}

int
dtype_bits(enum dtype t)
{
    return types[t].bits;
}

bool
dtype_from_name(const char *name, enum dtype *t)
{
    for (int i = 0; i < DTYPES; i++)
        if (strcmp(types[i].name, name) == 0) {
            *t = (enum dtype)i;
            return true;
        }
    return false;
}

bool
dtype_is_real(enum dtype t)
{
    return t == DTYPE_F32 || t == DTYPE_BF16 || t == DTYPE_F16 || t == DTYPE_F64;
}

/* ---- 16 elements at a time, where that is simple; the rest and other types one by one ---- */

enum { LANES = 16 };
typedef uint16_t u16s __attribute__((vector_size(LANES * 2)));
typedef uint32_t u32s __attribute__((vector_size(LANES * 4)));
typedef int32_t i32s __attribute__((vector_size(LANES * 4)));
typedef float floats __attribute__((vector_size(LANES * 4)));

static void
bf16_lanes_to_float(const uint8_t *p, float *out)
{
    u16s h;
    memcpy(&h, p, sizeof h);
    u32s u = __builtin_convertvector(h, u32s) << 16;
    memcpy(out, &u, sizeof u);
}

/* As bf16_from_float: to nearest even, NaN stays one. */
static void
bf16_lanes_from_float(const float *in, uint8_t *p)
{
    u32s u;
    memcpy(&u, in, sizeof u);
    u32s nan = (u32s)((u & 0x7fffffffu) > 0x7f800000u);
    u32s rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16, quiet = u >> 16 | 0x40u;
    u16s h = __builtin_convertvector((nan & quiet) | (~nan & rounded), u16s);
    memcpy(p, &h, sizeof h);
}

/* As fp16_to_float: subnormal ones by way of their fraction as a number, which is exact. */
static void
fp16_lanes_to_float(const uint8_t *p, float *out)
{
    u16s h;
    memcpy(&h, p, sizeof h);
    u32s w = __builtin_convertvector(h, u32s), magnitude = w & 0x7fffu;
    floats small = __builtin_convertvector((i32s)magnitude, floats) * 0x1p-24f;
    u32s tiny, is_tiny = (u32s)(magnitude < 0x400u), is_special = (u32s)(magnitude >= 0x7c00u);
    u32s is_nan = (u32s)(magnitude > 0x7c00u);
    memcpy(&tiny, &small, sizeof tiny);
    u32s normal = (magnitude << 13) + (112u << 23) + (is_special & (112u << 23));
    u32s u = (is_tiny & tiny) | (~is_tiny & normal) | (is_nan & 0x400000u) | (w & 0x8000u) << 16;
    memcpy(out, &u, sizeof u);
}

/* ---- any number of elements ---- */

static float
float_at(enum dtype t, const uint8_t *p)
{
    union {
        uint64_t u;
        double d;
    } wide;
    switch (t) {
    case DTYPE_BF16: return bf16_to_float(load_u16(p));
    case DTYPE_F16: return fp16_to_float(load_u16(p));
    default: wide.u = load_u64(p); return (float)wide.d;
    }
}

/* The files are little endian, as every machine this is built for. */
void
dtype_to_float(enum dtype t, const void *bytes, size_t n, float *out)
{
    const uint8_t *p = bytes;
    size_t size = (size_t)types[t].bits / 8, i = 0;
    if (t == DTYPE_F32) {
        memmove(out, bytes, n * sizeof *out);
        return;
    }
    for (; t == DTYPE_BF16 && i + LANES <= n; i += LANES)
        bf16_lanes_to_float(p + i * size, out + i);
    for (; t == DTYPE_F16 && i + LANES <= n; i += LANES)
        fp16_lanes_to_float(p + i * size, out + i);
    for (; i < n; i++)
        out[i] = float_at(t, p + i * size);
}

static void
store_float(enum dtype t, float f, uint8_t *p)
{
    union {
        double d;
        uint64_t u;
    } wide = {.d = (double)f};
    switch (t) {
    case DTYPE_BF16: store_u16(p, bf16_from_float(f)); break;
    case DTYPE_F16: store_u16(p, fp16_from_float(f)); break;
    default: store_u64(p, wide.u); break;
    }
}

void
dtype_from_float(enum dtype t, const float *in, size_t n, void *bytes)
{
    uint8_t *p = bytes;
    size_t size = (size_t)types[t].bits / 8, i = 0;
    if (t == DTYPE_F32) {
        memmove(bytes, in, n * sizeof *in);
        return;
    }
    for (; t == DTYPE_BF16 && i + LANES <= n; i += LANES)
        bf16_lanes_from_float(in + i, p + i * size);
    for (; i < n; i++)
        store_float(t, in[i], p + i * size);
}
