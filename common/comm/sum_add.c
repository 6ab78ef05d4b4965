/*
 * Additions in rank order, several vectors at a time: every element is read once from each rank
 * and stored once. BF16 is added in FP32 and rounded at the end, exactly as base/float16.h does.
 */
#include <string.h>

#include "base/float16.h"
#include "comm/sum_private.h"

/* Of any alignment. */
typedef float f32x4 __attribute__((vector_size(16), aligned(1), may_alias));
typedef double f64x2 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint32_t words __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));

static void
add_f32(char *to, const char *const *from, int count, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        f32x4 a = *(const f32x4 *)(const void *)(from[0] + i * 4);
        f32x4 b = *(const f32x4 *)(const void *)(from[0] + i * 4 + 16);
        for (int r = 1; r < count; r++) {
            a += *(const f32x4 *)(const void *)(from[r] + i * 4);
            b += *(const f32x4 *)(const void *)(from[r] + i * 4 + 16);
        }
        *(f32x4 *)(void *)(to + i * 4) = a;
        *(f32x4 *)(void *)(to + i * 4 + 16) = b;
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

    for (; i + 2 <= n; i += 2) {
        f64x2 a = *(const f64x2 *)(const void *)(from[0] + i * 8);
        for (int r = 1; r < count; r++)
            a += *(const f64x2 *)(const void *)(from[r] + i * 8);
        *(f64x2 *)(void *)(to + i * 8) = a;
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

/* bf16_from_float of 4, into the upper halves; what the lower halves hold is left over. */
static inline void
round_upper(u32x4 *u)
{
    u32x4 nan = (u32x4)((i32x4)(*u & 0x7fffffffu) > 0x7f800000);

    *u = (nan & (*u | 0x400000u)) | (~nan & (*u + 0x7fffu + (*u >> 16 & 1u)));
}

/*
 * Eight at a time as four words: the upper half of a word is a float when the lower one is
 * cleared, the lower half when it is shifted up.
 */
static size_t
add_bf16_pairs(char *to, const char *const *from, int count, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        u32x4 x = *(const words *)(const void *)(from[0] + i * 2);
        f32x4 low = (f32x4)(x << 16), high = (f32x4)(x & 0xffff0000u);
        for (int r = 1; r < count; r++) {
            x = *(const words *)(const void *)(from[r] + i * 2);
            low += (f32x4)(x << 16);
            high += (f32x4)(x & 0xffff0000u);
        }
        u32x4 rounded_low = (u32x4)low, rounded_high = (u32x4)high;
        round_upper(&rounded_low);
        round_upper(&rounded_high);
        *(words *)(void *)(to + i * 2) = rounded_low >> 16 | (rounded_high & 0xffff0000u);
    }
    return i;
}

static void
add_bf16(char *to, const char *const *from, int count, size_t n)
{
    for (size_t i = add_bf16_pairs(to, from, count, n); i < n; i++) {
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
