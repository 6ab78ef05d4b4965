#include <string.h>

#include "base/mem.h"
#include "tokenizer/internal.h"

/* The model member of tokenizer.json: which kind it is, and its vocabulary. */

int
load_vocab(struct tokenizer *t, const struct json_doc *doc, const json_t *model, struct bulk *bulk)
{
    const json_t *vocab = NULL;
    if (json_get_object(doc, model, "vocab", JSON_NEED, &vocab) < 0)
        return -1;
    if (bulk && bulk->has_vocab) {
        t->vocab = bulk->vocab;
        bulk->vocab = (struct vocab){0};
        return 0;
    }
    const char *key;
    json_t *value;
    /* jansson iterates over its own tables only through a non-const pointer */
    union {
        const json_t *in;
        json_t *out;
    } object = {vocab};
    json_object_foreach(object.out, key, value)
    {
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= VOCAB_MAX)
            return json_fail(doc, vocab, key, "expected an id from 0 to %d", VOCAB_MAX - 1);
        if (!*key)
            return json_fail(doc, vocab, NULL, "id %lld is an empty token", (long long)id);
        if (!vocab_add(&t->vocab, (uint32_t)id, key, strlen(key)))
            return json_fail(doc, vocab, key, "id %lld stands twice", (long long)id);
    }
    uint32_t first, second;
    if (!vocab_index(&t->vocab, &first, &second))
        return json_fail(doc, vocab, NULL, "ids %u and %u have the same text", first, second);
    return 0;
}

/* The token that stands for the unknown; a text may do without where the vocabulary has none. */
static int
load_unknown(struct tokenizer *t, const struct json_doc *doc, const json_t *model)
{
    const char *s = NULL;
    size_t n = 0;
    if (json_get_bytes(doc, model, "unk_token", JSON_NEED, &s, &n) < 0)
        return -1;
    t->unk = t->words.unk = vocab_find(&t->vocab, s, n);
    return 0;
}

static int
load_wordpiece(struct tokenizer *t, const struct json_doc *doc, const json_t *model,
               struct bulk *bulk)
{
    const char *prefix = NULL;
    size_t n = 0;
    int64_t most = 0;
    if (json_only_keys(doc, model,
                       "type|unk_token|continuing_subword_prefix|max_input_chars_per_word|vocab") <
            0 ||
        load_vocab(t, doc, model, bulk) < 0 || load_unknown(t, doc, model) < 0 ||
        json_get_bytes(doc, model, "continuing_subword_prefix", JSON_NEED, &prefix, &n) < 0 ||
        json_get_int(doc, model, "max_input_chars_per_word", JSON_NEED, 0, INT64_MAX, &most) < 0)
        return -1;
    wordpiece_build(&t->words, &t->vocab, prefix, n, (uint64_t)most);
    return 0;
}

static int
load_wordlevel(struct tokenizer *t, const struct json_doc *doc, const json_t *model,
               struct bulk *bulk)
{
    if (json_only_keys(doc, model, "type|unk_token|vocab") < 0 ||
        load_vocab(t, doc, model, bulk) < 0 || load_unknown(t, doc, model) < 0)
        return -1;
    wordlevel_build(&t->words, &t->vocab);
    return 0;
}

/* Older files do not name the kind: Hugging Face takes the first one whose members are there. */
static enum model_kind
guess_kind(const json_t *model)
{
    if (json_object_get(model, "merges"))
        return MODEL_BPE;
    if (json_is_array(json_object_get(model, "vocab")))
        return MODEL_UNIGRAM;
    if (json_object_get(model, "continuing_subword_prefix") &&
        json_object_get(model, "max_input_chars_per_word"))
        return MODEL_WORDPIECE;
    return MODEL_WORDLEVEL;
}

int
load_model(struct tokenizer *t, const struct json_doc *doc, const json_t *model, struct bulk *bulk)
{
    int kind = (int)guess_kind(model);
    if (json_get_choice(doc, model, "type", JSON_MAY, "BPE|Unigram|WordPiece|WordLevel", &kind) < 0)
        return -1;
    t->kind = (enum model_kind)kind;
    /* only BPE's tables are made for bytes */
    if (t->kind != MODEL_BPE)
        pretokenizer_keep_byte_map(&t->pretokenizer);
    switch (t->kind) {
    case MODEL_BPE: return load_bpe(t, doc, model, bulk) < 0 ? -1 : load_extension(t, doc, model);
    case MODEL_UNIGRAM: return load_unigram(t, doc, model) < 0 ? -1 : load_extension(t, doc, model);
    case MODEL_WORDPIECE: return load_wordpiece(t, doc, model, bulk);
    default: return load_wordlevel(t, doc, model, bulk);
    }
}
