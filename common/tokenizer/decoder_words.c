#include "tokenizer/decoder_words.h"

#include <string.h>

#include "text/classes.h"

/*
 * Appends s[0..n) with each `from` made `to`, from left to right. An empty `from` is
 * found before every character and at the end, as Rust's replace() finds it.
 */
static void
replace_all(const char *s, size_t n, const char *from, size_t from_n, const char *to,
            struct str *out)
{
    const char *end = s + n, *hit;
    if (from_n == 0) {
        for (size_t used; s < end; s += used) {
            text_peek(s, &used);
            str_adds(out, to);
            str_add(out, s, used);
        }
        str_adds(out, to);
        return;
    }
    while ((hit = memmem(s, (size_t)(end - s), from, from_n))) {
        str_add(out, s, (size_t)(hit - s));
        str_adds(out, to);
        s = hit + from_n;
    }
    str_add(out, s, (size_t)(end - s));
}

/* The same in place, for what was appended behind `begin`. */
static void
replace_behind(struct str *out, size_t begin, const char *from, size_t from_n, const char *to)
{
    struct str old = {0};
    str_add(&old, out->data + begin, out->len - begin);
    out->len = begin;
    replace_all(old.data ? old.data : "", old.len, from, from_n, to, out);
    str_release(&old);
}

/* BERT's clean_up_tokenization, as Hugging Face has it. */
static void
cleanup_behind(struct str *out, size_t begin)
{
    static const struct {
        const char *from, *to;
    } rules[] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                 {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                 {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (out->len > begin &&
            memmem(out->data + begin, out->len - begin, rules[i].from, strlen(rules[i].from)))
            replace_behind(out, begin, rules[i].from, strlen(rules[i].from), rules[i].to);
}

void
decode_suffix(const struct decoder_step *step, const char *s, size_t n, bool last, struct str *out)
{
    replace_all(s, n, step->content, step->length, last ? "" : " ", out);
}

void
decode_wordpiece(const struct decoder_step *step, const char *s, size_t n, bool first,
                 struct str *out)
{
    size_t begin = out->len;
    bool continues = n >= step->length && !memcmp(s, step->content, step->length);
    if (!first && continues) {
        s += step->length;
        n -= step->length;
    } else if (!first) {
        str_addc(out, ' ');
    }
    str_add(out, s, n);
    if (step->cleanup)
        cleanup_behind(out, begin);
}

void
decode_ctc(const struct decoder_step *step, const char *s, size_t n, struct str *out)
{
    size_t begin = out->len;
    replace_all(s, n, step->content, step->length, "", out);
    if (!step->cleanup)
        return;
    cleanup_behind(out, begin);
    replace_behind(out, begin, step->delimiter, step->delimiter_length, " ");
}

/* Of equal texts in a row the first stays; what then becomes empty goes. */
void
decode_ctc_list(const struct decoder_step *step, const struct pieces *in, struct pieces *out)
{
    const char *last = NULL;
    size_t begin = 0, last_n = 0;
    for (size_t i = 0; i < in->ends.len; begin = in->ends.data[i++]) {
        const char *s = in->bytes.data + begin;
        size_t n = in->ends.data[i] - begin, old = out->bytes.len;
        bool again = last && n == last_n && !memcmp(s, last, n);
        last = s;
        last_n = n;
        if (again)
            continue;
        decode_ctc(step, s, n, &out->bytes);
        if (out->bytes.len > old)
            vec_push(&out->ends, out->bytes.len);
    }
}
