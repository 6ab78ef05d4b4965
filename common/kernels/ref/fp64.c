/* The reference kernels in FP64, for finite differences and checks. */
#include "kernels/ref/ref.h"

typedef double act;
typedef double wide;

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

#define REF_FILL ref_fp64
#include "kernels/ref/ops.inc"
