#include "tokenizer/train.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "json/write.h"
#include "text/classes.h"
#include "tokenizer/bpe_learn.h"
#include "tokenizer/bytelevel.h"
#include "tokenizer/pattern.h"
#include "tokenizer/piece_counts.h"

/* The trainer: each worker counts pieces by itself, then one learns from their sum. */

struct bpe_trainer {
    struct bpe_options o;
    const struct pattern *pattern;
    struct vocab specials;       /* copies of the names */
    struct piece_counts *counts; /* by worker */
    int workers;
};

static int
check_options(const struct bpe_options *o)
{
    if (o->vocab_size > VOCAB_MAX || o->special_count > VOCAB_MAX ||
        o->vocab_size < 256 + o->special_count)
        return err_set(STATUS_USAGE,
                       "a vocabulary of %u does not hold 256 bytes and %zu special tokens",
                       o->vocab_size, o->special_count);
    if (o->pattern && !pattern_by_name(o->pattern))
        return err_set(STATUS_USAGE, "no pre-tokenizer pattern is called '%s'", o->pattern);
    for (size_t i = 0; i < o->special_count; i++)
        if (strlen(o->specials[i]) < 2 ||
            utf8_valid(o->specials[i], strlen(o->specials[i])) != strlen(o->specials[i]))
            return err_set(STATUS_USAGE,
                           "'%s' cannot be a special token: less than 2 bytes, or not UTF-8",
                           o->specials[i]);
    return 0;
}

struct bpe_trainer *
bpe_trainer_new(const struct bpe_options *o)
{
    if (check_options(o) < 0)
        return NULL;
    struct bpe_trainer *t = mem_zalloc(sizeof *t);
    t->o = *o;
    t->o.specials = NULL;
    t->pattern = pattern_by_name(o->pattern ? o->pattern : "llama3");
    t->workers = o->threads > 0 ? o->threads : 1;
    t->counts = mem_zarray((size_t)t->workers, sizeof *t->counts);
    for (uint32_t i = 0; i < o->special_count; i++)
        vocab_add(&t->specials, i, o->specials[i], strlen(o->specials[i]));
    uint32_t first, second;
    if (!vocab_index(&t->specials, &first, &second)) {
        err_set(STATUS_USAGE, "the special token '%s' is given twice", o->specials[first]);
        bpe_trainer_free(t);
        return NULL;
    }
    return t;
}

void
bpe_trainer_free(struct bpe_trainer *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->workers; i++)
        piece_counts_release(&t->counts[i]);
    free(t->counts);
    vocab_release(&t->specials);
    free(t);
}

int
bpe_trainer_add(struct bpe_trainer *t, int worker, const char *text, size_t n)
{
    const uint16_t *classes = text_classes();
    size_t valid = n ? utf8_valid(text, n) : 0;
    if (valid != n)
        return err_set(STATUS_INPUT, "the text is not UTF-8 at byte %zu", valid);
    for (size_t at = 0, end; at < n; at = end) {
        end = t->pattern->next(classes, text, at, n);
        piece_counts_add(&t->counts[worker], text + at, end - at, 1);
    }
    return 0;
}

/* ---- tokenizer.json ---- */

static void
put_byte_level(struct json_writer *w, const char *key, bool regex)
{
    json_begin_object(w, key);
    json_put_string(w, "type", "ByteLevel");
    json_put_bool(w, "add_prefix_space", false);
    json_put_bool(w, "trim_offsets", true);
    json_put_bool(w, "use_regex", regex);
    json_end_object(w);
}

static void
put_specials(struct json_writer *w, const struct vocab *specials, uint32_t first_id)
{
    json_begin_array(w, "added_tokens");
    for (uint32_t i = 0; i < specials->entries.len; i++) {
        size_t n = 0;
        const char *s = vocab_get(specials, i, &n);
        json_begin_object(w, NULL);
        json_put_uint(w, "id", first_id + i);
        json_put_bytes(w, "content", s, n);
        json_put_bool(w, "single_word", false);
        json_put_bool(w, "lstrip", false);
        json_put_bool(w, "rstrip", false);
        json_put_bool(w, "normalized", false);
        json_put_bool(w, "special", true);
        json_end_object(w);
    }
    json_end_array(w);
}

static void
put_pre_tokenizer(struct json_writer *w, const struct pattern *pattern)
{
    json_begin_object(w, "pre_tokenizer");
    json_put_string(w, "type", "Sequence");
    json_begin_array(w, "pretokenizers");
    json_begin_object(w, NULL);
    json_put_string(w, "type", "Split");
    json_begin_object(w, "pattern");
    json_put_string(w, "Regex", pattern->regex);
    json_end_object(w);
    json_put_string(w, "behavior", "Isolated");
    json_put_bool(w, "invert", false);
    json_end_object(w);
    put_byte_level(w, NULL, false);
    json_end_array(w);
    json_end_object(w);
}

