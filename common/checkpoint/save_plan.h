#ifndef CHECKPOINT_SAVE_PLAN_H
#define CHECKPOINT_SAVE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "checkpoint/held.h"
#include "checkpoint/slices.h"
#include "comm/comm.h"

/*
 * How one rank goes through what it writes: in pieces of at most PIECE elements, in file order,
 * the same for each array. What it holds is sorted and joined; a piece is either one run of a
 * tensor (of one or more neighbouring extents), or some extents of separate runs (columns).
 *
 * The hash of a block that lies within one piece is made from memory while it is written. Blocks
 * whose elements are spread over ranks or over runs are read back when all have written, dealt
 * out evenly.
 */
/* 1 MiB of FP32: hashed and written while it is in the cache (4 MiB cost twice the time). */
enum { PIECE = 16 * NORM_BLOCK };

struct piece {
    size_t held, count; /* extents [held, held + count) of save_plan.held */
    int64_t elements;
    bool runs;      /* separate runs; else one, from the first extent's offset on */
    int64_t before; /* elements before the first whole block */
    int64_t blocks; /* whole ones: hashed while they are written */
    int64_t hash;   /* place of the first one's hash */
};

/* Blocks [first, first + count) of the state; this rank makes their hashes, at `hash` of its own. */
struct block_run {
    int64_t first, count, hash;
};

struct save_plan {
    const struct params *whole;
    struct file_slices slices;
    int64_t *first_block; /* [whole->count + 1]: the number of each tensor's first block */
    struct held *held;    /* sorted, joined; none larger than a piece where it is one run */
    size_t held_count;
    struct piece *piece;
    size_t count;
    struct block_run *run;   /* all that this rank hashes: first those that it writes whole… */
    size_t runs, runs_whole; /* … from here on those that it reads back */
    int64_t hashes;          /* their number */
    bool split;              /* some rank has something to read back */
    uint64_t memory;         /* bytes taken */
};

/*
 * Collective. 0, or -1 on all ranks: an impossible extent, or the ranks' do not cover the table
 * exactly once.
 */
int save_plan_init(struct save_plan *p, struct comm *comm, const struct checkpoint_layout *layout);
void save_plan_release(struct save_plan *p);

/* Elements of a block, by its number in tensor `param`. */
int64_t block_elements(const struct params *whole, int param, int64_t number);

#endif
