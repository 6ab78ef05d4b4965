#include <string.h>

#include "base/mem.h"
#include "tokenizer/internal.h"

/* The added_tokens member of tokenizer.json. */

static int
load_token(const struct json_doc *doc, const json_t *json, struct added_token *a)
{
    const char *content = NULL;
    int64_t id = 0;
    if (json_only_keys(doc, json, "id|content|single_word|lstrip|rstrip|normalized|special") < 0 ||
        json_get_int(doc, json, "id", JSON_NEED, 0, VOCAB_MAX - 1, &id) < 0 ||
        json_get_bytes(doc, json, "content", JSON_NEED, &content, &a->length) < 0 ||
        json_get_bool(doc, json, "single_word", JSON_NEED, &a->single_word) < 0 ||
        json_get_bool(doc, json, "lstrip", JSON_NEED, &a->lstrip) < 0 ||
        json_get_bool(doc, json, "rstrip", JSON_NEED, &a->rstrip) < 0 ||
        json_get_bool(doc, json, "normalized", JSON_NEED, &a->normalized) < 0 ||
        json_get_bool(doc, json, "special", JSON_NEED, &a->special) < 0)
        return -1;
    a->id = (uint32_t)id;
    a->content = mem_strndup(content, a->length);
    return 0;
}

/* The normalized content, if it is another one. */
static int
normalize_token(const struct tokenizer *t, struct added_token *a)
{
    struct normalizer_scratch s = {0};
    const char *text = a->content;
    size_t n = a->length;
    int rc = normalizer_run(&t->normalizer, &s, &text, &n);
    if (rc == 0 && (n != a->length || memcmp(text, a->content, n))) {
        a->normal = mem_strndup(text, n);
        a->normal_length = n;
    }
    normalizer_scratch_release(&s);
    return rc;
}

/*
 * Hugging Face gives a token that is not in the vocabulary the next free id, whatever
 * the file says: a file in which that differs is refused, for either id may be meant.
 */
static int
check_id(const struct tokenizer *t, const struct json_doc *doc, const json_t *item,
         const struct added_token *a, uint32_t *next)
{
    uint32_t id = vocab_find(&t->vocab, a->content, a->length);
    if (id == UINT32_MAX)
        id = (*next)++;
    if (id == a->id)
        return 0;
    return json_fail(doc, item, "id", "%u, but the token's id is %u by the vocabulary", a->id, id);
}

static int
load_tokens(struct tokenizer *t, const struct json_doc *doc, const json_t *json)
{
    uint32_t next = t->vocab.count;
    struct vocab seen = {0};
    int rc = -1;
    for (size_t i = 0; i < json_array_size(json); i++) {
        struct added_token a = {0};
        const json_t *item = NULL;
        if (json_at_object(doc, json, i, &item) < 0)
            goto out;
        int loaded = load_token(doc, item, &a);
        if (loaded == 0 && a.length == 0) {
            free(a.content);
            continue; /* as Hugging Face does */
        }
        if (loaded == 0)
            vec_push(&t->added, a);
        if (loaded < 0 || check_id(t, doc, item, &a, &next) < 0)
            goto out;
        if (!vocab_add(&seen, a.id, a.content, a.length)) {
            json_fail(doc, item, "content", "the token stands twice");
            goto out;
        }
        if (a.normalized && normalize_token(t, &t->added.data[t->added.len - 1]) < 0)
            goto out;
    }
    rc = 0;
out:
    vocab_release(&seen);
    return rc;
}

static int
build_tries(struct tokenizer *t, const struct json_doc *doc, const json_t *json)
{
    for (uint32_t i = 0; i < t->added.len; i++) {
        const struct added_token *a = &t->added.data[i];
        struct added_trie *trie = a->normalized ? &t->normal : &t->raw;
        const char *text = a->normal ? a->normal : a->content;
        if (!added_trie_add(trie, text, a->normal ? a->normal_length : a->length, i))
            return json_fail_at(doc, json, i,
                                "normalized, the token is empty or another one's twin");
    }
    return 0;
}

int
load_added(struct tokenizer *t, const struct json_doc *doc, const json_t *root)
{
    const json_t *json = NULL;
    added_trie_init(&t->raw);
    added_trie_init(&t->normal);
    int given = json_get_array(doc, root, "added_tokens", JSON_MAY, &json);
    if (given < 0 || (given && load_tokens(t, doc, json) < 0) ||
        (given && build_tries(t, doc, json) < 0))
        return -1;
    t->vocabulary = (uint32_t)t->vocab.entries.len;
    for (size_t i = 0; i < t->added.len; i++)
        if (t->added.data[i].id >= t->vocabulary)
            t->vocabulary = t->added.data[i].id + 1;
    t->added_of = mem_zarray(t->vocabulary ? t->vocabulary : 1, sizeof *t->added_of);
    for (uint32_t i = 0; i < t->added.len; i++)
        t->added_of[t->added.data[i].id] = i + 1;
    return 0;
}
