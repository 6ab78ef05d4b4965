#ifndef PARALLEL_SLICES_H
#define PARALLEL_SLICES_H

#include <stdint.h>

#include "model/params.h"

/*
 * Who owns which part of the flat parameter array: contiguous runs of whole norm
 * blocks (NORM_BLOCK elements within a tensor), so that any number of ranks divides
 * it. The input-side gradient of a tied embedding (params.h, tied_offset) has the owner
 * of the same element of the embedding.
 */
struct slice {
    int64_t block, block_end; /* numbers as optimizer_block counts them */
    int64_t begin, end;       /* elements, gaps included */
};

/*
 * The slices of `owners` ranks, cut where the elements come nearest to equal parts; some may
 * be empty.
 */
void slices_cut(const struct params *p, int owners, struct slice *out);

/* The owner of element e of a gradient array (e < grad_elements). */
int slices_owner(const struct params *p, const struct slice *slices, int owners, int64_t e);

#endif
