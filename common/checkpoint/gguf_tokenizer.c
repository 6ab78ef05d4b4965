#include "checkpoint/gguf_tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "checkpoint/gguf_merges.h"
#include "json/write.h"
#include "tokenizer/pattern.h"
#include "tokenizer/write_parts.h"

/* The tokenizer of a GGUF file's metadata as Hugging Face's files would describe it. */

enum { PIECE_LIMIT = 2048 }; /* bytes; the work for one piece's merges grows with their square */

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

enum token_type { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

struct source {
    const struct gguf *g;
    struct gguf_pieces pieces;
    uint8_t *type; /* [count] */
    uint32_t count;
};

static void
source_release(struct source *s)
{
    vocab_release(&s->pieces.text);
    free(s->pieces.score);
    free(s->pieces.ordinary);
    free(s->type);
}

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
read_types(struct source *s)
{
    struct gguf_items types;
    int64_t type;
    s->type = mem_alloc(s->count + 1);
    memset(s->type, NORMAL, s->count + 1);
    int found = gguf_get_array(s->g, "tokenizer.ggml.token_type", false, GGUF_I64, &types);
    if (found <= 0)
        return found;
    if (types.left != s->count)
        return fail(s->g, "token_type", "another number than tokens");
    for (uint32_t i = 0; gguf_next_int(&types, &type); i++) {
        if (type < 0 || type > BYTE)
            return fail(s->g, "token_type", "an unknown type");
        s->type[i] = type ? (uint8_t)type : NORMAL;
    }
    return 0;
}

/* Places that no token has are left out, as in the models' own files. */
static int
read_tokens(struct source *s)
{
    struct gguf_items tokens;
    const char *text;
    size_t n;
    uint32_t first, second;
    if (gguf_get_array(s->g, "tokenizer.ggml.tokens", true, GGUF_STRING, &tokens) < 0)
        return -1;
    if (tokens.left == 0 || tokens.left > VOCAB_MAX)
        return fail(s->g, "tokens", "none, or too many");
    s->count = (uint32_t)tokens.left;
    if (read_types(s) < 0)
        return -1;
    for (uint32_t id = 0; gguf_next_string(&tokens, &text, &n); id++)
        if (s->type[id] != UNUSED)
            vocab_add(&s->pieces.text, id, text, n);
    if (!vocab_index(&s->pieces.text, &first, &second))
        return err_set(STATUS_INPUT, "%s: tokenizer.ggml.tokens: %u and %u are the same text",
                       s->g->path, first, second);
    return 0;
}

/* ---- parts of tokenizer.json ---- */

/* Also a text of the vocabulary: ids are looked up there. */
static void
put_added(struct json_writer *w, const struct source *s)
{
    json_begin_array(w, "added_tokens");
    for (uint32_t id = 0; id < s->count; id++) {
        size_t n;
        const char *text = vocab_get(&s->pieces.text, id, &n);
        bool special = s->type[id] == CONTROL || s->type[id] == UNKNOWN;
        if (text && n > 0 && (special || s->type[id] == USER_DEFINED))
            put_added_token(w, id, text, n, special);
    }
    json_end_array(w);
}

static void
put_byte_level(struct json_writer *w, const char *key, bool regex)
{
    put_type(w, key, "ByteLevel");
    json_put_bool(w, "add_prefix_space", false);
    json_put_bool(w, "trim_offsets", true);
    json_put_bool(w, "use_regex", regex);
    json_end_object(w);
}

static void
put_split(struct json_writer *w, const char *regex)
{
    put_type(w, NULL, "Split");
    json_begin_object(w, "pattern");
    json_put_string(w, "Regex", regex);
    json_end_object(w);
    json_put_string(w, "behavior", "Isolated");
    json_put_bool(w, "invert", false);
    json_end_object(w);
}

static void
put_pre_tokenizer(struct json_writer *w, const struct gguf_pre *p)
{
    put_type(w, "pre_tokenizer", "Sequence");
    json_begin_array(w, "pretokenizers");
    if (p->digits) {
        put_type(w, NULL, "Digits");
        json_put_bool(w, "individual_digits", true);
        json_end_object(w);
    }
    if (p->several)
        for (size_t i = 0; i < sizeof default_patterns / sizeof *default_patterns; i++)
            put_split(w, default_patterns[i]);
    else if (!p->byte_level)
        put_split(w, pattern_by_name(p->pattern)->regex);
    put_byte_level(w, NULL, p->byte_level);
    json_end_array(w);
    json_end_object(w);
}

static void
put_piece(struct json_writer *w, const char *kind, const char *text, size_t n)
{
    json_begin_object(w, NULL);
    json_begin_object(w, kind);
    json_put_bytes(w, "id", text, n);
    json_put_int(w, "type_id", 0);
    json_end_object(w);
    json_end_object(w);
}

static void
put_template(struct json_writer *w, const char *key, const char *const text[2], const size_t n[2],
             bool pair)
{
    json_begin_array(w, key);
    for (int i = 0; i < (pair ? 2 : 1); i++) {
        if (text[0])
            put_piece(w, "SpecialToken", text[0], n[0]);
        put_piece(w, "Sequence", i ? "B" : "A", 1);
        if (text[1])
            put_piece(w, "SpecialToken", text[1], n[1]);
    }
    json_end_array(w);
}

/* BOS before and EOS behind a text, where the metadata asks for them. */
static int
put_post_processor(struct json_writer *w, const struct source *s, bool bos)
{
    static const char *const add[2] = {"tokenizer.ggml.add_bos_token",
                                       "tokenizer.ggml.add_eos_token"};
    static const char *const keys[2] = {"bos_token_id", "eos_token_id"};
    const char *text[2] = {NULL, NULL};
    size_t n[2] = {0, 0};
    int64_t id[2] = {0, 0};
    bool wanted[2] = {bos, false};
    for (int i = 0; i < 2; i++) {
        int found = gguf_token_id(s->g, keys[i], &id[i]);
        if (found < 0 || gguf_get_bool(s->g, add[i], false, &wanted[i]) < 0)
            return -1;
        if (found && wanted[i])
            text[i] = vocab_get(&s->pieces.text, (uint32_t)id[i], &n[i]);
    }
    if (!text[0] && !text[1]) {
        json_put_null(w, "post_processor");
        return 0;
    }
    put_type(w, "post_processor", "TemplateProcessing");
    put_template(w, "single", text, n, false);
    put_template(w, "pair", text, n, true);
    json_begin_object(w, "special_tokens");
    for (int i = 0; i < 2; i++) {
        if (!text[i] || (i == 1 && text[0] && id[0] == id[1]))
            continue;
        json_put_key(w, text[i], n[i]);
        json_begin_object(w, NULL);
        json_put_bytes(w, "id", text[i], n[i]);
        json_begin_array(w, "ids");
        json_put_int(w, NULL, id[i]);
        json_end_array(w);
        json_begin_array(w, "tokens");
        json_put_bytes(w, NULL, text[i], n[i]);
        json_end_array(w);
        json_end_object(w);
    }
    json_end_object(w);
    json_end_object(w);
    return 0;
}

static void
put_vocab(struct json_writer *w, const struct source *s)
{
    json_begin_object(w, "vocab");
    for (uint32_t id = 0; id < s->count; id++) {
        size_t n;
        const char *text = vocab_get(&s->pieces.text, id, &n);
        if (!text)
            continue;
        json_put_key(w, text, n);
        json_put_uint(w, NULL, id);
    }
    json_end_object(w);
}

static void
begin_model(struct json_writer *w, const char *unknown, size_t n, bool fallback, bool ignore_merges)
{
    put_type(w, "model", "BPE");
    json_put_null(w, "dropout");
    if (unknown)
        json_put_bytes(w, "unk_token", unknown, n);
    else
        json_put_null(w, "unk_token");
    json_put_null(w, "continuing_subword_prefix");
    json_put_null(w, "end_of_word_suffix");
    json_put_bool(w, "fuse_unk", unknown != NULL);
    json_put_bool(w, "byte_fallback", fallback);
    json_put_bool(w, "ignore_merges", ignore_merges);
}

static void
begin_file(struct json_writer *w, const struct source *s)
{
    json_begin_object(w, NULL);
    json_put_string(w, "version", "1.0");
    json_put_null(w, "truncation");
    json_put_null(w, "padding");
    put_added(w, s);
}

/* ---- BPE over bytes ---- */

/* "left right", as the file has them. */
static int
put_merges(struct json_writer *w, const struct source *s)
{
    struct gguf_items merges;
    const char *text;
    size_t n;
    if (gguf_get_array(s->g, "tokenizer.ggml.merges", true, GGUF_STRING, &merges) < 0)
        return -1;
    json_begin_array(w, "merges");
    while (gguf_next_string(&merges, &text, &n))
        json_put_bytes(w, NULL, text, n);
    json_end_array(w);
    return 0;
}

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
put_byte_bpe(struct json_writer *w, const struct source *s)
{
    const struct gguf_pre *pre;
    if (find_pre(s->g, &pre) < 0)
        return -1;
    begin_file(w, s);
    if (pre->nfc) {
        put_type(w, "normalizer", "NFC");
        json_end_object(w);
    } else {
        json_put_null(w, "normalizer");
    }
    put_pre_tokenizer(w, pre);
    if (put_post_processor(w, s, pre->bos) < 0)
        return -1;
    put_byte_level(w, "decoder", true);
    begin_model(w, NULL, 0, false, pre->ignore_merges);
    put_vocab(w, s);
    if (put_merges(w, s) < 0)
        return -1;
    json_end_object(w);
    json_end_object(w);
    return 0;
}

/* ---- SentencePiece's BPE ---- */

static int
read_scores(struct source *s)
{
    struct gguf_items scores;
    double score;
    size_t n;
    if (gguf_get_array(s->g, "tokenizer.ggml.scores", true, GGUF_F64, &scores) < 0)
        return -1;
    if (scores.left != s->count)
        return fail(s->g, "scores", "another number than tokens");
    s->pieces.score = mem_array(s->count, sizeof *s->pieces.score);
    s->pieces.ordinary = mem_zalloc(s->count);
    for (uint32_t i = 0; gguf_next_real(&scores, &score); i++) {
        if (!isfinite(score))
            return fail(s->g, "scores", "one that is not finite");
        s->pieces.score[i] = (float)score;
        s->pieces.ordinary[i] = s->type[i] == NORMAL;
        if (vocab_get(&s->pieces.text, i, &n) && n > PIECE_LIMIT)
            return fail(s->g, "tokens", "one of more than 2048 bytes");
    }
    return 0;
}

/* ▁ for every space, and before a text unless the metadata says no. */
static void
put_spaces(struct json_writer *w, bool prefix)
{
    put_type(w, "normalizer", "Sequence");
    json_begin_array(w, "normalizers");
    if (prefix)
        put_mark_spaces(w);
    else
        put_replace(w, " ", "▁");
    json_end_array(w);
    json_end_object(w);
}

/* Without a ▁ in front there is none to take away. */
static void
put_spaces_decoder(struct json_writer *w, bool prefix)
{
    if (prefix) {
        put_mark_decoder(w);
        return;
    }
    put_type(w, "decoder", "Sequence");
    json_begin_array(w, "decoders");
    put_replace(w, "▁", " ");
    put_bare(w, "ByteFallback");
    put_bare(w, "Fuse");
    json_end_array(w);
    json_end_object(w);
}

static bool
has_bytes(const struct source *s)
{
    return vocab_find(&s->pieces.text, "<0x00>", 6) != UINT32_MAX;
}

static int
put_sentencepiece(struct json_writer *w, struct source *s)
{
    bool prefix = true, squeeze = false;
    int64_t unknown = 0;
    size_t n = 0;
    if (gguf_get_bool(s->g, "tokenizer.ggml.add_space_prefix", false, &prefix) < 0 ||
        gguf_get_bool(s->g, "tokenizer.ggml.remove_extra_whitespaces", false, &squeeze) < 0)
        return -1;
    if (squeeze)
        return fail(s->g, "remove_extra_whitespaces", "is not supported");
    if (gguf_find(s->g, "tokenizer.ggml.precompiled_charsmap"))
        return fail(s->g, "precompiled_charsmap", "is not supported");
    int found = gguf_token_id(s->g, "unknown_token_id", &unknown);
    bool merges = gguf_find(s->g, "tokenizer.ggml.merges") != NULL;
    if (found < 0 || read_scores(s) < 0)
        return -1;
    const char *text = vocab_get(&s->pieces.text, (uint32_t)unknown, &n);
    begin_file(w, s);
    put_spaces(w, prefix);
    json_put_null(w, "pre_tokenizer");
    if (put_post_processor(w, s, true) < 0)
        return -1;
    put_spaces_decoder(w, prefix);
    begin_model(w, text, n, has_bytes(s), false);
    put_vocab(w, s);
    if (!merges)
        gguf_put_merges(w, &s->pieces);
    else if (put_merges(w, s) < 0)
        return -1;
    json_end_object(w);
    json_end_object(w);
    return 0;
}

/* ---- the files ---- */

static int
put_tokenizer(const struct gguf *g, struct json_writer *w)
{
    struct source s = {.g = g};
    const char *model;
    size_t n;
    int result = -1;
    if (gguf_get_string(g, "tokenizer.ggml.model", true, &model, &n) < 0)
        return -1;
    if (n == 4 && memcmp(model, "gpt2", 4) == 0)
        result = read_tokens(&s) < 0 ? -1 : put_byte_bpe(w, &s);
    else if (n == 5 && memcmp(model, "llama", 5) == 0)
        result = read_tokens(&s) < 0 ? -1 : put_sentencepiece(w, &s);
    else
        err_set(STATUS_INPUT,
                "%s: tokenizer.ggml.model: \"%.*s\" is not supported (known: gpt2, llama)", g->path,
                (int)(n < 64 ? n : 64), model);
    source_release(&s);
    return result;
}

int
gguf_tokenizer_json(const struct gguf *g, struct str *json)
{
    struct json_writer w = {.out = json, .indent = 2};
    const char *text;
    size_t n;
    int found = gguf_get_string(g, "tokenizer.huggingface.json", false, &text, &n);
    if (found > 0)
        str_add(json, text, n);
    if (found)
        return found < 0 ? -1 : 0;
    if (put_tokenizer(g, &w) < 0)
        return -1;
    str_addc(json, '\n');
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
