/* The AVX-512 kernels in FP32. */
#include "kernels/avx512/avx512.h"

#include <immintrin.h>

#include "kernels/avx512/tile.h"
#include "kernels/avx512/vec.h"

typedef float act;

static inline __m256
load8(const act *p)
{
    return _mm256_loadu_ps(p);
}

static inline void
store8(act *p, __m256 x)
{
    _mm256_storeu_ps(p, x);
}

#define load16 load_float16
#define store16 store_float16
#define ACT_IS_FLOAT 1
#define ACT_VECTORS "kernels/avx512/act_vectors.inc"
#define GEMM_ARRANGE "kernels/avx512/arrange.inc"
#define GEMM_FEW_ROWS "kernels/avx512/few_rows.inc"
#define GEMM_PRODUCT avx512_gemm_fp32
#define ATTENTION "kernels/avx512/attention.inc"
#define QUANTIZE "kernels/avx512/quantize.inc"
#define OPS_FILL avx512_fp32
#include "kernels/avx2/ops.inc"
