#ifndef CHECKPOINT_HF_SOURCE_H
#define CHECKPOINT_HF_SOURCE_H

#include "checkpoint/model_source.h"

/* A Hugging Face directory as a model: what model_source.c calls. */

/* Opens m->path: config.json, the weights' files, and checks their tensors. 0 or -1. */
int hf_source_open(struct model_source *m);

/* As model_source_read. */
int hf_source_read(const struct model_source *m, int param, int64_t offset, int64_t n, float *out);

#endif
