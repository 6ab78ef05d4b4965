#ifndef CHECKPOINT_GGUF_NAMES_H
#define CHECKPOINT_GGUF_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "model/config.h"
#include "model/params.h"

/*
 * How llama.cpp names and lays out the tensors of a family (its gguf-py/gguf/tensor_mapping.py and
 * convert_hf_to_gguf.py). Ours is their tensors' rows one below the other, as in names.h; all experts
 * of a layer are one tensor. Heads of queries and keys in files of the architecture "llama" have
 * their rows in another order: row 2 i + j of a head there is row j (head_dim / 2) + i of ours.
 */
enum { GGUF_PARTS = 3 };

struct gguf_part {
    char name[64];       /* theirs */
    int64_t first, rows; /* rows of our tensor; of a vector: elements */
    int64_t columns;     /* 1 of a vector */
    bool vector;         /* theirs has one dimension */
    int64_t head;        /* rows of a head whose order is the other one; 0: the same order */
    int64_t expert;      /* which of theirs; -1: not a tensor of experts */
};

/* general.architecture of a model; NULL: llama.cpp has none for it. */
const char *gguf_architecture(const struct config *c);

/* The parts of one tensor of ours, in row order; returns how many. */
int gguf_parts(const struct config *c, const struct param *p, struct gguf_part out[GGUF_PARTS]);

/* The row of theirs where row `row` of the part (from 0) stands. */
static inline int64_t
gguf_row(const struct gguf_part *part, int64_t row)
{
    if (part->head == 0)
        return row;
    int64_t at = row % part->head, half = part->head / 2;
    return row - at + 2 * (at % half) + at / half;
}

#endif
