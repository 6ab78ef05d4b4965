#ifndef CHECKPOINT_HELD_H
#define CHECKPOINT_HELD_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "checkpoint/slices.h"
#include "model/params.h"

/*
 * What a rank has of a training state, in any layout: pieces, each some elements of a tensor of
 * the whole model's table (struct extent of model/params.h) and where they lie in this process,
 * one behind the other. extent.local is not looked at: the pointers say it, so that compact
 * slices of ZeRO, columns of a tensor rank and whole arrays are all the same here.
 *
 * Moments that are not there (array NULL), as of frozen tensors, are zero; that costs neither time nor
 * room where files have holes. Weights of frozen tensors (struct param of the whole table) do not
 * change while they are written.
 *
 * Order and size of the pieces do not matter, but few large ones are faster than many
 * small ones; neighbours are joined.
 */
struct held {
    struct extent at;
    const float *array[CHECKPOINT_ARRAYS]; /* the extent's first element in master, m, v */
};

/* The same for loading. An array that is NULL is not wanted. */
struct wanted {
    struct extent at;
    float *array[CHECKPOINT_ARRAYS];
};

struct held_list VEC_BODY(struct held);
struct wanted_list VEC_BODY(struct wanted);

/*
 * Adds what blocks [first, last) of a part (params_block) are, counted ones alone: elements that
 * several ranks hold are written by the one that counts them. array: the part's flat arrays.
 */
void held_add_blocks(struct held_list *l, const struct params *part, int64_t first, int64_t last,
                     const float *const array[CHECKPOINT_ARRAYS]);

/* Adds blocks [first, last) of a part, those included that other ranks count. */
void wanted_add_blocks(struct wanted_list *l, const struct params *part, int64_t first,
                       int64_t last, float *const array[CHECKPOINT_ARRAYS]);

/*
 * Adds rank's even share of a whole model's blocks: for ranks that all hold everything. `whole`
 * is the whole model's table, array its flat arrays.
 */
void held_add_share(struct held_list *l, const struct params *whole, int rank, int ranks,
                    const float *const array[CHECKPOINT_ARRAYS]);

/* Does an extent lie within a tensor of the table? 0, or -1 (STATUS_FAILED). */
int extent_check(const struct params *whole, const struct extent *e);

/* What all ranks hold together, and how it is cut into files. */
struct checkpoint_layout {
    const struct params *whole; /* the table of the whole model, on every rank */
    /*
     * The pieces that this rank writes. Those of all ranks must cover every element of the table
     * exactly once (checked).
     */
    const struct held *held;
    size_t count;
    struct slice_limits limits; /* {0}: the defaults */
};

#endif
