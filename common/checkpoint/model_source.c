#include "checkpoint/model_source.h"

#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "checkpoint/names.h"
#include "json/json.h"

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

/* Every tensor the index lists is in the file that it says. */
static int
check_index(const struct model_source *m, const struct json_doc *doc, const json_t *map)
{
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, value)
    {
        char *path = file_join(m->path, json_string_value(value));
        bool found = false;
        for (size_t i = 0; i < m->files && !found; i++)
            found = strcmp(m->file[i].path, path) == 0 && safetensors_find(&m->file[i], tensor);
        free(path);
        if (!found)
            return json_fail(doc, map, tensor, "is not in %s", json_string_value(value));
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
        result = add_file(m, "model.safetensors");
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

struct place {
    const struct safetensors *file;
    const struct tensor_info *tensor;
};

static bool
find_name(const struct model_source *m, const char *name, struct place *out)
{
    for (size_t i = 0; i < m->files; i++) {
        out->file = &m->file[i];
        out->tensor = safetensors_find(out->file, name);
        if (out->tensor)
            return true;
    }
    return false;
}

static bool
find_part(const struct model_source *m, const struct name_part *part, struct place *out)
{
    const char *prefix = names_optional_prefix(&m->config);
    if (find_name(m, part->name, out))
        return true;
    return prefix[0] && str_starts(part->name, prefix) &&
           find_name(m, part->name + strlen(prefix), out);
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
wrong_shape(const struct place *where, const struct name_part *part)
{
    const struct tensor_info *t = where->tensor;
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

static int
check_part(const struct model_source *m, const struct name_part *part, struct place *where)
{
    if (!find_part(m, part, where))
        return err_set(STATUS_INPUT, "%s: tensor %s is missing", m->path, part->name);
    const struct tensor_info *t = where->tensor;
    if (!dtype_is_real(t->dtype))
        return err_set(STATUS_INPUT, "%s: tensor %s: type %s is not supported", where->file->path,
                       t->name, dtype_name(t->dtype));
    if (!shape_is(t, part))
        return wrong_shape(where, part);
    return 0;
}

/* Nothing but the table's tensors, and each of them once. */
static int
check_strangers(const struct model_source *m, const struct tensor_info **used, size_t n)
{
    for (size_t f = 0; f < m->files; f++)
        for (size_t i = 0; i < m->file[f].count; i++) {
            const struct tensor_info *t = &m->file[f].tensor[i];
            bool known = names_ignored(&m->config, t->name);
            for (size_t k = 0; k < n && !known; k++)
                known = used[k] == t;
            if (!known)
                return err_set(STATUS_INPUT,
                               "%s: tensor %s does not belong to a %s model with "
                               "this config.json",
                               m->file[f].path, t->name, m->config.model_type);
        }
    return 0;
}

static int
check_tensors(struct model_source *m)
{
    size_t n = 0;
    int result = 0;
    const struct tensor_info **used = mem_array((size_t)m->params.count * NAME_PARTS + 1,
                                                sizeof *used);
    m->dtype = DTYPES;
    for (int i = 0; i < m->params.count && result == 0; i++) {
        struct name_part part[NAME_PARTS];
        struct place where = {0};
        int parts = names_parts(&m->config, &m->params.param[i], part);
        for (int k = 0; k < parts && result == 0; k++) {
            result = check_part(m, &part[k], &where);
            used[n++] = where.tensor;
        }
        if (result == 0 && m->dtype == DTYPES)
            m->dtype = where.tensor->dtype;
    }
    if (result == 0)
        result = check_strangers(m, used, n);
    free(used);
    return result;
}

/* ---- opening ---- */

static int
open_directory(struct model_source *m)
{
    char *config = file_join(m->path, "config.json");
    int result = config_load(&m->config, config);
    free(config);
    if (result < 0 || params_init(&m->params, &m->config) < 0 || open_files(m) < 0)
        return -1;
    return check_tensors(m);
}

static int
open_checkpoint(struct model_source *m)
{
    m->checkpoint = checkpoint_open(m->path);
    if (!m->checkpoint)
        return -1;
    m->dtype = DTYPE_F32;
    m->params = m->checkpoint->params;
    m->config = m->checkpoint->config;
    return 0;
}

static int
open_file(struct model_source *m, const char *path, const char *kind)
{
    m->path = mem_strdup(path);
    if (kind && strcmp(kind, "llama2.c") == 0)
        return llama2c_source_open(m);
    return gguf_source_open(m);
}

int
model_source_open_as(struct model_source *m, const char *path, const char *kind)
{
    *m = (struct model_source){0};
    char *config = file_join(path, "config.json");
    bool directory = !checkpoint_is(path) && file_exists(config);
    free(config);
    int result = -1;
    if (file_exists(path) && !file_is_dir(path))
        result = open_file(m, path, kind);
    else if ((m->path = directory ? mem_strdup(path) : checkpoint_find_newest(path)))
        result = directory ? open_directory(m) : open_checkpoint(m);
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
    free(m->path);
    *m = (struct model_source){0};
}

/* ---- reading ---- */

/* Elements [first, first + n) of the part, in our order; theirs is [columns][rows]. */
static int
read_transposed(const struct place *where, const struct name_part *part, int64_t first, int64_t n,
                float *out)
{
    int64_t row = first / part->columns, last = (first + n - 1) / part->columns;
    int64_t rows = last - row + 1;
    float *line = mem_array((size_t)rows, sizeof *line);
    int result = 0;
    for (int64_t c = 0; c < part->columns && result == 0; c++) {
        result = safetensors_read_float(where->file, where->tensor,
                                        (uint64_t)(c * part->rows + row), (size_t)rows, line);
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
    struct place where;
    if (!find_part(m, part, &where))
        return err_set(STATUS_INPUT, "%s: tensor %s is missing", m->path, part->name);
    if (part->transposed)
        return read_transposed(&where, part, first, n, out);
    for (int64_t run, at; n > 0; first += run, out += run, n -= run) {
        run = names_run(part, first, n, &at);
        if (safetensors_read_float(where.file, where.tensor, (uint64_t)at, (size_t)run, out) < 0)
            return -1;
    }
    return 0;
}

int
model_source_read(const struct model_source *m, int param, int64_t offset, int64_t n, float *out)
{
    if (m->checkpoint)
        return checkpoint_read_range(m->checkpoint, CHECKPOINT_MASTER, param, offset, n, out);
    if (m->reader)
        return m->reader->read(m->state, param, offset, n, out);
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

int
model_source_load(const struct model_source *m, float *flat)
{
    if (m->checkpoint)
        return checkpoint_read(m->checkpoint, CHECKPOINT_MASTER, flat);
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
