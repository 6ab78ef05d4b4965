/*
 * Additions in rank order, several vectors at a time: every element is read once from each rank
 * and stored once. BF16 is added in FP32 and rounded at the end, exactly as base/float16.h does.
 */
#include <string.h>

#include "base/float16.h"
#include "comm/sum_private.h"

/* Of any alignment. */
typedef float f32x8 __attribute__((vector_size(32), aligned(1), may_alias));
typedef double f64x4 __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint16_t u16x8 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));

static void
add_f32(char *to, const char *const *from, int count, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        f32x8 a = *(const f32x8 *)(const void *)(from[0] + i * 4);
        f32x8 b = *(const f32x8 *)(const void *)(from[0] + i * 4 + 32);
        for (int r = 1; r < count; r++) {
            a += *(const f32x8 *)(const void *)(from[r] + i * 4);
            b += *(const f32x8 *)(const void *)(from[r] + i * 4 + 32);
        }
        *(f32x8 *)(void *)(to + i * 4) = a;
        *(f32x8 *)(void *)(to + i * 4 + 32) = b;
    }
    for (; i < n; i++) {
        float sum, one;
        memcpy(&sum, from[0] + i * 4, 4);
        for (int r = 1; r < count; r++) {
            memcpy(&one, from[r] + i * 4, 4);
            sum += one;
        }
        memcpy(to + i * 4, &sum, 4);
    }
}

static void
add_f64(char *to, const char *const *from, int count, size_t n)
{
    size_t i = 0;

    for (; i + 4 <= n; i += 4) {
        f64x4 a = *(const f64x4 *)(const void *)(from[0] + i * 8);
        for (int r = 1; r < count; r++)
            a += *(const f64x4 *)(const void *)(from[r] + i * 8);
        *(f64x4 *)(void *)(to + i * 8) = a;
    }
    for (; i < n; i++) {
        double sum, one;
        memcpy(&sum, from[0] + i * 8, 8);
        for (int r = 1; r < count; r++) {
            memcpy(&one, from[r] + i * 8, 8);
            sum += one;
        }
        memcpy(to + i * 8, &sum, 8);
    }
}

static inline void
widen(const char *from, u32x8 *bits)
{
    *bits = __builtin_convertvector(*(const u16x8 *)(const void *)from, u32x8) << 16;
}

/* bf16_from_float of 8. */
static inline void
round_to(char *to, u32x8 u)
{
    u32x8 nan = (u32x8)((i32x8)(u & 0x7fffffffu) > 0x7f800000);
    u32x8 rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;

    u = (nan & (u >> 16 | 0x40u)) | (~nan & rounded);
    *(u16x8 *)(void *)to = __builtin_convertvector(u, u16x8);
}

static void
add_bf16(char *to, const char *const *from, int count, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        u32x8 bits;
        widen(from[0] + i * 2, &bits);
        f32x8 sum = (f32x8)bits;
        for (int r = 1; r < count; r++) {
            widen(from[r] + i * 2, &bits);
            sum += (f32x8)bits;
        }
        round_to(to + i * 2, (u32x8)sum);
    }
    for (; i < n; i++) {
        bf16 one;
        memcpy(&one, from[0] + i * 2, 2);
        float sum = bf16_to_float(one);
        for (int r = 1; r < count; r++) {
            memcpy(&one, from[r] + i * 2, 2);
            sum += bf16_to_float(one);
        }
        one = bf16_from_float(sum);
        memcpy(to + i * 2, &one, 2);
    }
}

void
sum_add(enum comm_type t, char *to, const char *const *from, int count, size_t n)
{
    if (t == COMM_F32)
        add_f32(to, from, count, n);
    else if (t == COMM_F64)
        add_f64(to, from, count, n);
    else
        add_bf16(to, from, count, n);
}
