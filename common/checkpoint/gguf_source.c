#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_config.h"
#include "checkpoint/gguf_names.h"
#include "checkpoint/gguf_quant.h"
#include "checkpoint/gguf_tokenizer.h"
#include "checkpoint/model_source.h"

/* A GGUF file as a model. */

struct place {
    struct gguf_part part;
    const struct gguf_tensor *tensor;
};

struct gguf_model {
    struct gguf file;
    struct place (*place)[GGUF_PARTS]; /* [param] */
    int *parts;                        /* [param] */
};

/* ---- tensors ---- */

/* [expert][rows][columns], without what the part has not. */
static bool
shape_is(const struct config *c, const struct place *p)
{
    const struct gguf_tensor *t = p->tensor;
    uint64_t size[GGUF_DIMENSIONS] = {1, 1, 1, 1};
    int n = 0;
    if (!p->part.vector)
        size[n++] = (uint64_t)p->part.columns;
    size[n++] = (uint64_t)p->part.rows;
    if (p->part.expert >= 0)
        size[n++] = (uint64_t)c->num_experts;
    return memcmp(size, t->size, sizeof size) == 0;
}

static int
find_place(const struct model_source *m, struct gguf_model *g, struct place *p)
{
    p->tensor = gguf_find_tensor(&g->file, p->part.name);
    if (!p->tensor)
        return err_set(STATUS_INPUT, "%s: tensor %s is missing", m->path, p->part.name);
    if (!shape_is(&m->config, p))
        return err_set(
            STATUS_INPUT, "%s: tensor %s: sizes %llu, %llu, %llu do not fit the model's values",
            m->path, p->part.name, (unsigned long long)p->tensor->size[0],
            (unsigned long long)p->tensor->size[1], (unsigned long long)p->tensor->size[2]);
    const struct gguf_block *block = gguf_block_of(p->tensor->type);
    if (!block->read)
        return err_set(STATUS_INPUT, "%s: tensor %s: type %s is not supported", m->path,
                       p->part.name, block->name);
    return 0;
}

/* Nothing but the table's tensors; rope_freqs.weight went into the configuration. */
static int
check_strangers(const struct model_source *m, const struct gguf *g, const bool *used)
{
    for (size_t i = 0; i < g->tensors; i++)
        if (!used[i] && strcmp(g->tensor[i].name, "rope_freqs.weight") != 0 &&
            !glob_match("blk.*.attn_rot_embd.weight", g->tensor[i].name))
            return err_set(STATUS_INPUT, "%s: tensor %s does not belong to a %s model", m->path,
                           g->tensor[i].name, m->config.model_type);
    return 0;
}

static int
find_tensors(struct model_source *m, struct gguf_model *g)
{
    int n = m->params.count, result = 0;
    bool *used = mem_zarray(g->file.tensors + 1, sizeof *used);
    g->place = mem_zarray((size_t)n + 1, sizeof *g->place);
    g->parts = mem_zarray((size_t)n + 1, sizeof *g->parts);
    for (int i = 0; i < n && result == 0; i++) {
        struct gguf_part part[GGUF_PARTS];
        g->parts[i] = gguf_parts(&m->config, &m->params.param[i], part);
        if (g->parts[i] == 0)
            result = err_set(STATUS_INPUT, "%s: no GGUF tensor is known for %s", m->path,
                             m->params.param[i].name);
        for (int k = 0; k < g->parts[i] && result == 0; k++) {
            g->place[i][k].part = part[k];
            result = find_place(m, g, &g->place[i][k]);
            if (result == 0)
                used[g->place[i][k].tensor - g->file.tensor] = true;
        }
    }
    if (result == 0)
        result = check_strangers(m, &g->file, used);
    free(used);
    return result;
}

/* ---- reading ---- */

/* Elements [first, first + n) of a part, in our order. */
static int
read_part(const struct gguf *g, const struct place *p, int64_t first, int64_t n, float *out)
{
    const struct gguf_part *part = &p->part;
    int64_t expert = part->expert > 0 ? part->expert * part->rows * part->columns : 0;
    if (part->head == 0)
        return gguf_read_float(g, p->tensor, (uint64_t)(expert + first), (size_t)n, out);
    while (n > 0) {
        int64_t row = first / part->columns, column = first % part->columns;
        int64_t count = part->columns - column < n ? part->columns - column : n;
        int64_t at = gguf_row(part, row) * part->columns + column;
        if (gguf_read_float(g, p->tensor, (uint64_t)at, (size_t)count, out) < 0)
            return -1;
        first += count;
        out += count;
        n -= count;
    }
    return 0;
}

