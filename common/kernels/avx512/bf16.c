/* The AVX-512 kernels in BF16: activations in BF16, everything computed in FP32. */
#include "kernels/avx512/avx512.h"

#include "kernels/avx2/bf16_lanes.h"

#define ACT_IS_FLOAT 0
#define GEMM_BLOCKS "kernels/avx512/gemm_blocks.inc"
#define MULTIPLY avx512_sgemm
#define OPS_FILL avx512_bf16
#include "kernels/avx2/ops.inc"
