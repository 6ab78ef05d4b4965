#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tokenizer/internal.h"

/* A BPE model of tokenizer.json: merges and flags. */

struct merges VEC_BODY(struct bpe_merge);

/* A token of a merge; `what` names it in messages. */
static uint32_t
merge_token(const struct tokenizer *t, const struct json_doc *doc, const json_t *merges, size_t i,
            const char *s, size_t n)
{
    uint32_t id = vocab_find(&t->vocab, s, n);
    if (id == UINT32_MAX)
        json_fail_at(doc, merges, i, "\"%.*s\" is not in the vocabulary", n > 200 ? 200 : (int)n,
                     s);
    return id;
}

static int
add_merge(const struct tokenizer *t, const struct json_doc *doc, const json_t *json, size_t i,
          const char *a, size_t a_len, const char *b, size_t b_len, struct merges *out)
{
    struct bpe_merge m = {.rank = (uint32_t)i};
    if ((m.left = merge_token(t, doc, json, i, a, a_len)) == UINT32_MAX ||
        (m.right = merge_token(t, doc, json, i, b, b_len)) == UINT32_MAX)
        return -1;
    size_t skip = t->bpe.prefix_len;
    if (skip > b_len)
        return json_fail_at(doc, json, i, "the right side is shorter than the subword prefix");
    char joined[256];
    struct str longer = {0};
    const char *s = joined;
    size_t n = a_len + b_len - skip;
    if (n <= sizeof joined) {
        memcpy(joined, a, a_len);
        memcpy(joined + a_len, b + skip, b_len - skip);
    } else {
        str_add(&longer, a, a_len);
        str_add(&longer, b + skip, b_len - skip);
        s = longer.data;
    }
    m.result = merge_token(t, doc, json, i, s, n);
    str_release(&longer);
    if (m.result == UINT32_MAX)
        return -1;
    vec_push(out, m);
    return 0;
}

#define VERSION_LINE "#version"

/* "a b": exactly one space. */
static int
string_merge(const struct tokenizer *t, const struct json_doc *doc, const json_t *json, size_t i,
             struct merges *out)
{
    const char *s = NULL;
    size_t n = 0;
    if (json_at_bytes(doc, json, i, &s, &n) < 0)
        return -1;
    if (n >= strlen(VERSION_LINE) && !memcmp(s, VERSION_LINE, strlen(VERSION_LINE)))
        return 0; /* a line of merges.txt that is none, left out as Hugging Face does */
    const char *space = memchr(s, ' ', n);
    if (!space || memchr(space + 1, ' ', n - (size_t)(space + 1 - s)))
        return json_fail_at(doc, json, i, "expected two tokens with one space between");
    size_t a = (size_t)(space - s);
    return add_merge(t, doc, json, i, s, a, space + 1, n - a - 1, out);
}

static int
pair_merge(const struct tokenizer *t, const struct json_doc *doc, const json_t *json, size_t i,
           struct merges *out)
{
    const json_t *pair = NULL;
    const char *a = NULL, *b = NULL;
    size_t a_len = 0, b_len = 0;
    if (json_at_array(doc, json, i, &pair) < 0)
        return -1;
    if (json_array_size(pair) != 2)
        return json_fail_at(doc, json, i, "expected two tokens");
    if (json_at_bytes(doc, pair, 0, &a, &a_len) < 0 || json_at_bytes(doc, pair, 1, &b, &b_len) < 0)
        return -1;
    return add_merge(t, doc, json, i, a, a_len, b, b_len, out);
}

static int
load_merges(const struct tokenizer *t, const struct json_doc *doc, const json_t *model,
            const struct bulk *bulk, struct merges *out)
{
    const json_t *json = NULL;
    if (json_get_array(doc, model, "merges", JSON_NEED, &json) < 0)
        return -1;
    bool apart = bulk && bulk->has_merges;
    size_t n = apart ? bulk->merges.len : json_array_size(json);
    if (n > BPE_MERGES_MAX)
        return json_fail(doc, model, "merges", "more than %d are not supported", BPE_MERGES_MAX);
    vec_reserve(out, n + 1);
    for (size_t i = 0; apart && i < n; i++) {
        const struct bulk_merge *m = &bulk->merges.data[i];
        if (add_merge(t, doc, json, i, m->left, m->left_n, m->right, m->right_n, out) < 0)
            return -1;
    }
    bool strings = n > 0 && json_is_string(json_array_get(json, 0));
    for (size_t i = 0; !apart && i < n; i++)
        if ((strings ? string_merge : pair_merge)(t, doc, json, i, out) < 0)
            return -1;
    return 0;
}

