#ifndef CHECKPOINT_SAFETENSORS_H
#define CHECKPOINT_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * The safetensors container (github.com/huggingface/safetensors, README, "Format"):
 *
 *   u64 N, little endian, N <= 100,000,000
 *   N bytes JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, …,
 *                  "__metadata__": {"key": "text", …}}
 *   data, little endian, row major; offsets count from its first byte
 *
 * Tensors sorted by offset follow one another from 0 to the end of the file without
 * hole or overlap. The reader refuses everything else, and duplicate names; it
 * allows leading white space, unaligned data and any name: a name is never a path.
 * Only the header is read at open; data is read in byte ranges, so that a file may
 * be larger than memory.
 */
enum dtype {
    DTYPE_F32,
    DTYPE_BF16,
    DTYPE_F16,
    DTYPE_F64, /* those that can be read as float */
    DTYPE_BOOL,
    DTYPE_U8,
    DTYPE_I8,
    DTYPE_F8_E4M3,
    DTYPE_F8_E5M2,
    DTYPE_F8_E8M0,
    DTYPE_F4,
    DTYPE_F6_E2M3,
    DTYPE_F6_E3M2,
    DTYPE_I16,
    DTYPE_U16,
    DTYPE_I32,
    DTYPE_U32,
    DTYPE_I64,
    DTYPE_U64,
    DTYPE_C64,
    DTYPES
};

const char *dtype_name(enum dtype t);                  /* "F32" */
int dtype_bits(enum dtype t);                          /* of one element */
bool dtype_from_name(const char *name, enum dtype *t); /* exact, upper case */
bool dtype_is_real(enum dtype t);                      /* F32 BF16 F16 F64 */

/* Elements to float and back (round to nearest even); unaligned bytes are fine. Real types only. */
void dtype_to_float(enum dtype t, const void *bytes, size_t n, float *out);
void dtype_from_float(enum dtype t, const float *in, size_t n, void *bytes);

struct tensor_info {
    char *name; /* owned; any bytes of UTF-8, may be "" */
    enum dtype dtype;
    int rank;
    uint64_t *shape;     /* [rank], owned */
    uint64_t elements;   /* product of shape */
    uint64_t begin, end; /* bytes, from the first byte of data */
};

struct safetensors {
    char *path;
    int fd;
    uint64_t header; /* bytes before the data: 8 + N */
    uint64_t file_bytes;
    struct tensor_info *tensor; /* in order of offset */
    size_t count;
    const struct tensor_info **by_name; /* [count], sorted */
    struct metadata_pair {
        char *key, *value;
    } * metadata;
    size_t metadata_count;
};

/* Opens a regular file and checks its header against its size. 0, or -1: STATUS_INPUT names the tensor or the place. */
int safetensors_open(struct safetensors *s, const char *path);
void safetensors_close(struct safetensors *s); /* also of {0} */

/* The tensor of that name, or NULL (no error record). */
const struct tensor_info *safetensors_find(const struct safetensors *s, const char *name);

/* Reads `n` bytes from `offset` within the tensor; both must lie inside. 0 or -1. */
int safetensors_read(const struct safetensors *s, const struct tensor_info *t, uint64_t offset,
                     void *out, size_t n);

/* Reads elements [first, first + n) of a tensor of a real type as float. 0 or -1. */
int safetensors_read_float(const struct safetensors *s, const struct tensor_info *t, uint64_t first,
                           size_t n, float *out);

/*
 * Writing: the tensors are known beforehand, so the header, and with it every
 * tensor's place in the file, is a function of the list alone: any process can write any range.
 */
struct tensor_plan {
    char name[96];
    enum dtype dtype;
    int rank; /* <= 2 */
    uint64_t shape[2];
    uint64_t offset; /* set by safetensors_plan: first byte in the file */
    uint64_t bytes;  /* set by safetensors_plan */
};

/*
 * Appends the header (length field included, JSON padded with spaces to a multiple of 8, metadata
 * {"format": "pt"}) to *header, sets offset and bytes of each entry, and *file_bytes. Data is in list order.
 */
void safetensors_plan(struct tensor_plan *list, size_t n, struct str *header, uint64_t *file_bytes);

/*
 * Makes the file under its final name, reserves its space (a full disk fails here), writes the header.
 * It must not exist. fd open for writing, or -1. Write with file_pwrite_full, then fsync and close.
 */
int safetensors_create(const char *path, const struct str *header, uint64_t file_bytes);

/* The same, its data zero and of no room where the file system has holes, until something is written. */
int safetensors_create_zero(const char *path, const struct str *header, uint64_t file_bytes);

#endif
