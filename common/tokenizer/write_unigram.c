#include "tokenizer/write_unigram.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/write_parts.h"

enum { BYTE_PIECE_CHARACTERS = 6 /* <0x41> */, SCORE_STEPS = 32 /* to 1 */ };

/* ---- scores ---- */

static float
worst_score(const struct unigram_file *f)
{
    float worst = -1;

    for (size_t i = 0; i < f->pieces.len; i++)
        worst = f->pieces.data[i].score < worst ? f->pieces.data[i].score : worst;
    return worst;
}

/* Characters of a piece that another text than the symbol has to spell one by one. */
static double
loss_of_overlap(const struct unigram_vocab_entry *piece, size_t rest, float worst)
{
    return (double)piece->score - (double)rest * (double)worst;
}

/*
 * How much better a reading may be that goes across the borders of the symbol: a piece
 * ends (begins) inside it, and without that piece its other characters stand alone.
 */
static double
most_across(const struct unigram_file *f, const struct unigram_vocab_entry *symbol, float worst)
{
    double left = 0, right = 0;

    for (size_t i = 0; i < f->pieces.len; i++) {
        const struct unigram_vocab_entry *p = &f->pieces.data[i];

        for (size_t k = 1; k < symbol->length && k < p->length; k++) {
            double gain = loss_of_overlap(p, utf8_count(p->text, p->length - k), worst);

            if (gain > left && !memcmp(p->text + p->length - k, symbol->text, k))
                left = gain;
            gain = loss_of_overlap(p, utf8_count(p->text + k, p->length - k), worst);
            if (gain > right && !memcmp(p->text, symbol->text + symbol->length - k, k))
                right = gain;
        }
    }
    return left + right;
}

/* A symbol is worth more than any others that it is made of: odd multiples of one score. */
static void
score_symbols(struct unigram_file *f, float worst)
{
    double one = 0;

    for (size_t i = 0; i < f->symbols.len; i++) {
        double need = most_across(f, &f->symbols.data[i], worst);

        one = need > one ? need : one;
    }
    one = ceil(one) + 1.0 / 16;
    for (size_t i = 0; i < f->symbols.len; i++) {
        struct unigram_vocab_entry *s = &f->symbols.data[i];

        s->score = (float)(one * (2.0 * (double)utf8_count(s->text, s->length) - 1));
    }
}

void
unigram_scores(struct unigram_file *f)
{
    for (size_t i = 0; i < f->pieces.len; i++)
        f->pieces.data[i].score = roundf(f->pieces.data[i].score * SCORE_STEPS) / SCORE_STEPS;
    float worst = worst_score(f);

    f->below = floorf(worst) * (BYTE_PIECE_CHARACTERS + 1);
    score_symbols(f, worst);
}

/* ---- tokenizer.json ---- */

static void
put_forms(struct json_writer *w, enum normal_form form)
{
    if (form == NORMAL_NMT_NFKC)
        put_bare(w, "Nmt");
    put_bare(w, form == NORMAL_NFC ? "NFC" : "NFKC");
}

void
put_normal_form(struct json_writer *w, const char *key, enum normal_form form)
{
    if (form == NORMAL_NONE) {
        json_put_null(w, key);
        return;
    }
    put_type(w, key, "Sequence");
    json_begin_array(w, "normalizers");
    put_forms(w, form);
    json_end_array(w);
    json_end_object(w);
}

static void
put_normalizer(struct json_writer *w, enum normal_form form)
{
    put_type(w, "normalizer", "Sequence");
    json_begin_array(w, "normalizers");
    if (form != NORMAL_NONE)
        put_forms(w, form);
    put_mark_spaces(w);
    json_end_array(w);
    json_end_object(w);
}

static void
put_entry(struct json_writer *w, const char *text, size_t n, float score)
{
    json_begin_array(w, NULL);
    json_put_bytes(w, NULL, text, n);
    json_put_real(w, NULL, (double)score);
    json_end_array(w);
}

static void
put_entries(struct json_writer *w, const struct unigram_vocab_entries *e)
{
    for (size_t i = 0; i < e->len; i++)
        put_entry(w, e->data[i].text, e->data[i].length, e->data[i].score);
}

static void
put_model(struct json_writer *w, const struct unigram_file *f)
{
    char byte[8];

    put_type(w, "model", "Unigram");
    json_put_int(w, "unk_id", 0);
    json_begin_array(w, "vocab");
    put_entry(w, "<unk>", 5, f->below);
    for (unsigned i = 0; f->byte_fallback && i < 256; i++) {
        snprintf(byte, sizeof byte, "<0x%02X>", i);
        put_entry(w, byte, BYTE_PIECE_CHARACTERS, f->below);
    }
    put_entries(w, &f->symbols);
    put_entries(w, &f->pieces);
    json_end_array(w);
    json_put_bool(w, "byte_fallback", f->byte_fallback);
    json_end_object(w);
}

void
unigram_write(const struct unigram_file *f, struct str *json)
{
    struct json_writer w = {.out = json, .indent = 2};
    size_t next = 1 + (f->byte_fallback ? 256u : 0u) + f->symbols.len + f->pieces.len;

    json_begin_object(&w, NULL);
    json_put_string(&w, "version", "1.0");
    json_put_null(&w, "truncation");
    json_put_null(&w, "padding");
    json_begin_array(&w, "added_tokens");
    for (size_t i = 0; i < f->specials.len; i++)
        put_added_token(&w, (uint32_t)(next + i), f->specials.data[i].text,
                        f->specials.data[i].length, true);
    json_end_array(&w);
    put_normalizer(&w, f->form);
    json_put_null(&w, "pre_tokenizer");
    json_put_null(&w, "post_processor");
    put_mark_decoder(&w);
    put_model(&w, f);
    json_end_object(&w);
    str_addc(json, '\n');
}