/* A member that may be null, absent or empty, all meaning none. */
static int
load_affix(const struct json_doc *doc, const json_t *model, const char *key, char **out, size_t *n)
{
    const char *s = NULL;
    if (json_get_bytes(doc, model, key, JSON_MAY, &s, n) < 0)
        return -1;
    if (s && *n > 0)
        *out = mem_dup(s, *n);
    return 0;
}

static int
load_flags(struct tokenizer *t, const struct json_doc *doc, const json_t *model)
{
    double dropout = 0;
    const char *unk = NULL;
    size_t n = 0;
    struct bpe *b = &t->bpe;
    if (json_get_real(doc, model, "dropout", JSON_MAY, &dropout) < 0 ||
        json_get_bool(doc, model, "fuse_unk", JSON_MAY, &b->fuse_unk) < 0 ||
        json_get_bool(doc, model, "byte_fallback", JSON_MAY, &b->byte_fallback) < 0 ||
        json_get_bool(doc, model, "ignore_merges", JSON_MAY, &b->ignore_merges) < 0 ||
        load_affix(doc, model, "continuing_subword_prefix", &b->prefix, &b->prefix_len) < 0 ||
        load_affix(doc, model, "end_of_word_suffix", &b->suffix, &b->suffix_len) < 0 ||
        json_get_bytes(doc, model, "unk_token", JSON_MAY, &unk, &n) < 0)
        return -1;
    if (dropout < 0 || dropout > 0)
        return json_fail(doc, model, "dropout", "random merges are not supported");
    t->unk = b->unk = unk ? vocab_find(&t->vocab, unk, n) : UINT32_MAX;
    return 0;
}

/* Of a merge that stands twice Hugging Face takes the last; such a file is damaged: refused. */
static int
build(struct bpe *b, const struct vocab *vocab, const struct merges *merges,
      const struct json_doc *doc, const json_t *model)
{
    long twice = bpe_build(b, vocab, merges->data, (uint32_t)merges->len);
    if (twice < 0)
        return 0;
    if ((size_t)twice >= merges->len)
        return json_fail(doc, model, "merges", "made to collide in a table: not supported");
    return json_fail_at(doc, json_object_get(model, "merges"), merges->data[twice].rank,
                        "this merge stands twice");
}

/*
 * An unknown token that the vocabulary lacks makes Hugging Face fail when a text needs
 * it: no text does when every byte is a unit.
 */
static int
check_unknown(const struct tokenizer *t, const struct json_doc *doc, const json_t *model)
{
    const char *unk = NULL;
    size_t n = 0;
    const struct bpe *b = &t->bpe;
    if (json_get_bytes(doc, model, "unk_token", JSON_MAY, &unk, &n) <= 0 || b->unk != TOKEN_NONE)
        return 0;
    bool needed = !b->byte_level;
    for (size_t i = 0; b->byte_level && i < 256; i++)
        needed |= b->byte_units[i] == TOKEN_NONE;
    return needed ? json_fail(doc, model, "unk_token", "\"%.100s\" is not in the vocabulary", unk)
                  : 0;
}

int
load_bpe(struct tokenizer *t, const struct json_doc *doc, const json_t *model, struct bulk *bulk)
{
    struct merges merges = {0};
    int rc = -1;
    if (json_only_keys(doc, model,
                       "type|dropout|unk_token|continuing_subword_prefix|end_of_word_suffix|"
                       "fuse_unk|byte_fallback|ignore_merges|vocab|merges|extension") < 0 ||
        load_vocab(t, doc, model, bulk) < 0 || load_flags(t, doc, model) < 0 ||
        load_merges(t, doc, model, bulk, &merges) < 0)
        goto out;
    struct bpe *b = &t->bpe;
    /* with affixes the units are not single bytes: then the byte map is carried out */
    if (b->prefix || b->suffix)
        pretokenizer_keep_byte_map(&t->pretokenizer);
    b->byte_level = t->pretokenizer.byte_level;
    if (build(b, &t->vocab, &merges, doc, model) == 0)
        rc = check_unknown(t, doc, model);
out:
    vec_release(&merges);
    return rc;
}
