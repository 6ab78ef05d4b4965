/* The reference kernels in BF16: activations in BF16, everything computed in FP32. */
#include "kernels/ref/ref.h"

#include "base/float16.h"

typedef bf16 act;
typedef float wide;

static inline wide
load(act x)
{
    return bf16_to_float(x);
}

static inline act
store(wide x)
{
    return bf16_from_float(x);
}

#define REF_FILL ref_bf16
#include "kernels/ref/ops.inc"
