#ifndef CHECKPOINT_GGUF_QUANT_H
#define CHECKPOINT_GGUF_QUANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Types of tensors in GGUF files: a row is a sequence of blocks, each of `elements` weights in `bytes`
 * (github.com/ggml-org/ggml, src/ggml-common.h). The numbers are those of the format.
 */
enum gguf_type {
    GGUF_TYPE_F32 = 0,
    GGUF_TYPE_F16 = 1,
    GGUF_TYPE_Q4_0 = 2,
    GGUF_TYPE_Q4_1 = 3,
    GGUF_TYPE_Q5_0 = 6,
    GGUF_TYPE_Q5_1 = 7,
    GGUF_TYPE_Q8_0 = 8,
    GGUF_TYPE_Q2_K = 10,
    GGUF_TYPE_Q3_K = 11,
    GGUF_TYPE_Q4_K = 12,
    GGUF_TYPE_Q5_K = 13,
    GGUF_TYPE_Q6_K = 14,
    GGUF_TYPE_F64 = 28,
    GGUF_TYPE_BF16 = 30
};

enum { GGUF_BLOCK_MAX = 256, GGUF_BLOCK_BYTES_MAX = 292 }; /* of all types */

struct gguf_block {
    const char *name; /* "Q4_K" */
    int elements, bytes;
    /* Blocks to elements; NULL: known by its size only. */
    void (*read)(const uint8_t *block, size_t blocks, float *out);
};

/* NULL: a number that no type has. */
const struct gguf_block *gguf_block_of(uint32_t type);

/*
 * n elements, a multiple of 32, to blocks of Q8_0: rounded half away from zero to 127ths of the
 * largest of each block, as ggml's reference does.
 */
void gguf_to_q8_0(const float *in, size_t n, uint8_t *out);

#endif
