#ifndef CHECKPOINT_GGUF_PRIVATE_H
#define CHECKPOINT_GGUF_PRIVATE_H

#include "checkpoint/gguf.h"

/* What gguf.c and gguf_values.c share. */

/* Bytes of a value of this type; 0: a string or an array, whose value says so. */
size_t gguf_value_bytes(enum gguf_value_type type);

#endif
