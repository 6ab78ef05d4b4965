#include "checkpoint/model_source.h"

#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "checkpoint/hf_source.h"
#include "checkpoint/merged_source.h"
#include "checkpoint/peft_source.h"

/* Which kind of model a path is, and what does not depend on it. */

static const char *
guess_kind(const char *path)
{
    if (file_exists(path) && !file_is_dir(path))
        return llama2c_is(path) ? "llama2.c" : "gguf";
    if (peft_source_is(path))
        return "peft";
    return !checkpoint_is(path) && file_exists_in(path, "config.json") ? "hf" : "checkpoint";
}

static int
open_checkpoint(struct model_source *m, const char *path)
{
    m->path = checkpoint_find_newest(path);
    m->checkpoint = m->path ? checkpoint_open(m->path) : NULL;
    if (!m->checkpoint)
        return -1;
    m->dtype = DTYPE_F32;
    m->params = m->checkpoint->params;
    m->config = m->checkpoint->config;
    m->trained = m->checkpoint;
    return m->config.lora.rank > 0 ? merged_source_open(m) : 0;
}

static int
open_as(struct model_source *m, const char *path, const char *kind)
{
    if (strcmp(kind, "checkpoint") == 0)
        return open_checkpoint(m, path);
    m->path = mem_strdup(path);
    if (strcmp(kind, "hf") == 0)
        return hf_source_open(m);
    if (strcmp(kind, "llama2.c") == 0)
        return llama2c_source_open(m);
    if (strcmp(kind, "peft") == 0)
        return peft_source_open(m) < 0 ? -1 : merged_source_open(m);
    return gguf_source_open(m);
}

int
model_source_open_as(struct model_source *m, const char *path, const char *kind)
{
    *m = (struct model_source){0};
    int result = open_as(m, path, kind ? kind : guess_kind(path));
    if (result < 0)
        model_source_close(m);
    return result;
}

int
model_source_open(struct model_source *m, const char *path)
{
    return model_source_open_as(m, path, NULL);
}

void
model_source_close(struct model_source *m)
{
    if (m->checkpoint) {
        checkpoint_close(m->checkpoint); /* params and config are its own */
    } else {
        params_release(&m->params);
        config_release(&m->config);
    }
    if (m->reader)
        m->reader->close(m->state);
    for (size_t i = 0; i < m->files; i++)
        safetensors_close(&m->file[i]);
    free(m->file);
    free(m->tensor);
    free(m->path);
    *m = (struct model_source){0};
}

/* ---- reading ---- */

const struct source_tensor *
model_source_stored(const struct model_source *m, const char *name)
{
    size_t low = 0, high = m->tensors;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(m->tensor[middle].info->name, name);
        if (order == 0)
            return &m->tensor[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

int
model_source_read(const struct model_source *m, int param, int64_t offset, int64_t n, float *out)
{
    if (m->checkpoint)
        return checkpoint_read_range(m->checkpoint, CHECKPOINT_MASTER, param, offset, n, out);
    if (m->reader)
        return m->reader->read(m->state, param, offset, n, out);
    return hf_source_read(m, param, offset, n, out);
}

int
model_source_load(const struct model_source *m, float *flat)
{
    if (m->checkpoint)
        return checkpoint_read(m->checkpoint, CHECKPOINT_MASTER, flat);
    if (m->trained && checkpoint_verify_weights(m->trained, NULL) < 0)
        return -1;
    for (int i = 0; i < m->params.count; i++) {
        const struct param *p = &m->params.param[i];
        int64_t end = p->offset + p->size;
        int64_t next = i + 1 < m->params.count ? p[1].offset : m->params.elements;
        if (model_source_read(m, i, 0, p->size, flat + p->offset) < 0)
            return -1;
        memset(flat + end, 0, (size_t)(next - end) * sizeof *flat);
    }
    return 0;
}
