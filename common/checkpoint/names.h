#ifndef CHECKPOINT_NAMES_H
#define CHECKPOINT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "model/config.h"
#include "model/params.h"

/*
 * How the tensors of a family are named and laid out in a Hugging Face directory, as
 * data: one table a family maps each of our tensors (model/params.h) to one or more of theirs.
 * Ours is their tensors' rows one below the other (query, key, value; gate, up); GPT-2's
 * matrices are stored [in][out], the transpose of ours.
 */
enum { NAME_PARTS = 3 };

struct name_part {
    char name[96];       /* theirs */
    int64_t first, rows; /* rows of our tensor */
    int64_t columns;     /* of our tensor */
    bool transposed;     /* theirs is [columns][rows], else [rows][columns] */
    bool vector; /* theirs has one dimension, [rows]; columns is 1 and rows count our elements */
};

/* The parts of one tensor of ours, in row order; returns how many (>= 1). */
int names_parts(const struct config *c, const struct param *p, struct name_part out[NAME_PARTS]);

/*
 * May a tensor of this name stand in a directory without belonging to the model's weights?
 * Buffers that older versions saved, and the copy of a tied head.
 */
bool names_ignored(const struct config *c, const char *name);

/* A prefix that some directories leave out ("transformer."), or "". */
const char *names_optional_prefix(const struct config *c);

#endif
