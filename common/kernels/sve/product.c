/*
 * What matrix products are made of: packing, and a tile of C in registers (Goto and van de
 * Geijn, "Anatomy of high-performance matrix multiplication", 2008).
 *
 * The tile has TILE_ROWS x 2 vectors, as BLIS has it for A64FX: 20 of the 32 registers hold
 * sums, 2 a row of B, the others the numbers of A that LD1RW spreads. Of one step in k the
 * two FMA units of a core are busy for 10 cycles. The loop does four steps with 80 FMLA
 * (none indexed), 8 LD1W, 40 LD1RW, a prefetch and 4 scalar instructions:
 *
 *   unit                       instructions   cycles
 *   FMA, two a cycle                     80       40
 *   loads, two a cycle                   48       24
 *   decoding, four a cycle              133       34
 *
 * so FMA is the limit: 128 (2.0 GHz) or 141 (2.2 GHz) GFLOP/s a core, of which packing takes
 * about 5 % in a cell of 512 x 768 and nothing where B comes packed. Counted, not measured.
 * A panel of B (32 KiB at 512 bits) stays in L1, A's panels stream from L2.
 */
#include "kernels/sve/sve.h"

#include <arm_sve.h>

#include "kernels/sve/lanes.h"
#include "kernels/sve/math.h"

#define ELEM float
#define LOAD load_float
#define PACK_NAME(name) name##_float
#include "kernels/sve/pack.inc"
#undef ELEM
#undef LOAD
#undef PACK_NAME

#define ELEM bf16
#define LOAD load_bf16
#define PACK_NAME(name) name##_bf16
#include "kernels/sve/pack.inc"

/* Vectors have no size, so sums cannot be an array: each row of the tile is written out. */
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9)

#define CLEAR(i) svfloat32_t left##i = svdup_n_f32(0), right##i = left##i;

/*
 * sum += x b, the sum staying in its register: from svmla compilers make FMAD as well, which
 * overwrites x, with moves and spills.
 */
#define FMLA(sum, x, b) \
    __asm__("fmla %0.s, %1/m, %2.s, %3.s" : "+w"(sum) : "Upl"(all), "w"(x), "w"(b))

#define MULTIPLY_ROW(i)                     \
    {                                       \
        svfloat32_t x = svdup_n_f32(at[i]); \
        FMLA(left##i, x, b0);               \
        FMLA(right##i, x, b1);              \
    }

/* Step s of several in k. */
#define STEP(s)                                              \
    {                                                        \
        const float *at = a + (s) * TILE_ROWS;               \
        svfloat32_t b0 = svld1_vnum_f32(all, b, 2 * (s));     \
        svfloat32_t b1 = svld1_vnum_f32(all, b, 2 * (s) + 1); \
        EACH_ROW(MULTIPLY_ROW)                               \
    }

#define FINISH_ROW(i)                                                              \
    if ((i) < rows) {                                                              \
        float *to = c + (i) * ldc;                                                 \
        if (add) {                                                                 \
            left##i = svadd_f32_x(all, left##i, svld1_f32(in0, to));                \
            right##i = svadd_f32_x(all, right##i, svld1_f32(in1, to + floats));     \
        }                                                                          \
        svst1_f32(in0, to, left##i);                                               \
        svst1_f32(in1, to + floats, right##i);                                     \
    }

enum { STEPS = 4, AHEAD = 16 * TILE_ROWS }; /* A is asked for so many numbers before */

void
sve_tile(int64_t depth, const float *a, const float *b, bool add, float *c, int64_t ldc,
         int64_t rows, int64_t columns)
{
    const svbool_t all = svptrue_b32();
    const int64_t floats = vector_floats();
    EACH_ROW(CLEAR)
    for (int64_t i = 0; i < rows; i++) /* what the end needs comes while the products run */
        __builtin_prefetch(c + i * ldc, 1);
    int64_t p = 0;
    for (; p + STEPS <= depth; p += STEPS, a += STEPS * TILE_ROWS, b += STEPS * 2 * floats) {
        __builtin_prefetch(a + AHEAD);
        STEP(0)
        STEP(1)
        STEP(2)
        STEP(3)
    }
    for (; p < depth; p++, a += TILE_ROWS, b += 2 * floats)
        STEP(0)
    const svbool_t in0 = svwhilelt_b32_s64(0, columns), in1 = svwhilelt_b32_s64(floats, columns);
    EACH_ROW(FINISH_ROW)
}
