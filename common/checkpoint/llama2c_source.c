/* A llama2.c file as a model. */
#include "base/err.h"
#include "checkpoint/model_source.h"

int
llama2c_source_open(struct model_source *m)
{
    return err_set(STATUS_INPUT, "%s: llama2.c files are not supported in this version", m->path);
}
