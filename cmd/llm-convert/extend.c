/* A model with the tokenizer that extends its own: a model_source with rows for the new tokens. */
#include "cmd/llm-convert/convert.h"

#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "checkpoint/new_tokens.h"

struct extended {
    struct model_source base;
    const char *path; /* of the tokenizer, */
    struct tokenizer *tokenizer;
    struct new_tokens tokens;
    int param[2];   /* of embedding and head (-1: tied), */
    float *rows[2]; /* and their new rows: [end - first][columns] */
};

/* ---- reading ---- */

/* Elements of a tensor that has new rows: of the base, then ours, then the base's rest. */
static int
read_grown(const struct extended *e, int k, int64_t offset, int64_t n, float *out)
{
    const struct param *p = &e->base.params.param[e->param[k]];
    int64_t first = e->tokens.first * p->columns, end = e->tokens.end * p->columns;
    while (n > 0) {
        int64_t border = offset < first ? first : offset < end ? end : INT64_MAX;
        int64_t m = n < border - offset ? n : border - offset;
        if (offset >= first && offset < end)
            memcpy(out, e->rows[k] + (offset - first), (size_t)m * sizeof *out);
        else if (model_source_read(&e->base, e->param[k], offset, m, out) < 0)
            return -1;
        offset += m;
        out += m;
        n -= m;
    }
    return 0;
}

static int
extended_read(void *state, int param, int64_t offset, int64_t n, float *out)
{
    const struct extended *e = state;
    for (int k = 0; k < 2; k++)
        if (param == e->param[k])
            return read_grown(e, k, offset, n, out);
    return model_source_read(&e->base, param, offset, n, out);
}

static struct tokenizer *
extended_tokenizer(void *state)
{
    const struct extended *e = state;
    return tokenizer_load(e->path);
}

/* ---- files: the new tokenizer's, and of the base's those that do not describe its own ---- */

struct filter {
    const struct extended *e;
    int (*take)(void *arg, const char *name, const char *data, size_t n);
    void *arg;
};

static int
take_others(void *arg, const char *name, const char *data, size_t n)
{
    static const char *const stale[] = {"tokenizer.json", "tokenizer.model", "added_tokens.json",
                                        "vocab.json",     "vocab.txt",       "merges.txt",
                                        "spiece.model",   "tekken.json"};
    const struct filter *f = arg;
    const struct tokenizer_file *own;
    size_t count = tokenizer_files(f->e->tokenizer, &own);
    bool skip = str_ends(name, ".tiktoken");
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++)
        skip |= strcmp(name, stale[i]) == 0;
    for (size_t i = 0; i < count; i++)
        skip |= strcmp(name, own[i].name) == 0;
    return skip ? 0 : f->take(f->arg, name, data, n);
}

static int
extended_files(void *state, int (*take)(void *arg, const char *name, const char *data, size_t n),
               void *arg)
{
    const struct extended *e = state;
    const struct tokenizer_file *own;
    size_t count = tokenizer_files(e->tokenizer, &own);
    struct filter f = {e, take, arg};
    for (size_t i = 0; i < count; i++)
        if (take(arg, own[i].name, own[i].data, own[i].size) < 0)
            return -1;
    return model_source_files(&e->base, take_others, &f);
}

static void
extended_close(void *state)
{
    struct extended *e = state;
    model_source_close(&e->base);
    tokenizer_free(e->tokenizer);
    new_tokens_release(&e->tokens);
    free(e->rows[0]);
    free(e->rows[1]);
    free(e);
}

static const struct model_source *
extended_base(void *state)
{
    const struct extended *e = state;
    return &e->base;
}

static const struct model_reader extended_reader = {.kind = "extended",
                                                    .read = extended_read,
                                                    .base = extended_base,
                                                    .tokenizer = extended_tokenizer,
                                                    .files = extended_files,
                                                    .close = extended_close};

/* ---- opening ---- */

static int
find_tokens(struct extended *e)
{
    struct tokenizer *old = model_source_tokenizer(&e->base);
    uint32_t known = (uint32_t)e->base.config.vocab_size;
    if (!old)
        return -1;
    if (tokenizer_vocabulary(old) < known)
        known = tokenizer_vocabulary(old); /* the model has more rows than its tokenizer ids */
    e->tokenizer = tokenizer_load(e->path);
    int result = e->tokenizer ? 0 : -1;
    if (result == 0 && new_tokens_find(&e->tokens, old, e->tokenizer, known) < 0)
        result = err_prefix("%s", e->path);
    tokenizer_free(old);
    return result;
}

/* The rows before the new ones are read once, for the means. */
static int
make_rows(struct extended *e, int k)
{
    const struct param *p = &e->base.params.param[e->param[k]];
    int64_t first = e->tokens.first * p->columns, end = e->tokens.end * p->columns;
    float *all = mem_array((size_t)end + 1, sizeof *all);
    int result = model_source_read(&e->base, e->param[k], 0, first, all);
    if (result == 0) {
        new_tokens_fill(&e->tokens, p->columns, all);
        e->rows[k] = mem_array((size_t)(end - first) + 1, sizeof *all);
        memcpy(e->rows[k], all + first, (size_t)(end - first) * sizeof *all);
    }
    free(all);
    return result;
}

static int
extend(struct extended *e, struct model_source *m)
{
    const struct params *p = &e->base.params;
    if (find_tokens(e) < 0)
        return -1;
    int64_t rows = e->tokens.end > e->base.config.vocab_size ? e->tokens.end
                                                             : e->base.config.vocab_size;
    int result = config_grow(&m->config, &e->base.config, rows);
    if (result == 0)
        result = params_init(&m->params, &m->config);
    e->param[0] = p->embedding;
    e->param[1] = p->head == p->embedding ? -1 : p->head;
    for (int k = 0; k < 2 && result == 0; k++)
        if (e->param[k] >= 0)
            result = make_rows(e, k);
    return result;
}

int
extended_open(struct model_source *m, const char *tokenizer)
{
    struct extended *e = mem_zalloc(sizeof *e);
    e->base = *m;
    e->path = tokenizer;
    *m = (struct model_source){.path = mem_strdup(e->base.path),
                               .reader = &extended_reader,
                               .state = e,
                               .dtype = e->base.dtype};
    int result = extend(e, m);
    if (result < 0)
        model_source_close(m);
    else
        note("the vectors of %u new tokens begin as the means of those that stood for them",
             (unsigned)(e->tokens.end - e->tokens.first));
    return result;
}
