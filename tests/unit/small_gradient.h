#ifndef TESTS_SMALL_GRADIENT_H
#define TESTS_SMALL_GRADIENT_H

#include "tests/unit/small_model.h"

/* Finite differences of a small model's loss, for the tests of its gradients. */

/*
 * The derivative of loss(d, b) along `direction` from tensor p's place, by a fourth-order formula of
 * steps of h.
 */
static inline double
small_difference(struct small_model *m, struct decoder *d, const struct small_batch *b,
                 const struct param *p, const double *direction, double h,
                 double (*loss)(struct decoder *d, const struct small_batch *b))
{
    static const double weight[] = {1.0 / 12, -8.0 / 12, 8.0 / 12, -1.0 / 12};
    static const int step[] = {-2, -1, 1, 2};
    double *w = m->weights + p->offset, sum = 0;
    double *saved = mem_dup(w, (size_t)p->size * sizeof *w);

    for (int k = 0; k < 4; k++) {
        for (int64_t i = 0; i < p->size; i++)
            w[i] = saved[i] + h * step[k] * direction[i];
        decoder_set_weights(d, m->weights, m->weights);
        sum += weight[k] * loss(d, b);
    }
    memcpy(w, saved, (size_t)p->size * sizeof *w);
    free(saved);
    return sum / h;
}

/* Direction k: first random signs (over sqrt(size)), then single elements. */
static inline void
small_direction(double *direction, const struct param *p, int k)
{
    memset(direction, 0, (size_t)p->size * sizeof *direction);
    for (int64_t i = 0; i < p->size && k < 3; i++)
        direction[i] = rng_normal(rng_key((uint64_t)k, p->name), (uint64_t)i) / sqrt((double)p->size);
    if (k >= 3)
        direction[rng_u64(rng_key((uint64_t)k, p->name), 0) % (uint64_t)p->size] = 1;
}

#endif
