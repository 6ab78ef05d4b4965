#include "checkpoint/hf_source.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "checkpoint/names.h"
#include "json/json.h"

/* A Hugging Face directory: its files, the tensors in them, and where ours are among those. */

enum { INDEX_LIMIT = 64 << 20 };

/* ---- the files of a Hugging Face directory ---- */

static int
add_file(struct model_source *m, const char *name)
{
    if (!manifest_name_ok(name))
        return err_set(STATUS_INPUT, "%s/model.safetensors.index.json: '%s' cannot name a file",
                       m->path, name);
    char *path = file_join(m->path, name);
    for (size_t i = 0; i < m->files; i++)
        if (strcmp(m->file[i].path, path) == 0) {
            free(path);
            return 0;
        }
    m->file = mem_grow_array(m->file, m->files + 1, sizeof *m->file);
    int result = safetensors_open(&m->file[m->files], path);
    if (result == 0)
        m->files++;
    free(path);
    return result;
}

static int
by_name(const void *a, const void *b)
{
    const struct source_tensor *x = a, *y = b;
    return strcmp(x->info->name, y->info->name);
}

/* All tensors of all files; none may be in two of them. */
static int
list_tensors(struct model_source *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->files; i++)
        n += m->file[i].count;
    m->tensor = mem_array(n + 1, sizeof *m->tensor);
    for (size_t i = 0; i < m->files; i++)
        for (size_t t = 0; t < m->file[i].count; t++)
            m->tensor[m->tensors++] = (struct source_tensor){&m->file[i], &m->file[i].tensor[t]};
    qsort(m->tensor, n, sizeof *m->tensor, by_name);
    for (size_t i = 1; i < n; i++)
        if (by_name(&m->tensor[i - 1], &m->tensor[i]) == 0)
            return err_set(STATUS_INPUT, "%s: tensor %s: stands in %s as well",
                           m->tensor[i].file->path, m->tensor[i].info->name,
                           m->tensor[i - 1].file->path);
    return 0;
}

/* Every tensor the index lists is in the file that it says. */
static int
check_index(const struct model_source *m, const struct json_doc *doc, const json_t *map)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, name, value)
    {
        const struct source_tensor *t = model_source_stored(m, name);
        const char *file = t ? strrchr(t->file->path, '/') + 1 : NULL;
        if (!t || strcmp(file, json_string_value(value)) != 0)
            return json_fail(doc, map, name, "is not in %s", json_string_value(value));
    }
    return 0;
}

static int
open_index(struct model_source *m, const char *path)
{
    struct json_doc doc = {0};
    const json_t *root, *map;
    const char *tensor, *name;
    json_t *value;
    int result = -1;
    if (json_doc_load(&doc, path, INDEX_LIMIT) < 0 || json_root_object(&doc, &root) < 0 ||
        json_get_object(&doc, root, "weight_map", JSON_NEED, &map) < 0)
        goto out;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, value)
    {
        if (json_get_string(&doc, map, tensor, JSON_NEED, &name) < 0 || add_file(m, name) < 0)
            goto out;
    }
    result = list_tensors(m);
    if (result == 0)
        result = check_index(m, &doc, map);
out:
    json_doc_release(&doc);
    return result;
}

static int
open_files(struct model_source *m)
{
    char *single = file_join(m->path, "model.safetensors");
    char *index = file_join(m->path, "model.safetensors.index.json");
    char *pickle = file_join(m->path, "pytorch_model.bin");
    int result;
    if (file_exists(single) || (!file_exists(index) && !file_exists(pickle)))
        result = add_file(m, "model.safetensors") < 0 ? -1 : list_tensors(m);
    else if (file_exists(index))
        result = open_index(m, index);
    else
        result = err_set(STATUS_INPUT,
                         "%s: pickled weights are not read: save the model as "
                         "safetensors",
                         pickle);
    free(single);
    free(index);
    free(pickle);
    return result;
}

/* ---- their tensors ---- */

static const struct source_tensor *
find_part(const struct model_source *m, const struct name_part *part)
{
    const char *prefix = names_optional_prefix(&m->config);
    const struct source_tensor *t = model_source_stored(m, part->name);
    if (!t && prefix[0] && str_starts(part->name, prefix))
        t = model_source_stored(m, part->name + strlen(prefix));
    return t;
}

static bool
shape_is(const struct tensor_info *t, const struct name_part *part)
{
    uint64_t rows = (uint64_t)(part->transposed ? part->columns : part->rows);
    uint64_t columns = (uint64_t)(part->transposed ? part->rows : part->columns);
    if (part->vector)
        return t->rank == 1 && t->shape[0] == rows;
    return t->rank == 2 && t->shape[0] == rows && t->shape[1] == columns;
}

