#ifndef LLM_TRAIN_AXES_H
#define LLM_TRAIN_AXES_H

#include <stdint.h>

struct trainer;

/*
 * What the axes of the grid cost, as rank 0 sees it, over all steps but the first: bytes sent, and
 * seconds waited for; of the gradients, the share that was reduced while the backward pass went on.
 */
struct axes {
    uint64_t steps;
    double overlap; /* summed over the steps */
};

/* Behind a step: counts it. */
void axes_step(struct trainer *t);

/* Says and logs ("axes") the sums; nothing on one rank. Rank 0 alone. 0 or -1. */
int axes_end(const struct trainer *t);

#endif
