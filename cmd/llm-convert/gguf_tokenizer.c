/*
 * The tokenizer of a model in llama.cpp's words: BPE over bytes as "gpt2" with a name for what cuts texts,
 * SentencePiece's as "llama" (BPE) and "t5" (Unigram). What those words miss stands in
 * tokenizer.huggingface.json, the tokenizer.json itself, which GGUF's specification provides for.
 */
#include "cmd/llm-convert/gguf.h"

#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "checkpoint/gguf_tokenizer.h"
#include "json/json.h"
#include "tokenizer/pattern.h"
#include "tokenizer/sp_export.h"
#include "tokenizer/sp_model.h"

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED };

/* The files beside the model that say something here. */
struct files {
    struct str json, config, jinja, model;
};

struct target {
    struct gguf_build *b;
    const struct model_source *m;
    const struct tokenizer *t;
    uint32_t tokens; /* the model's vocabulary, in which the tokenizer's may end earlier */
};

static int
take(void *arg, const char *name, const char *data, size_t n)
{
    struct files *f = arg;
    struct str *to = strcmp(name, "tokenizer.json") == 0          ? &f->json
                     : strcmp(name, "tokenizer_config.json") == 0 ? &f->config
                     : strcmp(name, "chat_template.jinja") == 0   ? &f->jinja
                     : strcmp(name, "tokenizer.model") == 0       ? &f->model
                                                                  : NULL;
    if (to)
        str_add(to, data, n);
    return 0;
}

static void
files_release(struct files *f)
{
    str_release(&f->json);
    str_release(&f->config);
    str_release(&f->jinja);
    str_release(&f->model);
}

static void
put_text(struct target *t, const char *key, const char *text)
{
    gguf_put_string(t->b, key, text, strlen(text));
}

/* ---- tokens ---- */

/* Those of the files' added_tokens have a text that is found before all else. */
static bool *
find_added(const struct target *t, const json_t *root)
{
    const json_t *list = json_object_get(root, "added_tokens");
    bool *added = mem_zarray(t->tokens + 1, sizeof *added);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_int_t id = json_integer_value(json_object_get(json_array_get(list, i), "id"));
        if (id >= 0 && id < (json_int_t)t->tokens)
            added[id] = true;
    }
    return added;
}

static void
add_token(struct target *t, uint32_t id)
{
    char filler[32];
    size_t n;
    const char *text = tokenizer_text(t->t, id, &n);
    if (!text) {
        n = (size_t)snprintf(filler, sizeof filler, "[PAD%u]", id);
        text = filler;
    }
    gguf_add_string(t->b, text, n);
}

static int32_t
type_of(const struct target *t, uint32_t id, bool added)
{
    size_t n;
    if (!tokenizer_text(t->t, id, &n))
        return UNUSED;
    return tokenizer_is_special(t->t, id) ? CONTROL : added ? USER_DEFINED : NORMAL;
}

static void
put_specials(struct target *t)
{
    const struct tokenizer_specials *s = tokenizer_specials(t->t);
    const struct {
        const char *key;
        uint32_t id;
    } ids[] = {{"tokenizer.ggml.bos_token_id", s->bos},
               {"tokenizer.ggml.eos_token_id", s->eos},
               {"tokenizer.ggml.unknown_token_id", s->unk},
               {"tokenizer.ggml.padding_token_id", s->pad}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i].id != TOKEN_NONE)
            gguf_put_u32(t->b, ids[i].key, ids[i].id);
}

