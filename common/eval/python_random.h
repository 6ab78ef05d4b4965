#ifndef EVAL_PYTHON_RANDOM_H
#define EVAL_PYTHON_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/*
 * The generators of CPython's `random` and NumPy's legacy `numpy.random`, which decide few-shot
 * draws and bootstraps of the harnesses: MT19937 (Matsumoto and Nishimura, 1998).
 */
struct python_random {
    uint32_t state[624];
    int at;
};

void python_random_seed(struct python_random *r, uint64_t seed);     /* random.Random(seed) */
void numpy_random_seed(struct python_random *r, uint32_t seed);      /* numpy.random.seed(seed) */
uint32_t python_random_bits(struct python_random *r, int bits);      /* getrandbits, 1..32 */
uint64_t python_random_below(struct python_random *r, uint64_t n);   /* _randbelow; n >= 1 */
double python_random_uniform(struct python_random *r);               /* random() */

/* random.sample(range(n), k), k <= n: indices to out [k]. */
void python_random_sample(struct python_random *r, size_t n, size_t k, size_t *out);
void python_random_shuffle(struct python_random *r, size_t *list, size_t n);
/* random.choices(range(n), k=k), and numpy.random.choice(numpy.arange(n), k) */
void python_random_choices(struct python_random *r, size_t n, size_t k, size_t *out);
void numpy_random_choice(struct python_random *r, size_t n, size_t k, size_t *out);

#endif
