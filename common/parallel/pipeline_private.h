#ifndef PARALLEL_PIPELINE_PRIVATE_H
#define PARALLEL_PIPELINE_PRIVATE_H

#include "parallel/pipeline_table.h"

/* What the files of the pipeline engine share. */

/* What passes the border between two pieces, seen from one of them. */
enum pipeline_border {
    PIPELINE_X_IN,   /* activations, from the piece before */
    PIPELINE_Y_OUT,  /* to the piece behind */
    PIPELINE_DY_IN,  /* gradients, from the piece behind */
    PIPELINE_DX_OUT, /* to the piece before */
    PIPELINE_BORDERS
};

static inline int
pipeline_piece(const struct pipeline_table *t, int stage, int chunk)
{
    return chunk * t->stages + stage;
}

/* Does anything pass there? Nothing does before the first piece and behind the last. */
static inline bool
pipeline_border_is(const struct pipeline_table *t, int piece, enum pipeline_border b)
{
    bool before = b == PIPELINE_X_IN || b == PIPELINE_DX_OUT;
    return before ? piece > 0 : piece < t->stages * t->chunks - 1;
}

/*
 * How many buffers each border needs at either end, so that the table ends although buffers are
 * few: 2 (one on its way while the next is computed), more where a table runs further ahead. All
 * ranks find the same. -1 (STATUS_FAILED): forwards or backwards of a piece are not in ascending
 * order of micro-batches on every stage.
 */
int pipeline_depth(const struct pipeline_table *t);

#endif
