#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "text/classes.h"
#include "tokenizer/internal.h"
#include "tokenizer/sp_model.h"
#include "tokenizer/sp_tokenizer.h"

/* From a SentencePiece model to a tokenizer. */

/* Its ids; an id that is none is no word of the model's: others may name one. */
static struct tokenizer_specials
ids_of(const struct sp_model *m)
{
    /* -1 is TOKEN_NONE */
    return (struct tokenizer_specials){(uint32_t)m->bos_id, (uint32_t)m->eos_id,
                                       (uint32_t)m->pad_id, (uint32_t)m->unk_id};
}

static void
add_pieces(struct tokenizer *t, const struct sp_model *m)
{
    uint32_t first, second;
    for (uint32_t i = 0; i < m->pieces.len; i++)
        vocab_add(&t->vocab, i, m->pieces.data[i].text, m->pieces.data[i].length);
    vocab_index(&t->vocab, &first, &second); /* no text stands twice: sp_model_read has looked */
}

int
load_sp(struct tokenizer *t, const char *name, const char *bytes, size_t n)
{
    struct sp_model m;
    if (sp_model_read(&m, name, bytes, n) < 0)
        return -1;
    add_pieces(t, &m);
    t->kind = MODEL_SENTENCEPIECE;
    t->unk = (uint32_t)m.unk_id;
    t->model_ids = ids_of(&m);
    t->pretokenizer.classes = text_classes();
    t->vocabulary = (uint32_t)m.pieces.len;
    t->added_of = mem_zarray(t->vocabulary, sizeof *t->added_of);
    added_trie_init(&t->raw);
    added_trie_init(&t->normal);
    t->sp = mem_zalloc(sizeof *t->sp);
    int rc = sp_build(t->sp, name, &m, &t->vocab);
    sp_model_release(&m);
    return rc;
}

/*
 * tokenizer.json and tokenizer.model are two forms of one vocabulary, whose names of
 * special tokens may differ: it is the ids that count.
 */
int
load_sp_ids(struct tokenizer *t, const char *name, const char *bytes, size_t n)
{
    struct sp_model m;
    if (sp_model_read(&m, name, bytes, n) < 0)
        return -1;
    struct tokenizer_specials ids = ids_of(&m),
                              none = {TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE};
    bool fits = m.pieces.len <= t->vocabulary;
    sp_model_release(&m);
    if (!fits)
        return err_set(STATUS_INPUT, "%s: more pieces than tokenizer.json beside it has tokens",
                       name);
    t->model_ids = none;
    if (ids.bos != TOKEN_NONE && tokenizer_is_special(t, ids.bos))
        t->model_ids.bos = ids.bos;
    if (ids.eos != TOKEN_NONE && tokenizer_is_special(t, ids.eos))
        t->model_ids.eos = ids.eos;
    if (ids.pad != TOKEN_NONE && tokenizer_is_special(t, ids.pad))
        t->model_ids.pad = ids.pad;
    t->model_ids.unk = ids.unk;
    return 0;
}

/* ---- tokenizer_config.json beside a model ---- */

static int
read_token(const struct json_doc *doc, const json_t *json, struct added_token *a)
{
    const char *content = NULL;
    if (json_only_keys(doc, json, "content|single_word|lstrip|rstrip|normalized|special") < 0 ||
        json_get_bytes(doc, json, "content", JSON_NEED, &content, &a->length) < 0 ||
        json_get_bool(doc, json, "single_word", JSON_MAY, &a->single_word) < 0 ||
        json_get_bool(doc, json, "lstrip", JSON_MAY, &a->lstrip) < 0 ||
        json_get_bool(doc, json, "rstrip", JSON_MAY, &a->rstrip) < 0 ||
        json_get_bool(doc, json, "special", JSON_MAY, &a->special) < 0)
        return -1;
    a->content = mem_strndup(content, a->length);
    return 0;
}

static int
add_token(struct tokenizer *t, const struct json_doc *doc, const json_t *list, const char *key,
          const json_t *json)
{
    struct added_token a = {0};
    int64_t id;
    size_t n = 0;
    if (parse_int(key, &id) < 0 || id < 0 || id >= VOCAB_MAX)
        return json_fail(doc, list, key, "not an id");
    if (!json_is_object(json))
        return json_fail(doc, list, key, "expected an object");
    if (read_token(doc, json, &a) < 0)
        return -1;
    a.id = (uint32_t)id;
    const char *piece = vocab_get(&t->vocab, a.id, &n);
    bool same = piece && n == a.length && !memcmp(piece, a.content, n);
    /* what the model has itself is as the model says */
    if (same || (piece && t->sp->kinds[a.id] != SP_NORMAL)) {
        free(a.content);
        return 0;
    }
    if (piece || a.length == 0 || vocab_find(&t->vocab, a.content, a.length) != UINT32_MAX ||
        !added_trie_add(&t->raw, a.content, a.length, (uint32_t)t->added.len)) {
        free(a.content);
        return json_fail(doc, list, key, "the token is not that of tokenizer.model");
    }
    vec_push(&t->added, a);
    return 0;
}

/* Ids beyond the model's, all of them: a gap would be an id without a text. */
static int
index_added(struct tokenizer *t, const struct json_doc *doc, const json_t *list)
{
    uint32_t pieces = t->vocabulary;
    for (size_t i = 0; i < t->added.len; i++)
        if (t->added.data[i].id >= t->vocabulary)
            t->vocabulary = t->added.data[i].id + 1;
    if (t->vocabulary > pieces + 65536)
        return json_fail(doc, list, NULL, "ids far beyond those of tokenizer.model");
    free(t->added_of);
    t->added_of = mem_zarray(t->vocabulary, sizeof *t->added_of);
    for (uint32_t i = 0; i < t->added.len; i++) {
        uint32_t id = t->added.data[i].id;
        if (t->added_of[id])
            return json_fail(doc, list, NULL, "id %u stands twice", id);
        t->added_of[id] = i + 1;
    }
    return 0;
}

int
load_sp_config(struct tokenizer *t, const struct json_doc *doc, const json_t *root)
{
    const json_t *list = NULL;
    int given = json_get_object(doc, root, "added_tokens_decoder", JSON_MAY, &list);
    if (given < 0 || json_get_bool(doc, root, "add_bos_token", JSON_MAY, &t->add_bos) < 0 ||
        json_get_bool(doc, root, "add_eos_token", JSON_MAY, &t->add_eos) < 0)
        return -1;
    if (!given)
        return 0;
    const char *key;
    json_t *value;
    /* jansson iterates over its own tables only through a non-const pointer */
    union {
        const json_t *in;
        json_t *out;
    } object = {list};
    json_object_foreach(object.out, key, value)
    {
        if (add_token(t, doc, list, key, value) < 0)
            return -1;
    }
    return index_added(t, doc, list);
}