/* The characters that a token's bytes are written as. */
static const struct str *
token_text(const struct bpe_learned *l, uint32_t id, struct str *text)
{
    size_t n = 0;
    const char *s = vocab_get(&l->tokens, id, &n);
    str_clear(text);
    bytes_to_chars(s, n, text);
    return text;
}

static void
put_model(struct json_writer *w, const struct bpe_learned *l)
{
    struct str text = {0};
    json_begin_object(w, "model");
    json_put_string(w, "type", "BPE");
    json_put_null(w, "dropout");
    json_put_null(w, "unk_token");
    json_put_null(w, "continuing_subword_prefix");
    json_put_null(w, "end_of_word_suffix");
    json_put_bool(w, "fuse_unk", false);
    json_put_bool(w, "byte_fallback", false);
    json_put_bool(w, "ignore_merges", false);
    json_begin_object(w, "vocab");
    for (uint32_t id = 0; id < l->tokens.entries.len; id++) {
        token_text(l, id, &text);
        json_put_key(w, text.data, text.len);
        json_put_uint(w, NULL, id);
    }
    json_end_object(w);
    json_begin_array(w, "merges");
    for (size_t i = 0; i < l->merges.len; i++) {
        json_begin_array(w, NULL);
        token_text(l, l->merges.data[i].left, &text);
        json_put_bytes(w, NULL, text.data, text.len);
        token_text(l, l->merges.data[i].right, &text);
        json_put_bytes(w, NULL, text.data, text.len);
        json_end_array(w);
    }
    json_end_array(w);
    json_end_object(w);
    str_release(&text);
}

static void
put_tokenizer(const struct bpe_trainer *t, const struct bpe_learned *l, struct str *json)
{
    struct json_writer w = {.out = json, .indent = 2};
    json_begin_object(&w, NULL);
    json_put_string(&w, "version", "1.0");
    json_put_null(&w, "truncation");
    json_put_null(&w, "padding");
    put_specials(&w, &t->specials, (uint32_t)l->tokens.entries.len);
    json_put_null(&w, "normalizer");
    put_pre_tokenizer(&w, t->pattern);
    json_put_null(&w, "post_processor");
    put_byte_level(&w, "decoder", false);
    put_model(&w, l);
    json_end_object(&w);
    str_addc(json, '\n');
}

/* The bytes' ids are the order of the characters they are written as, as Hugging Face has it. */
static void
byte_order(uint8_t ids[256])
{
    for (unsigned i = 0; i < 256; i++) {
        unsigned smaller = 0;
        for (unsigned j = 0; j < 256; j++)
            smaller += byte_to_char((uint8_t)j) < byte_to_char((uint8_t)i);
        ids[i] = (uint8_t)smaller;
    }
}

/* The bytes of which tokens would be written like special tokens. */
static void
taken_texts(const struct vocab *specials, struct vocab *taken)
{
    struct str bytes = {0};
    uint32_t one, two;
    for (uint32_t i = 0; i < specials->entries.len; i++) {
        size_t n = 0;
        const char *s = vocab_get(specials, i, &n);
        str_clear(&bytes);
        if (chars_to_bytes(s, n, &bytes))
            vocab_add(taken, i, bytes.data, bytes.len);
    }
    vocab_index(taken, &one, &two);
    str_release(&bytes);
}

static size_t
byte_units(const void *arg, const char *piece, size_t n, uint32_t *out)
{
    const uint8_t *ids = arg;
    for (size_t i = 0; i < n; i++)
        out[i] = ids[(unsigned char)piece[i]];
    return n;
}

int
bpe_trainer_finish(struct bpe_trainer *t, struct str *json)
{
    uint8_t byte_ids[256];
    char bytes[256];
    struct bpe_learned learned = {0};
    struct bpe_cells words;
    struct vocab taken = {0};
    for (int i = 1; i < t->workers; i++)
        piece_counts_join(&t->counts[0], &t->counts[i]);
    byte_order(byte_ids);
    taken_texts(&t->specials, &taken);
    for (unsigned i = 0; i < 256; i++)
        bytes[byte_ids[i]] = (char)i;
    for (uint32_t i = 0; i < 256; i++)
        vocab_add(&learned.tokens, i, &bytes[i], 1);
    if (bpe_cells_init(&words, &t->counts[0], byte_units, byte_ids))
        return -1;
    struct bpe_learn_options o = {
        .tokens = t->o.vocab_size - (uint32_t)t->specials.entries.len,
        .min_frequency = t->o.min_frequency ? t->o.min_frequency : 2,
        .max_length = t->o.max_piece_bytes,
        .taken = &taken,
        .progress = t->o.progress,
    };
    bpe_learn(&words, &o, &learned);
    put_tokenizer(t, &learned, json);
    bpe_learned_release(&learned);
    vocab_release(&taken);
    return 0;
}
