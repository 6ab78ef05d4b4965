/* A model from one format into another, or compared with what is there. */
#include "cmd/llm-convert/convert.h"

#include <dirent.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "checkpoint/merged_source.h"

/* Is there a file, or a directory with something in it? */
static bool
is_in_use(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    bool found = false;
    if (!d)
        return file_exists(path);
    while (!found && (e = readdir(d)))
        found = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return found;
}

static int
write_adapters(const struct model_source *m, const struct route *r)
{
    const struct model_source *base = merged_source_base(m);
    if (!base)
        return err_set(STATUS_INPUT, "%s: has no adapters that could become peft", m->path);
    return hf_write(base, r->output);
}

/* A checkpoint keeps its training state on the way into another; other models begin one. */
static int
write_model(const struct model_source *m, const struct route *r)
{
    switch (r->to) {
    case KIND_CHECKPOINT:
        return m->checkpoint ? rewrite(m, r->output) : checkpoint_write(m, r->output);
    case KIND_GGUF: return gguf_write(m, r->output);
    case KIND_PEFT: return write_adapters(m, r);
    default: return hf_write(m, r->output);
    }
}

static int
verify_model(const struct model_source *m, const struct route *r)
{
    if (r->to == KIND_CHECKPOINT && m->checkpoint)
        return rewrite_verify(m, r->output);
    bool quantized = r->to == KIND_GGUF && options.dtype_given && options.dtype == TYPE_Q8_0;
    return quantized ? gguf_verify(m, r->output) : verify(m, r);
}

/* ---- models made of others ---- */

const struct model_source *
source_base(const struct model_source *m)
{
    while (model_source_base(m) && !merged_source_base(m))
        m = model_source_base(m);
    return m;
}

int
source_check_sums(const struct model_source *m)
{
    if (!m->trained)
        return 0;
    struct threads *pool = options_threads();
    int result = checkpoint_verify_weights(m->trained, pool);
    threads_free(pool);
    return result;
}

static int
open_model(struct model_source *m, const struct route *r)
{
    int result = options.average ? average_open(m, r)
                                 : model_source_open_as(m, r->input[0], kind_name(r->from));
    bool streamed = r->to == KIND_HF || r->to == KIND_CHECKPOINT;
    if (result < 0)
        return -1;
    if ((!streamed || !m->checkpoint || options.extend_vocabulary) && source_check_sums(m) < 0) {
        model_source_close(m);
        return -1;
    }
    return options.extend_vocabulary ? extended_open(m, options.extend_vocabulary) : 0;
}

int
models_convert(const struct route *r)
{
    struct model_source m;
    if (open_model(&m, r) < 0)
        return -1;
    bool used = is_in_use(r->output), compare_only = options.verify && !options.force && used;
    int result = 0;
    if (used && !compare_only && !options.force)
        result = err_set(STATUS_USAGE, "%s: is not empty: --force writes into it", r->output);
    else if (!compare_only)
        result = write_model(&m, r);
    if (result == 0 && options.verify)
        result = verify_model(&m, r);
    model_source_close(&m);
    return result;
}
