/* The files beside a model's weights, held until they are written; and its config.json. */
#include "cmd/llm-convert/convert.h"

#include <string.h>

#include "base/mem.h"
#include "json/json.h"

static int
keep(void *arg, const char *name, const char *data, size_t n)
{
    struct side_files *s = arg;
    char *copy = mem_alloc(n + 1);
    memcpy(copy, data, n);
    vec_push(s, ((struct tokenizer_file){mem_strdup(name), copy, n}));
    return 0;
}

int
side_files_load(struct side_files *s, const struct model_source *m)
{
    *s = (struct side_files){0};
    return model_source_files(m, keep, s);
}

void
side_files_release(struct side_files *s)
{
    for (size_t i = 0; i < s->len; i++) {
        free((void *)(uintptr_t)s->data[i].name);
        free((void *)(uintptr_t)s->data[i].data);
    }
    vec_release(s);
}

/* ---- config.json ---- */

static const char *
torch_name(enum dtype t)
{
    switch (t) {
    case DTYPE_BF16: return "bfloat16";
    case DTYPE_F16: return "float16";
    case DTYPE_F64: return "float64";
    default: return "float32";
    }
}

/* A Hugging Face directory's own, with what has changed: type and vocabulary. */
static void
patch(json_t *root, const struct model_source *m, const char *type)
{
    const char *const keys[] = {"dtype", "torch_dtype"};
    bool set = false;
    for (size_t i = 0; i < 2; i++)
        if (json_object_get(root, keys[i])) {
            json_object_set_new(root, keys[i], json_string(type));
            set = true;
        }
    if (!set)
        json_object_set_new(root, "dtype", json_string(type));
    json_object_set_new(root, "vocab_size", json_integer(m->config.vocab_size));
}

/* Other names of what config_write says. */
static bool
is_alias(const char *key)
{
    static const char *const names[] = {
        "torch_dtype",           "rope_theta",  "rope_scaling",     "rotary_emb_base", "rotary_pct",
        "partial_rotary_factor", "num_experts", "num_local_experts"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}

/* Written by us, with what else the model's own says: members we do not know, and lists of ends. */
static void
add_others(json_t *root, const json_t *own)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)own, key, value)
    {
        bool list = strcmp(key, "eos_token_id") == 0 && json_is_array(value);
        bool other = !json_object_get(root, key) && !json_is_null(value) && !is_alias(key);
        if (list || other)
            json_object_set(root, key, value);
    }
}

int
side_config(const struct model_source *m, enum dtype type, bool changed, struct str *out)
{
    const struct model_source *base = source_base(m);
    const char *own = m->config.json;
    bool directory = !base->checkpoint && !base->reader;
    struct json_doc doc = {0}, made = {0};
    struct str text = {0};
    int result = 0;
    if (own && directory && !changed) {
        str_adds(out, own);
        return 0;
    }
    if (own)
        result = json_doc_parse(&doc, "config.json", own, strlen(own));
    if (result == 0 && own && directory) {
        patch(doc.root, m, torch_name(type));
        json_dump(doc.root, out);
    } else if (result == 0) {
        config_write(&m->config, torch_name(type), &text);
        result = json_doc_parse(&made, "config.json", text.data, text.len);
        if (result == 0 && own)
            add_others(made.root, doc.root);
        if (result == 0)
            json_dump(made.root, out);
    }
    json_doc_release(&doc);
    json_doc_release(&made);
    str_release(&text);
    return result;
}
