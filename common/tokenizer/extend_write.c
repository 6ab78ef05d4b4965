#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "tokenizer/bytelevel.h"
#include "tokenizer/extend_internal.h"

/* The base's tokenizer.json with more tokens in it; all else stays as it is. */

struct edit {
    const struct tokenizer *base;
    const struct extension_tokens *x;
    json_t *model;
};

static const char *
token_text(const struct edit *e, uint32_t id, size_t *n)
{
    return vocab_get(&e->x->tokens, id, n);
}

static json_t *
text_json(const struct edit *e, uint32_t id)
{
    size_t n = 0;
    const char *s = token_text(e, id, &n);
    return json_stringn(s, n);
}

static void
set_id(json_t *vocab, const char *s, size_t n, uint32_t id)
{
    char *key = mem_strndup(s, n);
    if (!json_object_get(vocab, key))
        json_object_set_new(vocab, key, json_integer(id));
    free(key);
}

/* BPE: "vocab" maps texts to ids. */
static int
add_to_map(const struct edit *e)
{
    json_t *vocab = json_object_get(e->model, "vocab");
    for (size_t i = 0; i < e->base->added.len; i++) {
        const struct added_token *a = &e->base->added.data[i];
        set_id(vocab, a->content, a->length, a->id);
    }
    for (uint32_t id = e->x->first; id < e->x->tokens.entries.len; id++) {
        size_t n = 0;
        const char *s = token_text(e, id, &n);
        set_id(vocab, s, n, id);
    }
    return 0;
}

static json_t *
pair_of_texts(const struct edit *e, const struct bpe_merge *m)
{
    json_t *pair = json_array();
    json_array_append_new(pair, text_json(e, m->left));
    json_array_append_new(pair, text_json(e, m->right));
    return pair;
}

/* The older form: both with a space between. NULL: one of them has a space. */
static json_t *
text_of_both(const struct edit *e, const struct bpe_merge *m)
{
    size_t n = 0, k = 0;
    const char *left = token_text(e, m->left, &n), *right = token_text(e, m->right, &k);
    struct str both = {0};
    if (memchr(left, ' ', n) || memchr(right, ' ', k))
        return NULL;
    str_add(&both, left, n);
    str_addc(&both, ' ');
    str_add(&both, right, k);
    json_t *json = json_stringn(both.data, both.len);
    str_release(&both);
    return json;
}

static int
add_merges(const struct edit *e)
{
    json_t *merges = json_object_get(e->model, "merges");
    bool strings = json_is_string(json_array_get(merges, 0));
    for (size_t i = 0; i < e->x->merges.len; i++) {
        const struct bpe_merge *m = &e->x->merges.data[i];
        json_t *json = strings ? text_of_both(e, m) : pair_of_texts(e, m);
        if (!json)
            return err_set(STATUS_INPUT, "the base writes merges with spaces between tokens, and a "
                           "new token has one inside");
        json_array_append_new(merges, json);
    }
    return 0;
}

/* Unigram: "vocab" is a list of texts and scores by id. */
static int
add_to_list(const struct edit *e)
{
    json_t *vocab = json_object_get(e->model, "vocab");
    for (uint32_t id = (uint32_t)json_array_size(vocab); id < e->x->tokens.entries.len; id++) {
        json_t *pair = json_array();
        if (id < e->x->first && !added_token(e->base, id)) {
            json_decref(pair);
            return err_set(STATUS_INPUT, "the base has no token of id %u", id);
        }
        json_array_append_new(pair, text_json(e, id));
        double score = id < e->x->first ? 0 : e->x->scores.data[id - e->x->first];
        json_array_append_new(pair, json_real(score));
        json_array_append_new(vocab, pair);
    }
    return 0;
}

/* The ids of the base that stood for a new token. */
static int
replaced(const struct edit *e, struct segmenter *s, uint32_t id, json_t *list)
{
    size_t n = 0;
    const char *text = token_text(e, id, &n);
    struct str bytes = {0};
    struct ids ids = {0};
    if (e->base->kind == MODEL_BPE && e->base->bpe.byte_level) {
        chars_to_bytes(text, n, &bytes);
        text = bytes.data;
        n = bytes.len;
    }
    int rc = segment(s, text, n, &ids);
    json_t *json = json_array();
    for (size_t i = 0; rc == 0 && i < ids.len; i++)
        json_array_append_new(json, json_integer(ids.data[i]));
    json_array_append_new(list, json);
    str_release(&bytes);
    vec_release(&ids);
    return rc;
}

static int
add_extension(const struct edit *e)
{
    json_t *extension = json_object_get(e->model, "extension");
    struct segmenter s;
    int rc = 0;
    if (!extension) {
        extension = json_object();
        json_object_set_new(e->model, "extension", extension);
        json_object_set_new(extension, "first", json_integer(e->x->first));
        json_object_set_new(extension, "replaces", json_array());
    }
    json_t *list = json_object_get(extension, "replaces");
    json_int_t first = json_integer_value(json_object_get(extension, "first"));
    if ((size_t)first + json_array_size(list) != e->x->first)
        return err_set(STATUS_INPUT, "the base was extended before, and has got other tokens since");
    segmenter_init(&s, e->base);
    for (uint32_t id = e->x->first; rc == 0 && id < e->x->tokens.entries.len; id++)
        rc = replaced(e, &s, id, list);
    segmenter_release(&s);
    return rc;
}

static int
edit_model(const struct edit *e)
{
    int rc = e->base->kind == MODEL_UNIGRAM ? add_to_list(e) : add_to_map(e);
    if (rc == 0 && e->base->kind == MODEL_BPE)
        rc = add_merges(e);
    return rc < 0 ? -1 : add_extension(e);
}

static int
append(const char *bytes, size_t n, void *arg)
{
    str_add(arg, bytes, n);
    return 0;
}

int
extend_write(const struct tokenizer *base, const struct extension_tokens *x, struct str *json)
{
    const struct tokenizer_file *files;
    struct json_doc doc = {0};
    tokenizer_files(base, &files); /* the first is tokenizer.json */
    if (json_doc_parse(&doc, files[0].name, files[0].data, files[0].size) < 0)
        return -1;
    struct edit e = {base, x, json_object_get(doc.root, "model")};
    int rc = edit_model(&e);
    if (rc == 0) {
        json_dump_callback(doc.root, append, json, JSON_INDENT(2));
        str_addc(json, '\n');
    }
    json_doc_release(&doc);
    return rc;
}