/* What stands around an empty text. */
static int
put_around(struct target *t)
{
    const struct tokenizer_specials *s = tokenizer_specials(t->t);
    struct tokenizer_scratch *scratch = tokenizer_scratch_new(t->t);
    struct ids before = {0}, all = {0};
    int result = tokenizer_encode(t->t, scratch, "", 0, ENCODE_POST_PREFIX, &before);
    if (result == 0)
        result = tokenizer_encode(t->t, scratch, "", 0, ENCODE_POST_PROCESS, &all);
    if (result == 0) {
        bool eos = all.len > before.len && all.data[all.len - 1] == s->eos;
        gguf_put_bool(t->b, "tokenizer.ggml.add_bos_token",
                      before.len > 0 && before.data[0] == s->bos);
        gguf_put_bool(t->b, "tokenizer.ggml.add_eos_token", eos);
    }
    vec_release(&before);
    vec_release(&all);
    tokenizer_scratch_free(scratch);
    return result;
}

/* ---- BPE over bytes ---- */

static bool
is_type(const json_t *object, const char *type)
{
    const char *s = json_string_value(json_object_get(object, "type"));
    return s && strcmp(s, type) == 0;
}

/* One step of what cuts texts; false: llama.cpp has no such one. */
static bool
know_step(const json_t *step, struct gguf_pre *out, bool *byte_level)
{
    if (is_type(step, "ByteLevel")) {
        *byte_level = true;
        if (!json_is_false(json_object_get(step, "use_regex"))) {
            out->pattern = "gpt2";
            out->byte_level = true;
        }
        return !json_is_true(json_object_get(step, "add_prefix_space"));
    }
    if (is_type(step, "Digits")) {
        out->digits = true;
        return json_is_true(json_object_get(step, "individual_digits"));
    }
    const json_t *regex = json_object_get(json_object_get(step, "pattern"), "Regex");
    if (!is_type(step, "Split") || !json_is_string(regex))
        return false;
    const struct pattern *p = pattern_by_regex(json_string_value(regex), json_string_length(regex));
    if (p)
        out->pattern = strcmp(p->name, "r50k") == 0 ? "gpt2" : p->name;
    return p != NULL;
}

/* Steps one after the other, or the only one. */
static bool
know_steps(const json_t *steps, const char *list, struct gguf_pre *out, bool *byte_level)
{
    const json_t *items = json_object_get(steps, list);
    bool known = true;
    if (!is_type(steps, "Sequence"))
        return know_step(steps, out, byte_level);
    for (size_t i = 0; i < json_array_size(items); i++)
        known &= know_step(json_array_get(items, i), out, byte_level);
    return known;
}

/* The name of what cuts texts; "default" with a warning where there is none. */
static const char *
pre_of(const struct target *t, const json_t *root, bool *byte_level)
{
    const json_t *normalizer = json_object_get(root, "normalizer");
    const json_t *pre = json_object_get(root, "pre_tokenizer");
    struct gguf_pre wanted = {.nfc = is_type(normalizer, "NFC"),
                              .ignore_merges = json_is_true(json_object_get(
                                  json_object_get(root, "model"), "ignore_merges"))};
    bool known = json_is_object(pre) && know_steps(pre, "pretokenizers", &wanted, byte_level);
    if (normalizer && !json_is_null(normalizer) && !wanted.nfc)
        known = false;
    const struct gguf_pre *found = known && wanted.pattern ? gguf_pre_like(&wanted) : NULL;
    if (*byte_level && !found)
        warn("%s: llama.cpp has no name for how its tokenizer cuts texts: programs that do not "
             "read tokenizer.huggingface.json will get other ids",
             t->m->path);
    return found ? found->name : "default";
}

static void
add_merge(struct target *t, const json_t *merge)
{
    struct str text = {0};
    if (json_is_string(merge)) {
        gguf_add_string(t->b, json_string_value(merge), json_string_length(merge));
        return;
    }
    for (size_t i = 0; i < json_array_size(merge); i++) {
        const json_t *half = json_array_get(merge, i);
        str_adds(&text, i ? " " : "");
        str_add(&text, json_string_value(half), json_string_length(half));
    }
    gguf_add_string(t->b, text.data ? text.data : "", text.len);
    str_release(&text);
}

