#include "checkpoint/peft_source.h"

#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "checkpoint/names.h"
#include "json/json.h"

enum { CONFIG_LIMIT = 1 << 20 };

struct peft {
    struct model_source base;
    struct safetensors file;
    struct params *params; /* the source's table, adapters and all */
    int *index;            /* [its tensors]: the base's of the same name */
    struct config *config;
};

bool
peft_source_is(const char *path)
{
    return file_exists_in(path, "adapter_config.json") && !file_exists_in(path, "config.json");
}

/* ---- adapter_config.json ---- */

/* Absent, null, false, or with nothing in it. */
static bool
is_neutral(const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

static int
refuse_others(const struct json_doc *doc, const json_t *root)
{
    static const char *const keys[] = {
        "use_dora",
        "use_rslora",
        "use_qalora",
        "use_bdlora",
        "lora_bias",
        "rank_pattern",
        "alpha_pattern",
        "modules_to_save",
        "exclude_modules",
        "layers_to_transform",
        "layer_replication",
        "target_parameters",
        "arrow_config",
        "alora_invocation_tokens",
        "trainable_token_indices",
    };
    const char *type = "", *bias = "none";

    if (json_get_string(doc, root, "peft_type", JSON_NEED, &type) < 0 ||
        json_get_string(doc, root, "bias", JSON_MAY, &bias) < 0)
        return -1;
    if (strcmp(type, "LORA") != 0)
        return json_fail(doc, root, "peft_type", "\"%s\" is not supported (LORA)", type);
    if (strcmp(bias, "none") != 0)
        return json_fail(doc, root, "bias", "\"%s\" is not supported (none)", bias);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!is_neutral(json_object_get(root, keys[i])))
            return json_fail(doc, root, keys[i], "is not supported");
    return 0;
}

static int
read_lora(const struct json_doc *doc, const json_t *root, const struct config *c, struct lora *l)
{
    const json_t *list;
    const char *name;

    if (json_get_int(doc, root, "r", JSON_NEED, 1, LORA_MAX_RANK, &l->rank) < 0 ||
        json_get_real(doc, root, "lora_alpha", JSON_NEED, &l->alpha) < 0 ||
        json_get_array(doc, root, "target_modules", JSON_NEED, &list) < 0)
        return -1;
    if (!(l->alpha > 0 && l->alpha < 1e30))
        return json_fail(doc, root, "lora_alpha", "expected a number above 0, found %g", l->alpha);
    for (size_t i = 0; i < json_array_size(list); i++) {
        unsigned targets;
        if (json_at_string(doc, list, i, &name) < 0)
            return -1;
        if (lora_targets(c, name, &targets) < 0)
            return json_fail_at(doc, list, i, "\"%s\" is no linear module of a %s model", name,
                                c->model_type);
        l->targets |= targets;
    }
    return l->targets ? 0 : json_fail(doc, root, "target_modules", "expected at least one module");
}

/* ---- the base ---- */

/* As seen from here, else from the adapters' directory; allocated. */
static char *
find_base(const struct json_doc *doc, const json_t *root, const char *directory)
{
    const char *name = "";
    char *path;

    if (json_get_string(doc, root, "base_model_name_or_path", JSON_NEED, &name) < 0)
        return NULL;
    if (file_exists(name))
        return mem_strdup(name);
    path = file_join(directory, name);
    if (name[0] && file_exists(path))
        return path;
    free(path);
    json_fail(doc, root, "base_model_name_or_path", "there is no '%s' here", name);
    return NULL;
}

static int
open_base(struct peft *s, const struct json_doc *doc, const json_t *root, struct model_source *m)
{
    char *path = find_base(doc, root, m->path);
    struct lora l = {0};
    int result = path ? 0 : -1;

    if (path && peft_source_is(path)) /* perhaps this one */
        result = json_fail(doc, root, "base_model_name_or_path", "'%s' holds adapters, too", path);
    if (result == 0)
        result = model_source_open(&s->base, path);
    free(path);
    if (result < 0)
        return -1;
    m->trained = s->base.trained;
    m->dtype = s->base.dtype;
    if (config_copy(&m->config, &s->base.config) < 0 || read_lora(doc, root, &m->config, &l) < 0 ||
        config_set_lora(&m->config, &l) < 0)
        return -1;
    return params_init(&m->params, &m->config);
}

/* ---- the adapters ---- */

