#ifndef CHECKPOINT_GGUF_BUILD_H
#define CHECKPOINT_GGUF_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "checkpoint/gguf.h"

/*
 * The header of a GGUF file of version 3: values as they come, then tensors, whose data follows in
 * their order, each at a multiple of 32 bytes.
 */
struct gguf_build_tensor {
    char *name;
    int dimensions;
    uint64_t size[GGUF_DIMENSIONS];
    uint32_t type;
    uint64_t offset, bytes; /* offset: from the first byte of data */
};

struct gguf_build {
    struct str values_text;
    uint64_t values;
    VEC(struct gguf_build_tensor) tensors;
    uint64_t data_bytes; /* up to the end of the last tensor, padding behind it included */
};

enum { GGUF_BUILD_ALIGNMENT = 32 };

void gguf_put_u32(struct gguf_build *b, const char *key, uint32_t value);
void gguf_put_f32(struct gguf_build *b, const char *key, double value);
void gguf_put_bool(struct gguf_build *b, const char *key, bool value);
void gguf_put_string(struct gguf_build *b, const char *key, const char *text, size_t n);

/* An array, followed by `count` of the elements. */
void
gguf_begin_array(struct gguf_build *b, const char *key, enum gguf_value_type item, uint64_t count);
void gguf_add_string(struct gguf_build *b, const char *text, size_t n);
void gguf_add_f32(struct gguf_build *b, double value);
void gguf_add_i32(struct gguf_build *b, int32_t value);

/* size[0] is contiguous, and whole blocks of the type. */
void gguf_put_tensor(struct gguf_build *b, const char *name, uint32_t type, int dimensions,
                     const uint64_t *size);

/* The bytes before the data, padding included. */
void gguf_build_header(const struct gguf_build *b, struct str *out);
void gguf_build_release(struct gguf_build *b);

#endif
