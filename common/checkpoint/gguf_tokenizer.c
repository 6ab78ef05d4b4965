#include "checkpoint/gguf_tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "checkpoint/vocabulary.h"
#include "json/write.h"
#include "tokenizer/pattern.h"

/* The tokenizer of a GGUF file's metadata as Hugging Face's files would describe it. */

/*
 * What tokenizer.ggml.pre stands for: names are llama.cpp's (convert_hf_to_gguf.py,
 * src/llama-vocab.cpp), what they mean is what the models' tokenizer.json files say.
 */
static const struct gguf_pre pres[] = {
    {.name = "gpt-2", .pattern = "gpt2", .byte_level = true},
    {.name = "phi-2", .pattern = "gpt2", .byte_level = true},
    {.name = "jais", .pattern = "gpt2", .byte_level = true},
    {.name = "mpt", .pattern = "gpt2", .byte_level = true, .nfc = true},
    {.name = "olmo", .pattern = "gpt2", .byte_level = true, .nfc = true},
    {.name = "smollm", .pattern = "gpt2", .byte_level = true, .digits = true},
    {.name = "starcoder", .pattern = "gpt2", .byte_level = true, .digits = true},
    {.name = "refact", .pattern = "gpt2", .byte_level = true, .digits = true},
    {.name = "command-r", .pattern = "gpt2", .byte_level = true, .digits = true, .nfc = true},
    {.name = "llama-bpe", .pattern = "llama3", .ignore_merges = true, .bos = true},
    {.name = "llama3", .pattern = "llama3", .ignore_merges = true, .bos = true},
    {.name = "llama-v3", .pattern = "llama3", .ignore_merges = true, .bos = true},
    {.name = "falcon3", .pattern = "llama3", .ignore_merges = true},
    {.name = "smaug-bpe", .pattern = "llama3"},
    {.name = "dbrx", .pattern = "llama3"},
    {.name = "qwen2", .pattern = "qwen", .nfc = true},
    {.name = "deepseek-r1-qwen", .pattern = "qwen"},
    {.name = "gpt-4o", .pattern = "o200k"},
    {.name = "tekken", .pattern = "tekken", .ignore_merges = true, .bos = true},
    {.name = "default", .several = true},
};
enum { PRES = sizeof pres / sizeof *pres };

/* What llama.cpp does to a text one after the other where it is not told what to do. */
static const char *const default_patterns[] = {
    "[\\p{P}\\$\\+<=>\\^~\\|]+",
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)",
    "\\p{N}+",
    "[0-9][0-9][0-9]",
};
enum { DEFAULT_PATTERNS = sizeof default_patterns / sizeof *default_patterns };

const struct gguf_pre *
gguf_pre_find(const char *name, size_t n)
{
    for (int i = 0; i < PRES; i++)
        if (strlen(pres[i].name) == n && memcmp(pres[i].name, name, n) == 0)
            return &pres[i];
    return NULL;
}

const struct gguf_pre *
gguf_pre_like(const struct gguf_pre *wanted)
{
    for (int i = 0; i < PRES; i++)
        if (pres[i].pattern && strcmp(pres[i].pattern, wanted->pattern) == 0 &&
            pres[i].digits == wanted->digits && pres[i].nfc == wanted->nfc &&
            pres[i].ignore_merges == wanted->ignore_merges)
            return &pres[i];
    return NULL;
}

/* ---- reading the metadata ---- */

static int
fail(const struct gguf *g, const char *key, const char *what)
{
    return err_set(STATUS_INPUT, "%s: tokenizer.ggml.%s: %s", g->path, key, what);
}

int
gguf_token_id(const struct gguf *g, const char *key, int64_t *id)
{
    char full[64];
    const struct gguf_value *v;
    snprintf(full, sizeof full, "tokenizer.ggml.%s", key);
    v = gguf_find(g, full);
    /* -1 and its like say that there is none */
    if (!v || gguf_get_int(g, full, true, INT64_MIN, INT64_MAX, id) < 0)
        return v ? -1 : 0;
    return *id >= 0 && *id < VOCAB_MAX;
}