static void
put_byte_bpe(struct target *t, const json_t *root, const char *pre)
{
    const json_t *merges = json_object_get(json_object_get(root, "model"), "merges");
    bool *added = find_added(t, root);
    put_text(t, "tokenizer.ggml.model", "gpt2");
    put_text(t, "tokenizer.ggml.pre", pre);
    gguf_begin_array(t->b, "tokenizer.ggml.tokens", GGUF_STRING, t->tokens);
    for (uint32_t id = 0; id < t->tokens; id++)
        add_token(t, id);
    gguf_begin_array(t->b, "tokenizer.ggml.token_type", GGUF_I32, t->tokens);
    for (uint32_t id = 0; id < t->tokens; id++)
        gguf_add_i32(t->b, type_of(t, id, added[id]));
    gguf_begin_array(t->b, "tokenizer.ggml.merges", GGUF_STRING, json_array_size(merges));
    for (size_t i = 0; i < json_array_size(merges); i++)
        add_merge(t, json_array_get(merges, i));
    free(added);
}

/* ---- SentencePiece ---- */

static void
put_charsmap(struct target *t, const struct sp_model *sp)
{
    if (!sp->charsmap || sp->charsmap_size == 0)
        return;
    gguf_begin_array(t->b, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, sp->charsmap_size);
    str_add(&t->b->values_text, sp->charsmap, sp->charsmap_size);
}

/* Tokens behind the model's pieces were added to it. */
static void
put_pieces(struct target *t, const struct sp_model *sp)
{
    static const double added_score = -1000;
    size_t pieces = sp->pieces.len;
    put_text(t, "tokenizer.ggml.model", sp->algorithm == SP_BPE ? "llama" : "t5");
    put_text(t, "tokenizer.ggml.pre", "default");
    gguf_begin_array(t->b, "tokenizer.ggml.tokens", GGUF_STRING, t->tokens);
    for (uint32_t id = 0; id < t->tokens; id++) {
        if (id < pieces)
            gguf_add_string(t->b, sp->pieces.data[id].text, sp->pieces.data[id].length);
        else
            add_token(t, id);
    }
    gguf_begin_array(t->b, "tokenizer.ggml.scores", GGUF_F32, t->tokens);
    for (uint32_t id = 0; id < t->tokens; id++)
        gguf_add_f32(t->b, id < pieces ? (double)sp->pieces.data[id].score : added_score);
    gguf_begin_array(t->b, "tokenizer.ggml.token_type", GGUF_I32, t->tokens);
    for (uint32_t id = 0; id < t->tokens; id++)
        gguf_add_i32(t->b, id < pieces ? (int32_t)sp->pieces.data[id].type : type_of(t, id, true));
    gguf_put_bool(t->b, "tokenizer.ggml.add_space_prefix", sp->add_dummy_prefix);
    if (sp->remove_extra_whitespaces)
        gguf_put_bool(t->b, "tokenizer.ggml.remove_extra_whitespaces", true);
    put_charsmap(t, sp);
}

/* Of a tokenizer.model, or of a tokenizer.json that SentencePiece could have made. 1; 0: neither; -1. */
static int
put_sentencepiece(struct target *t, const struct files *f)
{
    struct str made = {0};
    struct sp_model sp;
    const struct str *bytes = &f->model;
    if (bytes->len == 0) {
        if (sp_export(t->t, &made) < 0) {
            warn("%s: its tokenizer has no form in llama.cpp: %s", t->m->path, err_text());
            err_clear();
            str_release(&made);
            return 0;
        }
        bytes = &made;
    }
    int result = sp_model_read(&sp, t->m->path, bytes->data, bytes->len);
    if (result == 0) {
        bool known = sp.algorithm == SP_BPE || sp.algorithm == SP_UNIGRAM;
        if (known && sp.pieces.len <= t->tokens)
            put_pieces(t, &sp);
        else
            result = err_set(STATUS_INPUT, "%s: a SentencePiece model that does not fit it",
                             t->m->path);
        sp_model_release(&sp);
    }
    str_release(&made);
    return result < 0 ? -1 : 1;
}

