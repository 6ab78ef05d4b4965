#include "checkpoint/vocabulary.h"

#include <stdlib.h>

#include "tokenizer/write_parts.h"

/* From a vocabulary to the tokenizer.json that Hugging Face's tokenizers reads. */

void
vocabulary_release(struct vocabulary *v)
{
    vocab_release(&v->text);
    free(v->type);
    free(v->score);
}

/* ---- parts of both ---- */

/* Also a text of the vocabulary: ids are looked up there. */
static void
put_added(struct json_writer *w, const struct vocabulary *v)
{
    json_begin_array(w, "added_tokens");
    for (uint32_t id = 0; id < v->count; id++) {
        size_t n;
        const char *text = vocab_get(&v->text, id, &n);
        bool special = v->type[id] == TOKEN_CONTROL || v->type[id] == TOKEN_UNKNOWN;
        if (text && n > 0 && (special || v->type[id] == TOKEN_USER_DEFINED))
            put_added_token(w, id, text, n, special);
    }
    json_end_array(w);
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

/* A token that stands around every text. */
struct around {
    const char *text; /* NULL: none */
    size_t n;
    int64_t id;
};

static void
put_template(struct json_writer *w, const char *key, const struct around *bos,
             const struct around *eos, bool pair)
{
    json_begin_array(w, key);
    for (int i = 0; i < (pair ? 2 : 1); i++) {
        if (bos->text)
            put_piece(w, "SpecialToken", bos->text, bos->n);
        put_piece(w, "Sequence", i ? "B" : "A", 1);
        if (eos->text)
            put_piece(w, "SpecialToken", eos->text, eos->n);
    }
    json_end_array(w);
}

static void
put_around(struct json_writer *w, const struct around *a)
{
    if (!a->text)
        return;
    json_put_key(w, a->text, a->n);
    json_begin_object(w, NULL);
    json_put_bytes(w, "id", a->text, a->n);
    json_begin_array(w, "ids");
    json_put_int(w, NULL, a->id);
    json_end_array(w);
    json_begin_array(w, "tokens");
    json_put_bytes(w, NULL, a->text, a->n);
    json_end_array(w);
    json_end_object(w);
}

static struct around
find_around(const struct vocabulary *v, bool wanted, int64_t id)
{
    struct around a = {.id = id};
    if (wanted && id >= 0)
        a.text = vocab_get(&v->text, (uint32_t)id, &a.n);
    return a;
}

static void
put_post_processor(struct json_writer *w, const struct vocabulary *v)
{
    struct around bos = find_around(v, v->add_bos, v->bos);
    struct around eos = find_around(v, v->add_eos, v->eos), other = eos;
    if (!bos.text && !eos.text) {
        json_put_null(w, "post_processor");
        return;
    }
    put_type(w, "post_processor", "TemplateProcessing");
    put_template(w, "single", &bos, &eos, false);
    put_template(w, "pair", &bos, &eos, true);
    json_begin_object(w, "special_tokens");
    put_around(w, &bos);
    if (bos.text && bos.id == eos.id)
        other.text = NULL;
    put_around(w, &other);
    json_end_object(w);
    json_end_object(w);
}

static void
begin_file(struct json_writer *w, const struct vocabulary *v)
{
    json_begin_object(w, NULL);
    json_put_string(w, "version", "1.0");
    json_put_null(w, "truncation");
    json_put_null(w, "padding");
    put_added(w, v);
}

static void
put_vocab(struct json_writer *w, const struct vocabulary *v)
{
    json_begin_object(w, "vocab");
    for (uint32_t id = 0; id < v->count; id++) {
        size_t n;
        const char *text = vocab_get(&v->text, id, &n);
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
put_merges(struct json_writer *w, struct gguf_items merges)
{
    const char *text;
    size_t n;
    json_begin_array(w, "merges");
    while (gguf_next_string(&merges, &text, &n))
        json_put_bytes(w, NULL, text, n);
    json_end_array(w);
}

static void
end_file(struct json_writer *w)
{
    json_end_object(w); /* model */
    json_end_object(w);
    str_addc(w->out, '\n');
}

/* ---- BPE over bytes ---- */

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
put_pre_tokenizer(struct json_writer *w, const struct vocabulary_cut *cut)
{
    put_type(w, "pre_tokenizer", "Sequence");
    json_begin_array(w, "pretokenizers");
    if (cut->digits) {
        put_type(w, NULL, "Digits");
        json_put_bool(w, "individual_digits", true);
        json_end_object(w);
    }
    for (int i = 0; i < cut->count && !cut->byte_level; i++)
        put_split(w, cut->patterns[i]);
    put_byte_level(w, NULL, cut->byte_level);
    json_end_array(w);
    json_end_object(w);
}

void
vocabulary_bytes_json(const struct vocabulary *v, const struct vocabulary_cut *cut,
                      struct gguf_items merges, struct str *json)
{
    struct json_writer w = {.out = json, .indent = 2};
    begin_file(&w, v);
    if (cut->nfc) {
        put_type(&w, "normalizer", "NFC");
        json_end_object(&w);
    } else {
        json_put_null(&w, "normalizer");
    }
    put_pre_tokenizer(&w, cut);
    put_post_processor(&w, v);
    put_byte_level(&w, "decoder", true);
    begin_model(&w, NULL, 0, false, cut->ignore_merges);
    put_vocab(&w, v);
    put_merges(&w, merges);
    end_file(&w);
}

/* ---- SentencePiece's BPE ---- */

/* ▁ for every space, and before a text unless the model says no. */
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

void
vocabulary_pieces_json(const struct vocabulary *v, const struct gguf_items *merges,
                       struct str *json)
{
    struct json_writer w = {.out = json, .indent = 2};
    size_t n = 0;
    const char *unknown = v->unk >= 0 ? vocab_get(&v->text, (uint32_t)v->unk, &n) : NULL;
    bool fallback = vocab_find(&v->text, "<0x00>", 6) != UINT32_MAX;
    begin_file(&w, v);
    put_spaces(&w, v->space_prefix);
    json_put_null(&w, "pre_tokenizer");
    put_post_processor(&w, v);
    put_spaces_decoder(&w, v->space_prefix);
    begin_model(&w, unknown, n, fallback, false);
    put_vocab(&w, v);
    if (merges)
        put_merges(&w, *merges);
    else
        vocabulary_put_merges(&w, v);
    end_file(&w);
}
