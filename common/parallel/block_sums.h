#ifndef PARALLEL_BLOCK_SUMS_H
#define PARALLEL_BLOCK_SUMS_H

#include <stdint.h>

#include "comm/comm.h"
#include "model/params.h"

/*
 * The gradient norm: the squares of every norm block of the whole model (params_block), each
 * summed by the rank that owns it, are added in the order of the whole table, whatever the layout.
 * Every rank gets the same bits. Blocks of tensor ranks stand at the place of their first element.
 */
struct block_range {
    int64_t first, last; /* blocks of this rank's table */
};
struct block_sums;

/*
 * The blocks in `own` [n] are this rank's; those in runs of rows that another rank counts
 * (row_run.counted) are left out. Collective over world. NULL with a record.
 */
struct block_sums *block_sums_new(struct comm *world, const struct params *p,
                                  const struct block_range *own, int n);
void block_sums_free(struct block_sums *b);

/* This rank's blocks, ascending, without those left out: block number of entry i < count. */
int64_t block_sums_count(const struct block_sums *b);
int64_t block_sums_block(const struct block_sums *b, int64_t i);

/*
 * mine [count] are their sums; *total is the sum of all; flags: ORed over all ranks in the same
 * message. Collective. 0 or -1.
 */
int block_sums_add(struct block_sums *b, const double *mine, uint64_t *flags, double *total);

/* Of the sums added last, those of a tensor of the whole table, in its order: on every rank the same bits. */
double block_sums_of_tensor(const struct block_sums *b, int tensor);

#endif