static int
read_param(void *state, int param, int64_t offset, int64_t n, float *out)
{
    const struct gguf_model *g = state;
    for (int k = 0; k < g->parts[param] && n > 0; k++) {
        const struct place *p = &g->place[param][k];
        int64_t begin = p->part.first * p->part.columns;
        int64_t end = begin + p->part.rows * p->part.columns;
        if (offset < begin || offset >= end)
            continue;
        int64_t count = n < end - offset ? n : end - offset;
        if (read_part(&g->file, p, offset - begin, count, out) < 0)
            return -1;
        offset += count;
        out += count;
        n -= count;
    }
    return 0;
}

/* ---- the tokenizer ---- */

/* BOS and EOS are what the metadata says, whatever their names look like. */
static int
set_specials(const struct gguf *g, struct tokenizer *t)
{
    static const char *const keys[] = {"bos_token_id", "eos_token_id"};
    char *text[2] = {NULL, NULL};
    int result = 0;
    for (int i = 0; i < 2 && result == 0; i++) {
        const char *s;
        size_t n;
        int64_t id;
        int found = gguf_token_id(g, keys[i], &id);
        if (found > 0 && gguf_token_text(g, id, &s, &n) && tokenizer_id(t, s, n) != TOKEN_NONE)
            text[i] = mem_strndup(s, n);
        result = found < 0 ? -1 : 0;
    }
    if (result == 0)
        result = tokenizer_set_specials(t, text[0], text[1]);
    free(text[0]);
    free(text[1]);
    return result;
}

static struct tokenizer *
make_tokenizer(void *state)
{
    const struct gguf_model *g = state;
    struct str json = {0};
    struct tokenizer *t = NULL;
    if (gguf_tokenizer_json(&g->file, &json) == 0)
        t = tokenizer_load_json(g->file.path, json.data, json.len);
    if (t && set_specials(&g->file, t) < 0) {
        tokenizer_free(t);
        t = NULL;
    }
    str_release(&json);
    return t;
}

static int
make_files(void *state, int (*take)(void *arg, const char *name, const char *data, size_t n),
           void *arg)
{
    const struct gguf_model *g = state;
    static const struct {
        const char *name;
        int (*make)(const struct gguf *g, struct str *json);
    } files[] = {{"tokenizer.json", gguf_tokenizer_json},
                 {"tokenizer_config.json", gguf_tokenizer_config},
                 {"generation_config.json", gguf_generation_config}};
    int result = 0;
    bool tokenizer = gguf_find(&g->file, "tokenizer.ggml.tokens") ||
                     gguf_find(&g->file, "tokenizer.huggingface.json");
    for (size_t i = tokenizer ? 0 : 2; i < 3 && result == 0; i++) {
        struct str text = {0};
        result = files[i].make(&g->file, &text);
        if (result == 0)
            result = take(arg, files[i].name, text.data, text.len);
        str_release(&text);
    }
    return result;
}

/* ---- opening ---- */

static void
close_model(void *state)
{
    struct gguf_model *g = state;
    gguf_close(&g->file);
    free(g->place);
    free(g->parts);
    free(g);
}

/* Of the first matrix, where it is one of the plain types; quantized weights are read as FP32. */
static enum dtype
plain_type(const struct gguf *g)
{
    const struct gguf_tensor *t = gguf_find_tensor(g, "token_embd.weight");
    switch (t ? t->type : GGUF_TYPE_F32) {
    case GGUF_TYPE_F16: return DTYPE_F16;
    case GGUF_TYPE_BF16: return DTYPE_BF16;
    case GGUF_TYPE_F64: return DTYPE_F64;
    default: return DTYPE_F32;
    }
}

int
gguf_source_open(struct model_source *m)
{
    static const struct model_reader reader = {.kind = "gguf",
                                               .read = read_param,
                                               .tokenizer = make_tokenizer,
                                               .files = make_files,
                                               .close = close_model};
    struct gguf_model *g = mem_zalloc(sizeof *g);
    struct str json = {0};
    m->reader = &reader;
    m->state = g;
    int result = gguf_open(&g->file, m->path);
    if (result == 0)
        result = gguf_config(&g->file, &json);
    if (result == 0)
        result = config_parse(&m->config, m->path, json.data, json.len);
    str_release(&json);
    if (result < 0 || params_init(&m->params, &m->config) < 0)
        return -1;
    m->dtype = plain_type(&g->file);
    return find_tensors(m, g);
}
