/* The AVX2 kernels in BF16: activations in BF16, everything computed in FP32. */
#include "kernels/avx2/avx2.h"

#include "kernels/avx2/bf16_lanes.h"
#include "kernels/avx2/vec.h"

#define ACT_IS_FLOAT 0
#define ACT_VECTORS "kernels/avx2/act_vectors.inc"
#define GEMM_FEW_ROWS "kernels/avx2/few_rows.inc"
#define GEMM_PRODUCT avx2_gemm_bf16
#define ATTENTION "kernels/avx2/attention.inc"
#define MULTIPLY avx2_sgemm
#define QUANTIZE "kernels/avx2/quantize.inc"
#define OPS_FILL avx2_bf16
#include "kernels/avx2/ops.inc"