static int
wrong_shape(const struct source_tensor *where, const struct name_part *part)
{
    const struct tensor_info *t = where->info;
    struct str shape = {0}, want = {0};
    for (int i = 0; i < t->rank && i < 8; i++)
        str_addf(&shape, "%s%llu", i ? ", " : "", (unsigned long long)t->shape[i]);
    str_addf(&want, "%lld", (long long)(part->transposed ? part->columns : part->rows));
    if (!part->vector)
        str_addf(&want, ", %lld", (long long)(part->transposed ? part->rows : part->columns));
    err_set(STATUS_INPUT, "%s: tensor %s: shape [%s], config.json wants [%s]", where->file->path,
            t->name, shape.len ? shape.data : "", want.data);
    str_release(&shape);
    str_release(&want);
    return -1;
}

/* NULL with a record: missing, or of another type or shape. */
static const struct source_tensor *
check_part(const struct model_source *m, const struct name_part *part)
{
    const struct source_tensor *t = find_part(m, part);
    if (!t)
        err_set(STATUS_INPUT, "%s: tensor %s is missing", m->path, part->name);
    else if (!dtype_is_real(t->info->dtype))
        err_set(STATUS_INPUT, "%s: tensor %s: type %s is not supported", t->file->path,
                t->info->name, dtype_name(t->info->dtype));
    else if (!shape_is(t->info, part))
        wrong_shape(t, part);
    else
        return t;
    return NULL;
}

/* Nothing but the table's tensors. used: of m->tensor. */
static int
check_strangers(const struct model_source *m, const bool *used)
{
    for (size_t i = 0; i < m->tensors; i++)
        if (!used[i] && !names_ignored(&m->config, m->tensor[i].info->name))
            return err_set(STATUS_INPUT,
                           "%s: tensor %s does not belong to a %s model with this config.json",
                           m->tensor[i].file->path, m->tensor[i].info->name, m->config.model_type);
    return 0;
}

static int
check_tensors(struct model_source *m)
{
    int result = 0;
    bool *used = mem_zarray(m->tensors + 1, sizeof *used);
    m->dtype = DTYPES;
    for (int i = 0; i < m->params.count && result == 0; i++) {
        struct name_part part[NAME_PARTS];
        int parts = names_parts(&m->config, &m->params.param[i], part);
        for (int k = 0; k < parts && result == 0; k++) {
            const struct source_tensor *t = check_part(m, &part[k]);
            result = t ? 0 : -1;
            if (t)
                used[t - m->tensor] = true;
            if (t && m->dtype == DTYPES)
                m->dtype = t->info->dtype;
        }
    }
    if (result == 0)
        result = check_strangers(m, used);
    free(used);
    return result;
}

int
hf_source_open(struct model_source *m)
{
    char *config = file_join(m->path, "config.json");
    int result = config_load(&m->config, config);
    free(config);
    if (result == 0 && m->config.lora.rank > 0)
        result = err_set(STATUS_INPUT, "%s/config.json: lora: only a checkpoint has adapters in its "
                         "weights; a directory of PEFT has adapter_config.json", m->path);
    if (result < 0 || params_init(&m->params, &m->config) < 0 || open_files(m) < 0)
        return -1;
    return check_tensors(m);
}

/* ---- reading ---- */

/* Elements [first, first + n) of the part, in our order; theirs is [columns][rows]. */
static int
read_transposed(const struct source_tensor *where, const struct name_part *part, int64_t first,
                int64_t n, float *out)
{
    int64_t row = first / part->columns, last = (first + n - 1) / part->columns;
    int64_t rows = last - row + 1;
    float *line = mem_array((size_t)rows, sizeof *line);
    int result = 0;
    for (int64_t c = 0; c < part->columns && result == 0; c++) {
        result = safetensors_read_float(where->file, where->info, (uint64_t)(c * part->rows + row),
                                        (size_t)rows, line);
        for (int64_t r = 0; r < rows && result == 0; r++) {
            int64_t at = (row + r) * part->columns + c - first;
            if (at >= 0 && at < n)
                out[at] = line[r];
        }
    }
    free(line);
    return result;
}

static int
read_part(const struct model_source *m, const struct name_part *part, int64_t first, int64_t n,
          float *out)
{
    const struct source_tensor *t = find_part(m, part);
    if (!t)
        return err_set(STATUS_INPUT, "%s: tensor %s is missing", m->path, part->name);
    if (part->transposed)
        return read_transposed(t, part, first, n, out);
    for (int64_t run, at; n > 0; first += run, out += run, n -= run) {
        run = names_run(part, first, n, &at);
        if (safetensors_read_float(t->file, t->info, (uint64_t)at, (size_t)run, out) < 0)
            return -1;
    }
    return 0;
}

int
hf_source_read(const struct model_source *m, int param, int64_t offset, int64_t n, float *out)
{
    struct name_part part[NAME_PARTS];
    int parts = names_parts(&m->config, &m->params.param[param], part);
    int result = 0;
    for (int k = 0; k < parts && n > 0 && result == 0; k++) {
        int64_t begin = part[k].first * part[k].columns;
        int64_t end = begin + part[k].rows * part[k].columns;
        if (offset < begin || offset >= end)
            continue;
        int64_t count = n < end - offset ? n : end - offset;
        result = read_part(m, &part[k], offset - begin, count, out);
        offset += count;
        out += count;
        n -= count;
    }
    return result;
}
