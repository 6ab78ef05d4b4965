#ifndef CHECKPOINT_FP8_FILE_H
#define CHECKPOINT_FP8_FILE_H

#include "base/str.h"
#include "model/fp8.h"

/*
 * fp8.safetensors of llm-checkpoint(5): the scales of fp8-hybrid and the amax of the steps they
 * come from.
 *
 *   scale         F32 [tensors]
 *   amax_history  F32 [steps][tensors], the oldest first
 */
#define FP8_FILE "fp8.safetensors"

/* Appends the file's bytes; the history must not be empty. */
void fp8_file_make(const struct fp8 *f, struct str *out);

/* Reads it back. 0, or -1: damaged, or of another model (STATUS_INPUT). */
int fp8_file_read(struct fp8 *f, const char *path);

#endif
