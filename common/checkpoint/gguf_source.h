#ifndef CHECKPOINT_GGUF_SOURCE_H
#define CHECKPOINT_GGUF_SOURCE_H

#include "checkpoint/gguf.h"
#include "checkpoint/model_source.h"

/* The file behind a model that gguf_source_open opened, for who describes it; NULL: another kind. */
const struct gguf *gguf_source_file(const struct model_source *m);

#endif