/* ---- chat templates ---- */

static void
put_named_templates(struct target *t, const json_t *list)
{
    size_t named = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i), *text = json_object_get(item, "template");
        const char *name = json_string_value(json_object_get(item, "name"));
        if (!name || !json_is_string(text))
            continue;
        bool plain = strcmp(name, "default") == 0;
        char *key = mem_printf("tokenizer.chat_template%s%s", plain ? "" : ".", plain ? "" : name);
        gguf_put_string(t->b, key, json_string_value(text), json_string_length(text));
        free(key);
        named += !plain;
    }
    if (named == 0)
        return;
    gguf_begin_array(t->b, "tokenizer.chat_templates", GGUF_STRING, named);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && json_is_string(json_object_get(item, "template")) &&
            strcmp(name, "default") != 0)
            gguf_add_string(t->b, name, strlen(name));
    }
}

/* transformers' configurations may hold integers beyond 64 bits, of no interest here. */
static void
put_templates(struct target *t, const struct files *f)
{
    json_error_t error;
    if (f->jinja.len > 0) {
        gguf_put_string(t->b, "tokenizer.chat_template", f->jinja.data, f->jinja.len);
        return;
    }
    if (f->config.len == 0)
        return;
    json_t *root = json_loadb(f->config.data, f->config.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    const json_t *found = json_object_get(root, "chat_template");
    if (json_is_string(found))
        gguf_put_string(t->b, "tokenizer.chat_template", json_string_value(found),
                        json_string_length(found));
    else if (json_is_array(found))
        put_named_templates(t, found);
    json_decref(root);
}

/* ---- all of it ---- */

/* 1; 0: llama.cpp has no form for it; -1. */
static int
put_vocabulary(struct target *t, const struct files *f)
{
    struct json_doc doc = {0};
    bool byte_level = false;
    if (f->json.len == 0)
        return put_sentencepiece(t, f);
    if (json_doc_parse(&doc, t->m->path, f->json.data, f->json.len) < 0)
        return -1;
    const char *pre = pre_of(t, doc.root, &byte_level);
    bool bpe = json_object_get(json_object_get(doc.root, "model"), "merges") != NULL;
    if (bpe && byte_level)
        put_byte_bpe(t, doc.root, pre);
    json_doc_release(&doc);
    if (bpe && byte_level)
        return 1;
    /* what stands in tokenizer.json counts, where there are both */
    const struct files only = {.json = f->json};
    return put_sentencepiece(t, &only);
}

static int
put_all(struct target *t, const struct files *f)
{
    uint32_t own = tokenizer_vocabulary(t->t);
    if (own > t->tokens)
        return err_set(STATUS_INPUT, "%s: the tokenizer has %u tokens, the model %u", t->m->path,
                       own, t->tokens);
    int found = f->json.len > 0 || f->model.len > 0 ? put_vocabulary(t, f) : 0;
    if (found < 0)
        return -1;
    if (!found)
        put_text(t, "tokenizer.ggml.model", "no_vocab");
    if (f->json.len > 0)
        gguf_put_string(t->b, "tokenizer.huggingface.json", f->json.data, f->json.len);
    put_specials(t);
    put_templates(t, f);
    return put_around(t);
}

int
gguf_put_tokenizer(struct gguf_build *b, const struct model_source *m)
{
    struct files files = {{0}, {0}, {0}, {0}};
    struct tokenizer *tokenizer = model_source_tokenizer(m);
    struct target t = {b, m, tokenizer, (uint32_t)m->config.vocab_size};
    if (!tokenizer) {
        warn("%s: the file will have no tokenizer: %s", m->path, err_text());
        err_clear();
        put_text(&t, "tokenizer.ggml.model", "no_vocab");
        return 0;
    }
    int result = model_source_files(m, take, &files);
    if (result == 0)
        result = put_all(&t, &files);
    files_release(&files);
    tokenizer_free(tokenizer);
    return result;
}
