/* The AVX2 kernels in FP32. */
#include "kernels/avx2/avx2.h"

#include "kernels/avx2/vec.h"

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

#define ACT_IS_FLOAT 1
#define ACT_VECTORS "kernels/avx2/act_vectors.inc"
#define GEMM_FEW_ROWS "kernels/avx2/few_rows.inc"
#define GEMM_PRODUCT avx2_gemm_fp32
#define ATTENTION "kernels/avx2/attention.inc"
#define MULTIPLY avx2_sgemm
#define QUANTIZE "kernels/avx2/quantize.inc"
#define OPS_FILL avx2_fp32
#include "kernels/avx2/ops.inc"