bool
gguf_token_text(const struct gguf *g, int64_t id, const char **text, size_t *n)
{
    struct gguf_items tokens;
    if (id < 0 || gguf_get_array(g, "tokenizer.ggml.tokens", false, GGUF_STRING, &tokens) <= 0)
        return false;
    while (gguf_next_string(&tokens, text, n))
        if (id-- == 0)
            return true;
    return false;
}

/* Without types all tokens are ordinary ones. */
static int
read_types(const struct gguf *g, struct vocabulary *v)
{
    struct gguf_items types;
    int64_t type;
    v->type = mem_alloc(v->count + 1);
    memset(v->type, TOKEN_NORMAL, v->count + 1);
    int found = gguf_get_array(g, "tokenizer.ggml.token_type", false, GGUF_I64, &types);
    if (found <= 0)
        return found;
    if (types.left != v->count)
        return fail(g, "token_type", "another number than tokens");
    for (uint32_t i = 0; gguf_next_int(&types, &type); i++) {
        if (type < 0 || type > TOKEN_BYTE)
            return fail(g, "token_type", "an unknown type");
        v->type[i] = type ? (uint8_t)type : TOKEN_NORMAL;
    }
    return 0;
}

/* Places that no token has are left out, as in the models' own files. */
static int
read_tokens(const struct gguf *g, struct vocabulary *v)
{
    struct gguf_items tokens;
    const char *text;
    size_t n;
    uint32_t first, second;
    if (gguf_get_array(g, "tokenizer.ggml.tokens", true, GGUF_STRING, &tokens) < 0)
        return -1;
    if (tokens.left == 0 || tokens.left > VOCAB_MAX)
        return fail(g, "tokens", "none, or too many");
    v->count = (uint32_t)tokens.left;
    if (read_types(g, v) < 0)
        return -1;
    for (uint32_t id = 0; gguf_next_string(&tokens, &text, &n); id++)
        if (v->type[id] != TOKEN_UNUSED)
            vocab_add(&v->text, id, text, n);
    if (!vocab_index(&v->text, &first, &second))
        return err_set(STATUS_INPUT, "%s: tokenizer.ggml.tokens: %u and %u are the same text",
                       g->path, first, second);
    return 0;
}

static int
read_specials(const struct gguf *g, struct vocabulary *v)
{
    const struct {
        const char *key;
        int64_t *id;
    } ids[] = {{"bos_token_id", &v->bos}, {"eos_token_id", &v->eos}, {"unknown_token_id", &v->unk}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        int found = gguf_token_id(g, ids[i].key, ids[i].id);
        if (found < 0)
            return -1;
        if (!found)
            *ids[i].id = -1;
    }
    return gguf_get_bool(g, "tokenizer.ggml.add_bos_token", false, &v->add_bos) < 0 ||
                   gguf_get_bool(g, "tokenizer.ggml.add_eos_token", false, &v->add_eos) < 0
               ? -1
               : 0;
}

/* ---- BPE over bytes ---- */

/* Files that do not say it are older than the key: GPT-2's cut texts as GPT-2 does. */
static int
find_pre(const struct gguf *g, const struct gguf_pre **out)
{
    const char *name = "default", *architecture = "";
    size_t n = 7, length = 0;
    int found = gguf_get_string(g, "tokenizer.ggml.pre", false, &name, &n);
    if (found < 0 || gguf_get_string(g, "general.architecture", false, &architecture, &length) < 0)
        return -1;
    if (!found && length >= 3 && memcmp(architecture, "gpt", 3) == 0)
        name = "gpt-2", n = 5;
    *out = gguf_pre_find(name, n);
    if (*out)
        return 0;
    struct str known = {0};
    for (int i = 0; i < PRES; i++)
        str_addf(&known, "%s%s", i ? ", " : "", pres[i].name);
    err_set(STATUS_INPUT, "%s: tokenizer.ggml.pre: \"%.*s\" is not supported (known: %s)", g->path,
            (int)(n < 64 ? n : 64), name, known.data);
    str_release(&known);
    return -1;
}

