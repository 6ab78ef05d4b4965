/* The AVX-512 kernels in BF16: activations in BF16, everything computed in FP32. */
#include "kernels/avx512/avx512.h"

#include "kernels/avx2/bf16_lanes.h"
#include "kernels/avx512/tile.h"
#include "kernels/avx512/vec.h"

#define load16 load_bf16
#define store16 store_bf16
#define ACT_IS_FLOAT 0
#define ACT_VECTORS "kernels/avx512/act_vectors.inc"
#define GEMM_ARRANGE "kernels/avx512/arrange.inc"
#define GEMM_FEW_ROWS "kernels/avx512/few_rows.inc"
#define GEMM_PRODUCT avx512_gemm_bf16
#define ATTENTION "kernels/avx512/attention.inc"
#define QUANTIZE "kernels/avx512/quantize.inc"
#define OPS_FILL avx512_bf16
#include "kernels/avx2/ops.inc"
