#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/mem.h"
#include "json/write.h"
#include "tokenizer/internal.h"
#include "tokenizer/ranks.h"

/*
 * tekken.json, as Mistral's mistral-common reads it: special tokens have the first ids,
 * then come the ranks; of the stored vocabulary only as much counts as config says.
 */
static const char *const special_names[] = { /* of files that do not list theirs */
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]",
    "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]"};
enum { SPECIAL_NAMES = sizeof special_names / sizeof *special_names };

struct tekken {
    const char *name, *pattern;
    int64_t tokens, specials; /* config: all ids; how many of them are special */
    uint8_t *taken;           /* by special id */
    struct ranks ranks;
};

bool
is_tekken(const json_t *root)
{
    return json_is_object(json_object_get(root, "config")) &&
           json_is_array(json_object_get(root, "vocab"));
}

static int
read_config(struct tekken *t, const struct json_doc *doc, const json_t *root)
{
    const json_t *config = NULL;
    if (json_get_object(doc, root, "config", JSON_NEED, &config) < 0 ||
        json_get_string(doc, config, "pattern", JSON_NEED, &t->pattern) < 0 ||
        json_get_int(doc, config, "default_vocab_size", JSON_NEED, 1, VOCAB_MAX, &t->tokens) < 0 ||
        json_get_int(doc, config, "default_num_special_tokens", JSON_NEED, 0, VOCAB_MAX,
                     &t->specials) < 0)
        return -1;
    if (t->specials > t->tokens)
        return json_fail(doc, config, "default_num_special_tokens", "more than all tokens");
    return 0;
}

static int
add_special(struct tekken *t, const struct json_doc *doc, const json_t *list, size_t i)
{
    const json_t *token = NULL;
    const char *text = NULL;
    size_t n = 0;
    int64_t id = 0;
    if (json_at_object(doc, list, i, &token) < 0 ||
        json_get_int(doc, token, "rank", JSON_NEED, 0, t->specials - 1, &id) < 0 ||
        json_get_bytes(doc, token, "token_str", JSON_NEED, &text, &n) < 0)
        return -1;
    if (n == 0 || memchr(text, '\0', n))
        return json_fail(doc, token, "token_str", "expected a text");
    if (t->taken[id]++)
        return json_fail(doc, token, "rank", "%lld stands twice", (long long)id);
    return ranks_add_special(&t->ranks, t->name, (uint32_t)id, text, n);
}

/* Those of the list (or the known ones), and fillers for the rest. */
static int
add_specials(struct tekken *t, const struct json_doc *doc, const json_t *root)
{
    const json_t *list = NULL;
    int listed = json_get_array(doc, root, "special_tokens", JSON_MAY, &list);
    if (listed < 0)
        return -1;
    for (size_t i = 0; listed && i < json_array_size(list); i++)
        if (add_special(t, doc, list, i) < 0)
            return -1;
    for (uint32_t id = 0; id < t->specials; id++) {
        char filler[32];
        const char *text = filler;
        if (t->taken[id])
            continue;
        snprintf(filler, sizeof filler, "<SPECIAL_%u>", id);
        if (!listed && id < SPECIAL_NAMES)
            text = special_names[id];
        if (ranks_add_special(&t->ranks, t->name, id, text, strlen(text)) < 0)
            return -1;
    }
    return 0;
}

static int
add_token(struct tekken *t, const struct json_doc *doc, const json_t *vocab, size_t i,
          struct str *bytes)
{
    const json_t *token = NULL;
    const char *text = NULL;
    size_t n = 0;
    int64_t rank = 0;
    if (json_at_object(doc, vocab, i, &token) < 0 ||
        json_get_int(doc, token, "rank", JSON_NEED, 0, VOCAB_MAX - 1, &rank) < 0 ||
        json_get_bytes(doc, token, "token_bytes", JSON_NEED, &text, &n) < 0)
        return -1;
    if (rank != (int64_t)i)
        return json_fail(doc, token, "rank", "%lld stands in the place of %zu", (long long)rank, i);
    str_clear(bytes);
    if (!base64_decode(text, n, bytes) || bytes->len == 0)
        return json_fail(doc, token, "token_bytes", "expected base64");
    vocab_add(&t->ranks.tokens, (uint32_t)(rank + t->specials), bytes->data, bytes->len);
    return 0;
}

static int
add_tokens(struct tekken *t, const struct json_doc *doc, const json_t *root)
{
    const json_t *vocab = NULL;
    struct str bytes = {0};
    if (json_get_array(doc, root, "vocab", JSON_NEED, &vocab) < 0)
        return -1;
    size_t n = (size_t)(t->tokens - t->specials);
    if (json_array_size(vocab) < n)
        return json_fail(doc, root, "vocab", "%zu tokens; config asks for %zu",
                         json_array_size(vocab), n);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add_token(t, doc, vocab, i, &bytes);
    str_release(&bytes);
    return rc;
}

int
tekken_to_json(const struct json_doc *doc, struct str *json)
{
    const json_t *root = NULL;
    struct tekken t = {.name = doc->name};
    /* what configures images, audio and prompts is not the vocabulary's */
    if (json_root_object(doc, &root) < 0 || read_config(&t, doc, root) < 0)
        return -1;
    t.taken = mem_zalloc((size_t)t.specials + 1);
    t.ranks.regex = t.pattern;
    int rc = add_tokens(&t, doc, root);
    if (rc == 0)
        rc = add_specials(&t, doc, root);
    if (rc == 0)
        rc = ranks_to_json(&t.ranks, t.name, json);
    ranks_release(&t.ranks);
    free(t.taken);
    return rc;
}

/* A special token's text where the vocabulary has it. */
static void
put_special(struct json_writer *w, const struct tokenizer *t, const char *key, const char *text)
{
    if (tokenizer_id(t, text, strlen(text)) != TOKEN_NONE)
        json_put_string(w, key, text);
}

void
tekken_config(const struct tokenizer *t, struct str *json)
{
    struct json_writer w = {.out = json, .indent = 2};
    json_begin_object(&w, NULL);
    put_special(&w, t, "bos_token", "<s>");
    put_special(&w, t, "eos_token", "</s>");
    put_special(&w, t, "unk_token", "<unk>");
    put_special(&w, t, "pad_token", "<pad>");
    json_put_string(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    json_end_object(&w);
    str_addc(json, '\n');
}
