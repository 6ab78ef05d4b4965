#include "checkpoint/new_tokens.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "json/json.h"
#include "tokenizer/extension.h"

/* ---- is one an extension of the other? ---- */

static int
check_known(const struct tokenizer *old, const struct tokenizer *grown, uint32_t known)
{
    for (uint32_t id = 0; id < known; id++) {
        size_t n = 0, m = 0;
        const char *x = tokenizer_text(old, id, &n), *y = tokenizer_text(grown, id, &m);
        if (x && (!y || n != m || memcmp(x, y, n) != 0))
            return err_set(STATUS_INPUT,
                           "token %u is '%.*s', of the model's tokenizer it is '%.*s': not an "
                           "extension",
                           id, (int)m, y ? y : "", (int)n, x);
    }
    return 0;
}

/* ---- what a new token's text was before ---- */

/* A token as it stands within a text: what a second one adds to the first. */
static int
text_within(const struct tokenizer *t, uint32_t id, struct str *out)
{
    const uint32_t twice[2] = {id, id};
    struct str one = {0}, two = {0};
    int result = tokenizer_decode(t, twice, 1, false, &one);
    if (result == 0)
        result = tokenizer_decode(t, twice, 2, false, &two);
    if (result == 0 && two.len >= one.len && (!one.len || !memcmp(two.data, one.data, one.len)))
        str_add(out, two.data + one.len, two.len - one.len);
    str_release(&one);
    str_release(&two);
    return result;
}

/* As the old tokenizer cuts it. */
static int
cut(const struct tokenizer *old, struct tokenizer_scratch *scratch, const struct tokenizer *grown,
    uint32_t id, struct ids *out)
{
    struct str text = {0};
    size_t n, before = out->len;
    const char *own = tokenizer_text(grown, id, &n);
    int result = own ? text_within(grown, id, &text) : 0;
    bool whole = text.len && utf8_valid(text.data, text.len) == text.len;
    if (result == 0 && whole)
        result = tokenizer_encode(old, scratch, text.data, text.len, 0, out);
    if (result == 0 && own && out->len == before)
        result = err_set(STATUS_INPUT, "new token %u '%.*s': the model's tokenizer cannot cut it",
                         id, (int)n, own);
    str_release(&text);
    return result;
}

static int
find_pieces(struct new_tokens *n, const struct tokenizer *old, struct tokenizer_scratch *scratch,
            const struct tokenizer *grown, uint32_t id)
{
    const uint32_t *ids;
    size_t count = tokenizer_replaces(grown, id, &ids);
    for (size_t i = 0; i < count; i++)
        vec_push(&n->pieces, ids[i]);
    if (count > 0)
        return 0;
    if (!old)
        return err_set(STATUS_INPUT, "token %u was not added by an extension", id);
    return cut(old, scratch, grown, id, &n->pieces);
}

int
new_tokens_find(struct new_tokens *n, const struct tokenizer *old, const struct tokenizer *grown,
                uint32_t known)
{
    uint32_t all = tokenizer_vocabulary(grown);
    struct tokenizer_scratch *scratch = old ? tokenizer_scratch_new(old) : NULL;
    *n = (struct new_tokens){.first = known, .end = all > known ? all : known};
    n->begin = mem_zarray((size_t)(n->end - known) + 1, sizeof *n->begin);
    int result = old ? check_known(old, grown, known) : 0;
    for (uint32_t id = known; id < n->end && result == 0; id++) {
        result = find_pieces(n, old, scratch, grown, id);
        n->begin[id - known + 1] = n->pieces.len;
    }
    tokenizer_scratch_free(scratch);
    return result;
}

void
new_tokens_release(struct new_tokens *n)
{
    vec_release(&n->pieces);
    free(n->begin);
    *n = (struct new_tokens){0};
}

void
new_tokens_fill(const struct new_tokens *n, int64_t columns, float *rows)
{
    double *mean = mem_array((size_t)columns, sizeof *mean);
    for (uint32_t id = n->first; id < n->end; id++) {
        size_t begin = n->begin[id - n->first], end = n->begin[id - n->first + 1];
        memset(mean, 0, (size_t)columns * sizeof *mean);
        for (size_t k = begin; k < end; k++)
            for (int64_t c = 0; c < columns; c++)
                mean[c] += (double)rows[n->pieces.data[k] * columns + c];
        for (int64_t c = 0; c < columns && end > begin; c++) /* a gap of the ids gets zeros */
            rows[id * columns + c] = (float)(mean[c] / (double)(end - begin));
        if (end == begin)
            memset(rows + id * columns, 0, (size_t)columns * sizeof *rows);
    }
    free(mean);
}

int
config_grow(struct config *to, const struct config *from, int64_t vocab_size)
{
    return config_with(to, from, "vocab_size", json_integer(vocab_size));
}
