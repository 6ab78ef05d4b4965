/* The SVE kernels in FP32. */
#include "kernels/sve/sve.h"

typedef float act;

#define ACT_IS_FLOAT 1
#define load_at load_float
#define store_at store_float
#define PACK sve_pack_float
#define OPS_FILL sve_fp32
#include "kernels/sve/ops.inc"
