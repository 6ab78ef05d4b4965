#ifndef KERNELS_MERGE_H
#define KERNELS_MERGE_H

#include "kernels/kernels.h"

/*
 * Joins what attention_forward of one part of the keys (a->part) has left with what earlier parts
 * gave, both wide: z = log(e^lse + e^part), out = e^(lse - z) out + e^(part - z) part's out, and
 * lse = z (Liu et al., "Ring Attention with Blockwise Transformers", 2023). out is laid out as
 * a->out (head h of row i at out + (i*out_stride + h*head_dim)), lse as a->lse; other strides.
 * Rows that see no key of the part stay as they are; those that had seen none take it over.
 */
void attention_merge(const struct ops *ops, const struct attention *a, void *out,
                     int64_t out_stride, void *lse, int64_t lse_stride);

#endif
