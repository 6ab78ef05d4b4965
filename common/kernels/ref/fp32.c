/* The reference kernels in FP32. */
#include "kernels/ref/ref.h"

typedef float act;
typedef float wide;

static inline wide
load(act x)
{
    return x;
}

static inline act
store(wide x)
{
    return x;
}

#define REF_FILL ref_fp32
#include "kernels/ref/ops.inc"
