#ifndef CHECKPOINT_SLICES_H
#define CHECKPOINT_SLICES_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"
#include "checkpoint/safetensors.h"
#include "model/params.h"

/*
 * How a training state is cut into files: by size, in the order of the parameter
 * table, never by who writes. There are three arrays (master weights and both Adam
 * moments), laid out alike in files of their own: weights-00001-of-00002.safetensors,
 * moment1-…, moment2-….
 *
 * A block is NORM_BLOCK elements within a tensor (the last one of a tensor is
 * shorter). A slice is a run of blocks of one tensor, at most `slice_blocks`; it
 * is the unit of reading and has a checksum. A file holds the slices of one or more
 * tensors, at most `file_bytes` of data; a tensor larger than that is stored in pieces
 * named NAME#FIRST_ELEMENT of shape [elements], others whole under their name and shape.
 */
enum checkpoint_array {
    CHECKPOINT_MASTER,
    CHECKPOINT_MOMENT1,
    CHECKPOINT_MOMENT2,
    CHECKPOINT_ARRAYS
};

/* "weights", "moment1", "moment2". */
const char *checkpoint_array_name(enum checkpoint_array a);

struct slice_limits {
    int64_t slice_blocks; /* 0: 1,024 (64 MiB of FP32) */
    int64_t file_bytes;   /* 0: 2 GiB */
};

/* Slices that go into files of file_bytes: a slice lies in one file, which may be as small as a block. */
struct slice_limits slice_limits_fit(const struct slice_limits *limits);

struct file_slice {
    int param;            /* index into the table */
    int64_t offset, size; /* elements within the tensor; offset is a multiple of NORM_BLOCK */
    int64_t first_block;  /* number of its first block in the whole state */
    int file;             /* index below */
    uint64_t begin;       /* first byte in the file, its header included */
};

struct slice_file {
    struct tensor_plan *tensor;
    size_t tensors;
    struct str header;
    uint64_t bytes; /* of the whole file */
};

/* The plan of one array; the other two are equal but for the files' names. */
struct file_slices {
    struct file_slice *slice;
    size_t count;
    struct slice_file *file;
    int files;
    int64_t blocks; /* of the whole state */
};

void
file_slices_init(struct file_slices *s, const struct params *p, const struct slice_limits *limits);
void file_slices_release(struct file_slices *s);

/* "weights-00001-of-00003.safetensors" into out; returns out. */
char *
file_slices_name(const struct file_slices *s, enum checkpoint_array a, int file, char out[64]);

/* Blocks in n elements; elements of block b (0-based) of a slice of n elements. */
int64_t slice_blocks(int64_t n);
int64_t slice_block_size(int64_t n, int64_t b);

/* A slice's checksum: XXH3-128 over the u64 XXH3-64 of each of its blocks' bytes. */
struct hash128 slice_checksum(const uint64_t *block_hashes, int64_t blocks);

/* The slice that has element `offset` of tensor `param`, which must exist. */
const struct file_slice *
file_slices_find(const struct file_slices *s, int param, int64_t offset);

#endif
