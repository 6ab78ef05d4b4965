#ifndef KERNELS_SVE_SVE_H
#define KERNELS_SVE_SVE_H

#include "base/float16.h"
#include "kernels/kernels.h"
#include "kernels/scratch.h"

/*
 * Kernels for Arm's Scalable Vector Extension, made for Fujitsu's A64FX (Armv8.2, SVE of 512
 * bits, no instructions for BF16). The operations are .inc files over act with the names of
 * those of ref/; fp32.c and bf16.c compile them. BF16 is storage: numbers are widened and
 * rounded by shifts, and computed with in FP32. FP16 is no precision of the table
 * (kernels.h), though A64FX computes in it: its range needs loss scaling, its products are
 * summed in FP16, and as storage it has the size of BF16.
 *
 * Vectors of 128, 256 and 512 bits run the same code with the same results, bit for bit: a
 * sum's order never follows the vector's length. An element of a product is one FMA chain
 * over k in blocks of PRODUCT_DEPTH; a sum along a row has SUM_LANES lanes, folded by
 * one tree; all else goes element by element.
 *
 * What A64FX asks for (Fujitsu, "A64FX Microarchitecture Manual"): two FMA units of 9 cycles,
 * so at least 18 independent sums; FMA by a register, as the indexed form takes two
 * slots; no division or square root in loops, which block a unit (math.h has Newton's
 * iterations instead); sums across a vector are slow, so attention puts queries into lanes;
 * lines of 256 bytes.
 */

/* Override entries of *o, which ref/ has filled. */
void sve_fp32(struct ops *o);
void sve_bf16(struct ops *o);

double sve_peak(enum precision p, double seconds);

enum {
    VECTOR_MOST = 16, /* floats: 512 bits */
    SUM_LANES = 64,
    TILE_ROWS = 10,
    TILE_COLUMNS_MOST = 2 * VECTOR_MOST,
    PRODUCT_DEPTH = 256,
    PRODUCT_ROWS = 16 * TILE_ROWS,
    PRODUCT_COLUMNS = 384,
    SUM_ROWS = 480, /* a product whose C is not FP32 is summed in blocks of so many */
    SUM_COLUMNS = PRODUCT_COLUMNS
};

/*
 * c[rows][columns] = a b (+ c), over `depth`: a is a panel [depth][TILE_ROWS], b one
 * [depth][two vectors]; rows and columns may be fewer than the panels have, c has row length
 * ldc. An element is one FMA chain.
 */
void sve_tile(int64_t depth, const float *a, const float *b, bool add, float *c, int64_t ldc,
              int64_t rows, int64_t columns);

/*
 * Panels of `width` lines (at most TILE_COLUMNS_MOST) as FP32: panel i at out + i stride is
 * [depth][width], zero where lines end. A line is a row of op(A) or a column of op(B): element p
 * of line i is x[i across + p along], and one of the two steps is 1.
 */
void sve_pack_float(float *out, int64_t stride, const float *x, int64_t across, int64_t along,
                    int64_t lines, int64_t depth, int64_t width);
void sve_pack_bf16(float *out, int64_t stride, const bf16 *x, int64_t across, int64_t along,
                   int64_t lines, int64_t depth, int64_t width);

/* What a thread needs for products; taken at its first one, released at its end. */
struct sve_scratch {
    float a[PRODUCT_ROWS * PRODUCT_DEPTH];
    float b[PRODUCT_DEPTH * PRODUCT_COLUMNS];
    float c[SUM_ROWS * SUM_COLUMNS];
};
static inline struct sve_scratch *
sve_scratch(void)
{
    return kernel_scratch(sizeof(struct sve_scratch));
}

#endif