static int
check_part(const struct safetensors *file, const struct name_part *part)
{
    const struct tensor_info *t = safetensors_find(file, part->name);

    if (!t)
        return err_set(STATUS_INPUT, "%s: tensor %s is missing", file->path, part->name);
    if (!dtype_is_real(t->dtype) || t->rank != 2 || t->shape[0] != (uint64_t)part->rows ||
        t->shape[1] != (uint64_t)part->columns)
        return err_set(STATUS_INPUT, "%s: tensor %s: expected [%lld, %lld] of real numbers",
                       file->path, part->name, (long long)part->rows, (long long)part->columns);
    return 0;
}

/* All that the table has, and nothing else. */
static int
check_adapters(struct peft *s)
{
    const struct params *p = s->params;
    size_t found = 0;
    int plain = 0;

    s->index = mem_zarray((size_t)p->count + 1, sizeof *s->index);
    for (int i = 0; i < p->count; i++) {
        struct name_part part[NAME_PARTS];
        int parts = p->param[i].adapter ? names_adapter_parts(s->config, p, i, part) : 0;
        if (parts == 0)
            s->index[i] = plain++;
        for (int k = 0; k < parts; k++, found++)
            if (check_part(&s->file, &part[k]) < 0)
                return -1;
    }
    if (found != s->file.count)
        return err_set(STATUS_INPUT, "%s: %zu tensors, adapter_config.json wants %zu", s->file.path,
                       s->file.count, found);
    return 0;
}

/* Elements [first, first + n) of a part, in our order. */
static int
read_part(const struct peft *s, const struct name_part *part, int64_t first, int64_t n, float *out)
{
    const struct tensor_info *t = safetensors_find(&s->file, part->name);

    for (int64_t run, at; n > 0; first += run, out += run, n -= run) {
        run = names_run(part, first, n, &at);
        if (safetensors_read_float(&s->file, t, (uint64_t)at, (size_t)run, out) < 0)
            return -1;
    }
    return 0;
}

static int
peft_read(void *state, int param, int64_t offset, int64_t n, float *out)
{
    const struct peft *s = state;
    struct name_part part[NAME_PARTS];

    if (!s->params->param[param].adapter)
        return model_source_read(&s->base, s->index[param], offset, n, out);
    int parts = names_adapter_parts(s->config, s->params, param, part);
    for (int k = 0; k < parts && n > 0; k++) {
        int64_t begin = part[k].first * part[k].columns;
        int64_t end = begin + part[k].rows * part[k].columns;
        int64_t count = n < end - offset ? n : end - offset;
        if (offset < begin || offset >= end)
            continue;
        if (read_part(s, &part[k], offset - begin, count, out) < 0)
            return -1;
        offset += count;
        out += count;
        n -= count;
    }
    return 0;
}

static const struct model_source *
peft_base(void *state)
{
    const struct peft *s = state;
    return &s->base;
}

static void
peft_close(void *state)
{
    struct peft *s = state;

    model_source_close(&s->base);
    safetensors_close(&s->file);
    if (s->params)
        params_release(s->params);
    if (s->config)
        config_release(s->config);
    free(s->params);
    free(s->config);
    free(s->index);
    free(s);
}

static const struct model_reader peft_reader = {
    .kind = "peft", .read = peft_read, .base = peft_base, .close = peft_close};

/* Tables of its own: the source may be moved. */
static int
take_tables(struct peft *s, const struct model_source *m)
{
    s->config = mem_zalloc(sizeof *s->config);
    s->params = mem_zalloc(sizeof *s->params);
    if (config_copy(s->config, &m->config) < 0)
        return -1;
    return params_init(s->params, s->config);
}

int
peft_source_open(struct model_source *m)
{
    struct peft *s = mem_zalloc(sizeof *s);
    struct json_doc doc = {0};
    const json_t *root;
    char *config = file_join(m->path, "adapter_config.json");
    char *weights = file_join(m->path, "adapter_model.safetensors");
    int result = -1;

    m->reader = &peft_reader;
    m->state = s;
    if (json_doc_load(&doc, config, CONFIG_LIMIT) == 0 && json_root_object(&doc, &root) > 0 &&
        refuse_others(&doc, root) == 0 && open_base(s, &doc, root, m) == 0 &&
        take_tables(s, m) == 0 && safetensors_open(&s->file, weights) == 0)
        result = check_adapters(s);
    json_doc_release(&doc);
    free(config);
    free(weights);
    return result;
}