static int
bytes_json(const struct gguf *g, struct vocabulary *v, struct str *json)
{
    const struct gguf_pre *pre;
    struct gguf_items merges;
    if (find_pre(g, &pre) < 0)
        return -1;
    v->add_bos = pre->bos;
    if (read_specials(g, v) < 0 ||
        gguf_get_array(g, "tokenizer.ggml.merges", true, GGUF_STRING, &merges) < 0)
        return -1;
    const struct pattern *pattern = pre->several ? NULL : pattern_by_name(pre->pattern);
    struct vocabulary_cut cut = {.patterns = pattern ? &pattern->regex : default_patterns,
                                 .count = pattern ? 1 : DEFAULT_PATTERNS,
                                 .byte_level = pre->byte_level,
                                 .digits = pre->digits,
                                 .nfc = pre->nfc,
                                 .ignore_merges = pre->ignore_merges};
    vocabulary_bytes_json(v, &cut, merges, json);
    return 0;
}

/* ---- SentencePiece's BPE ---- */

static int
read_scores(const struct gguf *g, struct vocabulary *v)
{
    struct gguf_items scores;
    double score;
    size_t n;
    if (gguf_get_array(g, "tokenizer.ggml.scores", true, GGUF_F64, &scores) < 0)
        return -1;
    if (scores.left != v->count)
        return fail(g, "scores", "another number than tokens");
    v->score = mem_array(v->count, sizeof *v->score);
    for (uint32_t i = 0; gguf_next_real(&scores, &score); i++) {
        if (!isfinite((float)score))
            return fail(g, "scores", "one that is not finite");
        v->score[i] = (float)score;
        if (vocab_get(&v->text, i, &n) && v->type[i] == TOKEN_NORMAL && n > PIECE_LIMIT)
            return fail(g, "tokens", "one of more than 2048 bytes");
    }
    return 0;
}

static int
pieces_json(const struct gguf *g, struct vocabulary *v, struct str *json)
{
    bool squeeze = false;
    struct gguf_items merges;
    v->space_prefix = v->add_bos = true;
    if (gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", false, &v->space_prefix) < 0 ||
        gguf_get_bool(g, "tokenizer.ggml.remove_extra_whitespaces", false, &squeeze) < 0)
        return -1;
    if (squeeze)
        return fail(g, "remove_extra_whitespaces", "is not supported");
    if (gguf_find(g, "tokenizer.ggml.precompiled_charsmap"))
        return fail(g, "precompiled_charsmap", "is not supported");
    int found = gguf_get_array(g, "tokenizer.ggml.merges", false, GGUF_STRING, &merges);
    if (found < 0 || read_specials(g, v) < 0 || (!found && read_scores(g, v) < 0))
        return -1;
    vocabulary_pieces_json(v, found ? &merges : NULL, json);
    return 0;
}

/* ---- the files ---- */

static int
make_tokenizer(const struct gguf *g, struct str *json)
{
    struct vocabulary v = {.bos = -1, .eos = -1, .unk = -1};
    const char *model;
    size_t n;
    int result = -1;
    if (gguf_get_string(g, "tokenizer.ggml.model", true, &model, &n) < 0)
        return -1;
    if (n == 4 && memcmp(model, "gpt2", 4) == 0)
        result = read_tokens(g, &v) < 0 ? -1 : bytes_json(g, &v, json);
    else if (n == 5 && memcmp(model, "llama", 5) == 0)
        result = read_tokens(g, &v) < 0 ? -1 : pieces_json(g, &v, json);
    else
        err_set(STATUS_INPUT,
                "%s: tokenizer.ggml.model: \"%.*s\" is not supported (known: gpt2, llama)", g->path,
                (int)(n < 64 ? n : 64), model);
    vocabulary_release(&v);
    return result;
}

