#ifndef CHECKPOINT_MODEL_SOURCE_H
#define CHECKPOINT_MODEL_SOURCE_H

#include <stdint.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "model/config.h"
#include "model/params.h"

/*
 * A MODEL of the command line: a Hugging Face directory (model.safetensors, or
 * model.safetensors.index.json with its shards; F32, BF16, F16, F64), a checkpoint, or a directory of
 * several checkpoints (the newest complete one).
 */
struct model_source {
    char *path; /* of the directory that is read; tokenizer_load(path) works when it has one */
    struct config config;
    struct params params;
    struct checkpoint *checkpoint; /* NULL: a Hugging Face directory */
    struct safetensors *file;      /* Hugging Face: its shards */
    size_t files;
    enum dtype dtype; /* of the first matrix */
};

/*
 * Opens it and checks that all tensors of the table are there, in shape, and nothing else.
 * 0, or -1: STATUS_FAILED (no such file), STATUS_INPUT (names the file and the tensor).
 */
int model_source_open(struct model_source *m, const char *path);
void model_source_close(struct model_source *m); /* also of {0} */

/* Reads all weights into flat [params.elements], gaps zero; a checkpoint's checksums are verified. 0 or -1. */
int model_source_load(const struct model_source *m, float *flat);

/* Elements [offset, offset + n) of a tensor of the table (a checkpoint's checksums are not looked at). 0 or -1. */
int
model_source_read(const struct model_source *m, int param, int64_t offset, int64_t n, float *out);

#endif
