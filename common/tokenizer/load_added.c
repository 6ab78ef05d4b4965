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
    a->content = mem_dup(content, a->length + 1); /* it may hold NUL */
    return 0;
}

/* The normalized content, if it is another one. */
static int
normalize_token(const struct tokenizer *t, struct added_token *a)
{
    struct normalizer_scratch s = {0};
    const char *text = a->content;
    size_t n = a->length;
    int rc = normalizer_run(&t->normalizer, &s, &text, &n, NULL);
    if (rc == 0 && (n != a->length || memcmp(text, a->content, n))) {
        a->normal = mem_dup(text, n ? n : 1);
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

/* The same token once more, with the same flags, changes nothing. */
static bool
is_repeated(const struct tokenizer *t, const struct added_token *a)
{
    for (size_t i = t->added.len; i-- > 0;) {
        const struct added_token *b = &t->added.data[i];
        if (b->id == a->id)
            return b->length == a->length && !memcmp(b->content, a->content, a->length) &&
                   b->single_word == a->single_word && b->lstrip == a->lstrip &&
                   b->rstrip == a->rstrip && b->normalized == a->normalized &&
                   b->special == a->special;
    }
    return false;
}

/* One element: 0, or -1; what was added is owned by t. */
static int
add_token(struct tokenizer *t, const struct json_doc *doc, const json_t *item, struct vocab *seen,
          uint32_t *next)
{
    struct added_token a = {0};
    if (load_token(doc, item, &a) < 0)
        return -1;
    int rc = 0;
    if (a.length == 0) /* no token, as Hugging Face has it */
        goto unused;
    if (!vocab_add(seen, a.id, a.content, a.length)) {
        if (!is_repeated(t, &a))
            rc = json_fail(doc, item, "id", "%u stands twice", a.id);
        goto unused;
    }
    rc = check_id(t, doc, item, &a, next);
    if (rc < 0)
        goto unused;
    vec_push(&t->added, a);
    return a.normalized ? normalize_token(t, &t->added.data[t->added.len - 1]) : 0;
unused:
    free(a.content);
    return rc;
}

static int
load_tokens(struct tokenizer *t, const struct json_doc *doc, const json_t *json)
{
    uint32_t next = t->vocab.count;
    struct vocab seen = {0};
    int rc = 0;
    for (size_t i = 0; i < json_array_size(json) && rc == 0; i++) {
        const json_t *item = NULL;
        rc = json_at_object(doc, json, i, &item) < 0 ? -1 : add_token(t, doc, item, &seen, &next);
    }
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

/* Hugging Face looks the decoded form up among the special tokens' contents. */
static void
find_skipped(struct tokenizer *t)
{
    struct vocab special = {0};
    uint32_t first, second;
    for (uint32_t i = 0; i < t->added.len; i++)
        if (t->added.data[i].special)
            vocab_add(&special, i, t->added.data[i].content, t->added.data[i].length);
    vocab_index(&special, &first, &second); /* no content stands twice */
    for (size_t i = 0; i < t->added.len; i++) {
        struct added_token *a = &t->added.data[i];
        const char *text = a->normal ? a->normal : a->content;
        size_t n = a->normal ? a->normal_length : a->length;
        a->skipped = vocab_find(&special, text, n) != UINT32_MAX;
    }
    vocab_release(&special);
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
    find_skipped(t);
    t->vocabulary = (uint32_t)t->vocab.entries.len;
    for (size_t i = 0; i < t->added.len; i++)
        if (t->added.data[i].id >= t->vocabulary)
            t->vocabulary = t->added.data[i].id + 1;
    t->added_of = mem_zarray(t->vocabulary ? t->vocabulary : 1, sizeof *t->added_of);
    for (uint32_t i = 0; i < t->added.len; i++)
        t->added_of[t->added.data[i].id] = i + 1;
    return 0;
}