int
gguf_tokenizer_json(const struct gguf *g, struct str *json)
{
    const char *text;
    size_t n;
    int found = gguf_get_string(g, "tokenizer.huggingface.json", false, &text, &n);
    if (found < 0)
        return -1;
    if (!found)
        return make_tokenizer(g, json);
    str_add(json, text, n);
    return 0;
}

static int
put_special(const struct gguf *g, struct json_writer *w, const char *name, const char *key)
{
    const char *text;
    size_t n;
    int64_t id;
    int found = gguf_token_id(g, key, &id);
    if (found > 0 && gguf_token_text(g, id, &text, &n))
        json_put_bytes(w, name, text, n);
    return found < 0 ? -1 : 0;
}

/* "tokenizer.chat_template", and those with a name behind it. */
static int
put_chat_templates(const struct gguf *g, struct json_writer *w)
{
    static const char key[] = "tokenizer.chat_template";
    const char *text;
    size_t n, named = 0;
    for (size_t i = 0; i < g->values; i++)
        named += str_starts(g->value[i].key, "tokenizer.chat_template.");
    int found = gguf_get_string(g, key, false, &text, &n);
    if (found < 0)
        return -1;
    if (!named) {
        if (found)
            json_put_bytes(w, "chat_template", text, n);
        return 0;
    }
    json_begin_array(w, "chat_template");
    for (size_t i = 0; i < g->values; i++) {
        const char *name = g->value[i].key;
        bool plain = strcmp(name, key) == 0;
        if (!plain && !str_starts(name, "tokenizer.chat_template."))
            continue;
        if (gguf_get_string(g, name, true, &text, &n) < 0)
            return -1;
        json_begin_object(w, NULL);
        json_put_string(w, "name", plain ? "default" : name + sizeof key);
        json_put_bytes(w, "template", text, n);
        json_end_object(w);
    }
    json_end_array(w);
    return 0;
}

int
gguf_tokenizer_config(const struct gguf *g, struct str *json)
{
    struct json_writer w = {.out = json, .indent = 2};
    bool bos = false, eos = false;
    int has_bos = gguf_get_bool(g, "tokenizer.ggml.add_bos_token", false, &bos);
    int has_eos = gguf_get_bool(g, "tokenizer.ggml.add_eos_token", false, &eos);
    if (has_bos < 0 || has_eos < 0)
        return -1;
    json_begin_object(&w, NULL);
    if (has_bos)
        json_put_bool(&w, "add_bos_token", bos);
    if (has_eos)
        json_put_bool(&w, "add_eos_token", eos);
    if (put_special(g, &w, "bos_token", "bos_token_id") < 0 ||
        put_special(g, &w, "eos_token", "eos_token_id") < 0 ||
        put_special(g, &w, "unk_token", "unknown_token_id") < 0 ||
        put_special(g, &w, "pad_token", "padding_token_id") < 0 || put_chat_templates(g, &w) < 0)
        return -1;
    json_put_bool(&w, "clean_up_tokenization_spaces", false);
    json_put_string(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    json_end_object(&w);
    str_addc(json, '\n');
    return 0;
}

int
gguf_generation_config(const struct gguf *g, struct str *json)
{
    static const char *const keys[][2] = {{"bos_token_id", "bos_token_id"},
                                          {"eos_token_id", "eos_token_id"},
                                          {"pad_token_id", "padding_token_id"}};
    struct json_writer w = {.out = json, .indent = 2};
    json_begin_object(&w, NULL);
    json_put_bool(&w, "_from_model_config", true);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int64_t id;
        int found = gguf_token_id(g, keys[i][1], &id);
        if (found < 0)
            return -1;
        if (found)
            json_put_int(&w, keys[i][0], id);
    }
    json_end_object(&w);
    str_addc(json, '\n');
    return 0;
}
