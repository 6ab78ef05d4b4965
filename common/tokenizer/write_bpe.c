#include "tokenizer/write_bpe.h"

#include <string.h>

#include "json/write.h"
#include "tokenizer/write_parts.h"

static void
put_byte_level(struct json_writer *w, const char *key)
{
    json_begin_object(w, key);
    json_put_string(w, "type", "ByteLevel");
    json_put_bool(w, "add_prefix_space", false);
    json_put_bool(w, "trim_offsets", true);
    json_put_bool(w, "use_regex", false);
    json_end_object(w);
}

static void
put_added(struct json_writer *w, const struct write_bpe *b)
{
    json_begin_array(w, "added_tokens");
    for (size_t i = 0; i < b->added_count; i++)
        put_added_token(w, b->added[i].id, b->added[i].text, strlen(b->added[i].text),
                        b->added[i].special);
    json_end_array(w);
}

static void
put_normalizer(struct json_writer *w, const struct write_bpe *b)
{
    if (!b->words && b->normalization == BPE_NORMALIZE_NONE) {
        json_put_null(w, "normalizer");
        return;
    }
    json_begin_object(w, "normalizer");
    json_put_string(w, "type", "Sequence");
    json_begin_array(w, "normalizers");
    if (b->normalization == BPE_NORMALIZE_NMT_NFKC)
        put_bare(w, "Nmt");
    if (b->normalization != BPE_NORMALIZE_NONE)
        put_bare(w, b->normalization == BPE_NORMALIZE_NFC ? "NFC" : "NFKC");
    if (b->words)
        put_mark_spaces(w);
    json_end_array(w);
    json_end_object(w);
}

static void
put_pre_tokenizer(struct json_writer *w, const struct write_bpe *b)
{
    if (b->words) {
        json_put_null(w, "pre_tokenizer");
        return;
    }
    json_begin_object(w, "pre_tokenizer");
    json_put_string(w, "type", "Sequence");
    json_begin_array(w, "pretokenizers");
    if (b->split_digits) {
        json_begin_object(w, NULL);
        json_put_string(w, "type", "Digits");
        json_put_bool(w, "individual_digits", true);
        json_end_object(w);
    }
    json_begin_object(w, NULL);
    json_put_string(w, "type", "Split");
    json_begin_object(w, "pattern");
    json_put_string(w, "Regex", b->regex);
    json_end_object(w);
    json_put_string(w, "behavior", "Isolated");
    json_put_bool(w, "invert", false);
    json_end_object(w);
    put_byte_level(w, NULL);
    json_end_array(w);
    json_end_object(w);
}

/* The first token, BOS, before a text. */
static void
put_template_part(struct json_writer *w, const char *kind, const char *id)
{
    json_begin_object(w, NULL);
    json_begin_object(w, kind);
    json_put_string(w, "id", id);
    json_put_uint(w, "type_id", 0);
    json_end_object(w);
    json_end_object(w);
}

static void
put_post_processor(struct json_writer *w, const struct write_bpe *b)
{
    if (!b->words) {
        json_put_null(w, "post_processor");
        return;
    }
    json_begin_object(w, "post_processor");
    json_put_string(w, "type", "TemplateProcessing");
    json_begin_array(w, "single");
    put_template_part(w, "SpecialToken", "<s>");
    put_template_part(w, "Sequence", "A");
    json_end_array(w);
    json_begin_array(w, "pair");
    put_template_part(w, "SpecialToken", "<s>");
    put_template_part(w, "Sequence", "A");
    put_template_part(w, "SpecialToken", "<s>");
    put_template_part(w, "Sequence", "B");
    json_end_array(w);
    json_begin_object(w, "special_tokens");
    json_begin_object(w, "<s>");
    json_put_string(w, "id", "<s>");
    json_begin_array(w, "ids");
    json_put_uint(w, NULL, 1);
    json_end_array(w);
    json_begin_array(w, "tokens");
    json_put_string(w, NULL, "<s>");
    json_end_array(w);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
}

static void
put_decoder(struct json_writer *w, const struct write_bpe *b)
{
    if (b->words)
        put_mark_decoder(w);
    else
        put_byte_level(w, "decoder");
}

static void
put_token(struct json_writer *w, const struct vocab *v, uint32_t id)
{
    size_t n = 0;
    const char *s = vocab_get(v, id, &n);
    json_put_bytes(w, NULL, s, n);
}

static void
put_model(struct json_writer *w, const struct write_bpe *b)
{
    json_begin_object(w, "model");
    json_put_string(w, "type", "BPE");
    json_put_null(w, "dropout");
    if (b->words)
        json_put_string(w, "unk_token", "<unk>");
    else
        json_put_null(w, "unk_token");
    json_put_null(w, "continuing_subword_prefix");
    json_put_null(w, "end_of_word_suffix");
    json_put_bool(w, "fuse_unk", b->words);
    json_put_bool(w, "byte_fallback", b->words && b->byte_fallback);
    json_put_bool(w, "ignore_merges", b->ignore_merges);
    json_begin_object(w, "vocab");
    for (uint32_t id = 0; id < b->vocab->entries.len; id++) {
        size_t n = 0;
        const char *s = vocab_get(b->vocab, id, &n);
        if (!s)
            continue;
        json_put_key(w, s, n);
        json_put_uint(w, NULL, id);
    }
    json_end_object(w);
    json_begin_array(w, "merges");
    for (size_t i = 0; i < b->merge_count; i++) {
        json_begin_array(w, NULL);
        put_token(w, b->vocab, b->merges[i].left);
        put_token(w, b->vocab, b->merges[i].right);
        json_end_array(w);
    }
    json_end_array(w);
    json_end_object(w);
}

void
write_bpe(const struct write_bpe *b, struct str *json)
{
    struct json_writer w = {.out = json, .indent = 2};
    json_begin_object(&w, NULL);
    json_put_string(&w, "version", "1.0");
    json_put_null(&w, "truncation");
    json_put_null(&w, "padding");
    put_added(&w, b);
    put_normalizer(&w, b);
    put_pre_tokenizer(&w, b);
    put_post_processor(&w, b);
    put_decoder(&w, b);
    put_model(&w, b);
    json_end_object(&w);
    str_addc(json, '\n');
}
