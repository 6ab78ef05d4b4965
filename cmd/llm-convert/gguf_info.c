/* --info of a GGUF file: its values, tensors by type, the model and the tokenizer that are made of it. */
#include "cmd/llm-convert/gguf.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_quant.h"
#include "cmd/llm-convert/info.h"

enum { TEXT_LIMIT = 2000 }; /* bytes of a text that is shown; chat templates are longer */

static void
put_text(struct json_writer *w, const char *key, const char *text, size_t n)
{
    if (n <= TEXT_LIMIT) {
        json_put_bytes(w, key, text, n);
        return;
    }
    char *shown = mem_printf("(%zu bytes)", n);
    json_put_string(w, key, shown);
    free(shown);
}

static void
put_array(struct json_writer *w, const struct gguf_value *v)
{
    static const char *const names[GGUF_VALUE_TYPES] = {"u8",  "i8",  "u16",  "i16",    "u32",
                                                        "i32", "f32", "bool", "string", "array",
                                                        "u64", "i64", "f64"};
    char *text = mem_printf("(%llu of %s)", (unsigned long long)v->count, names[v->item]);
    json_put_string(w, v->key, text);
    free(text);
}

static void
put_value(struct json_writer *w, const struct gguf *g, const struct gguf_value *v)
{
    const char *text;
    size_t n;
    int64_t integer = 0;
    double real = 0;
    bool flag = false;
    switch (v->type) {
    case GGUF_ARRAY: put_array(w, v); break;
    case GGUF_STRING:
        if (gguf_get_string(g, v->key, true, &text, &n) > 0)
            put_text(w, v->key, text, n);
        break;
    case GGUF_BOOL:
        if (gguf_get_bool(g, v->key, true, &flag) > 0)
            json_put_bool(w, v->key, flag);
        break;
    case GGUF_F32:
    case GGUF_F64:
        if (gguf_get_real(g, v->key, true, &real) > 0)
            json_put_real(w, v->key, real);
        break;
    default:
        if (gguf_get_int(g, v->key, true, INT64_MIN, INT64_MAX, &integer) > 0)
            json_put_int(w, v->key, integer);
        break;
    }
}

/* "Q4_1": 210 */
static void
put_types(struct json_writer *w, const struct gguf *g)
{
    json_begin_object(w, "tensors");
    for (uint32_t type = 0; type < 64; type++) {
        const struct gguf_block *block = gguf_block_of(type);
        int64_t n = 0;
        for (size_t i = 0; i < g->tensors; i++)
            n += g->tensor[i].type == type;
        if (block && n > 0)
            json_put_int(w, block->name, n);
    }
    json_end_object(w);
}

/* A file may hold what is no model of ours: it is described, and why not is said. */
static void
put_contents(struct json_writer *w, const char *path)
{
    struct model_source m;
    if (model_source_open(&m, path) < 0) {
        json_begin_object(w, "model");
        json_put_string(w, "error", err_text());
        json_end_object(w);
        return;
    }
    info_put_model(w, &m.config, &m.params);
    struct tokenizer *t = model_source_tokenizer(&m);
    json_begin_object(w, "tokenizer");
    if (t)
        info_put_tokenizer(w, t);
    else
        json_put_string(w, "error", err_text());
    json_end_object(w);
    tokenizer_free(t);
    model_source_close(&m);
}

int
info_gguf(struct json_writer *w, const char *path)
{
    struct gguf g;
    if (gguf_open(&g, path) < 0)
        return -1;
    json_put_string(w, "kind", "gguf");
    json_put_string(w, "path", path);
    json_put_uint(w, "bytes", g.file_bytes);
    json_put_uint(w, "version", g.version);
    json_begin_object(w, "metadata");
    for (size_t i = 0; i < g.values; i++)
        put_value(w, &g, &g.value[i]);
    json_end_object(w);
    put_types(w, &g);
    gguf_close(&g);
    put_contents(w, path);
    return 0;
}
