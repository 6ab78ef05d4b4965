/* A GGUF file as a model. */
#include "base/err.h"
#include "checkpoint/model_source.h"

int
gguf_source_open(struct model_source *m)
{
    return err_set(STATUS_INPUT,
                   "%s: not a directory: a model is a Hugging Face directory or a checkpoint",
                   m->path);
}
