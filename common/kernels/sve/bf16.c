/* The SVE kernels in BF16: activations in BF16, everything computed in FP32. */
#include "kernels/sve/sve.h"

typedef bf16 act;

#define ACT_IS_FLOAT 0
#define load_at load_bf16
#define store_at store_bf16
#define PACK sve_pack_bf16
#define OPS_FILL sve_bf16
#include "kernels/sve/ops.inc"
