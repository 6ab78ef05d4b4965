#include "kernels/merge.h"

#include <math.h>

/* Weights of what there is and of the part, and the log-sum-exp of both: of float's width. */
struct weights {
    double before, part, lse;
};

/* The two weights come of one exponential, so that they add to 1 whatever its error. */
static struct weights
weigh(const struct ops *ops, double before, double part)
{
    double high = before > part ? before : part, low = before > part ? part : before;
    bool narrow = ops->wide_size == sizeof(float);
    double e = narrow ? (double)expf((float)(low - high)) : exp(low - high);
    double rest = narrow ? (double)log1pf((float)e) : log1p(e), least = e / (1 + e);
    struct weights w = {1 / (1 + e), least, high + rest};

    if (part > before) {
        w.before = least;
        w.part = 1 / (1 + e);
    }
    return w;
}

static double
wide_get(const struct ops *ops, const void *x, int64_t i)
{
    return ops->wide_size == sizeof(float) ? (double)((const float *)x)[i]
                                           : ((const double *)x)[i];
}

static void
wide_put(const struct ops *ops, void *x, int64_t i, double value)
{
    if (ops->wide_size == sizeof(float))
        ((float *)x)[i] = (float)value;
    else
        ((double *)x)[i] = value;
}

void
attention_merge(const struct ops *ops, const struct attention *a, void *out, int64_t out_stride,
                void *lse, int64_t lse_stride)
{
    for (int64_t h = 0; h < a->heads; h++)
        for (int64_t i = 0; i < a->queries; i++) {
            int64_t from = i * a->out_stride + h * a->head_dim, at = h * lse_stride + i;
            int64_t to = i * out_stride + h * a->head_dim;
            double part = wide_get(ops, a->lse, h * a->lse_stride + i);

            if (part == -INFINITY)
                continue;
            struct weights w = weigh(ops, wide_get(ops, lse, at), part);
            ops->blend_wide((char *)out + (size_t)to * ops->wide_size, w.before,
                            (const char *)a->out + (size_t)from * ops->wide_size, w.part,
                            a->head_dim);
            wide_put(ops, lse, at, w.lse);
        }
}
