#ifndef CHECKPOINT_GGUF_H
#define CHECKPOINT_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The GGUF container (github.com/ggml-org/ggml, docs/gguf.md), versions 2 and 3, little endian:
 *
 *   "GGUF", u32 version, u64 tensors, u64 values
 *   values:  string key, u32 type, value; a string is u64 length and UTF-8,
 *            an array u32 type of its elements, u64 count, elements
 *   tensors: string name, u32 dimensions, u64 each (the contiguous one first), u32 type, u64 offset
 *   padding to the alignment (general.alignment, 32); data, where offsets count from
 *
 * Nothing of it is trusted: every count is held against what is left of the file, sums and products
 * of sizes are checked, names and keys are unique and never paths, all strings are UTF-8, no tensor
 * reaches into another or behind the end. Values and tensor descriptions are kept in memory;
 * data is read in ranges, by any number of threads.
 */
enum gguf_value_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_VALUE_TYPES
};

struct gguf_value {
    char *key;
    enum gguf_value_type type, item; /* item: an array's elements */
    uint64_t count;                  /* an array's; else 1 */
    size_t at;                       /* in the header: the value; of an array its first element */
};

enum { GGUF_DIMENSIONS = 4 };

struct gguf_tensor {
    char *name;
    int dimensions;
    uint64_t size[GGUF_DIMENSIONS]; /* size[0] is contiguous, as in the file; 1 beyond dimensions */
    uint32_t type;                  /* gguf_quant.h */
    uint64_t elements, bytes;
    uint64_t offset; /* in the file */
};

struct gguf {
    char *path;
    int fd;
    uint32_t version;
    uint64_t file_bytes, alignment, data; /* data: where it begins */
    uint8_t *header;
    size_t header_bytes;
    struct gguf_value *value; /* in the order of the file */
    size_t values;
    struct gguf_tensor *tensor;
    size_t tensors;
    uint32_t *by_key, *by_name; /* their order by key and by name */
};

/* 0, or -1: STATUS_FAILED (no such file), STATUS_INPUT names the key, the tensor or the place. */
int gguf_open(struct gguf *g, const char *path);
void gguf_close(struct gguf *g); /* also of {0}, also after a failed gguf_open */

const struct gguf_value *gguf_find(const struct gguf *g, const char *key); /* NULL: none */
const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name);

/*
 * Values by key, as json/json.h has them: 1 when *out was set; 0 when absent, which is an error where
 * `need` is true; -1 on an error that names the key. Integers of every width count.
 */
int gguf_get_int(const struct gguf *g, const char *key, bool need, int64_t min, int64_t max,
                 int64_t *out);
int gguf_get_real(const struct gguf *g, const char *key, bool need, double *out);
int gguf_get_bool(const struct gguf *g, const char *key, bool need, bool *out);
int gguf_get_string(const struct gguf *g, const char *key, bool need, const char **out, size_t *n);

/* The elements of an array one after another; the next_ functions are for the type asked for. */
struct gguf_items {
    const uint8_t *next;
    uint64_t left;
    enum gguf_value_type item;
};

/* item GGUF_STRING: strings, GGUF_I64: integers of any width, GGUF_F64: real numbers of any. */
int gguf_get_array(const struct gguf *g, const char *key, bool need, enum gguf_value_type item,
                   struct gguf_items *out);
bool gguf_next_string(struct gguf_items *a, const char **out, size_t *n); /* false: the end */
bool gguf_next_int(struct gguf_items *a, int64_t *out); /* beyond 63 bits: INT64_MAX */
bool gguf_next_real(struct gguf_items *a, double *out);

/*
 * Elements [first, first + n) of a tensor in the order of the file, dequantized. 0, or -1: a type that is
 * not read (gguf_quant.h), a range outside, a file that became shorter.
 */
int gguf_read_float(const struct gguf *g, const struct gguf_tensor *t, uint64_t first, size_t n,
                    float *out);

#endif
