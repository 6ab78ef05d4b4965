#include "tokenizer/decoder.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/classes.h"
#include "tokenizer/bytelevel.h"
#include "tokenizer/decoder_words.h"

void
decoder_release(struct decoder *d)
{
    for (size_t i = 0; i < d->steps.len; i++) {
        matcher_release(&d->steps.data[i].pattern);
        free(d->steps.data[i].content);
        free(d->steps.data[i].delimiter);
    }
    vec_release(&d->steps);
}

/* ---- lists of texts ---- */

void
pieces_release(struct pieces *p)
{
    str_release(&p->bytes);
    vec_release(&p->ends);
}

void
pieces_clear(struct pieces *p)
{
    str_clear(&p->bytes);
    vec_clear(&p->ends);
}

void
pieces_add(struct pieces *p, const char *s, size_t n)
{
    str_add(&p->bytes, s, n);
    vec_push(&p->ends, p->bytes.len);
}

static void
end_piece(struct pieces *p)
{
    vec_push(&p->ends, p->bytes.len);
}

/* ---- steps ---- */

int
byte_token(const char *text, size_t n)
{
    if (n != 6 || memcmp(text, "<0x", 3) || text[5] != '>')
        return -1;
    int value = 0;
    for (size_t i = 3; i < 5; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        /* Rust reads "+5" as a number, too */
        if (digit < 0 && !(i == 3 && c == '+'))
            return -1;
        value = value * 16 + (digit < 0 ? 0 : digit);
    }
    return value;
}

static void
byte_level_piece(const char *s, size_t n, struct str *out)
{
    if (!chars_to_bytes(s, n, out))
        str_add(out, s, n);
}

static int
replace_piece(const struct decoder_step *step, struct regex_scratch *regex, const char *s, size_t n,
              struct str *out)
{
    struct match_cursor cursor = {0};
    size_t done = 0, begin = 0, end = 0;
    int found = 0;
    while (n > 0 &&
           (found = matcher_next(&step->pattern, regex, s, n, &cursor, &begin, &end)) > 0) {
        str_add(out, s + done, begin - done);
        str_add(out, step->content, step->length);
        done = end;
    }
    str_add(out, s + done, n - done);
    return found < 0 ? -1 : 0;
}

static void
strip_piece(const struct decoder_step *step, const char *s, size_t n, struct str *out)
{
    size_t begin = 0, end = n, used = 0;
    for (size_t i = 0; i < step->start && begin < n; i++, begin += used)
        if (text_peek(s + begin, &used) != step->character)
            break;
    for (size_t i = 0; i < step->stop && end > begin; i++) {
        size_t at = end - 1;
        while (at > begin && ((unsigned char)s[at] & 0xC0) == 0x80)
            at--;
        if (text_peek(s + at, &used) != step->character)
            break;
        end = at;
    }
    str_add(out, s + begin, end - begin);
}

static void
metaspace_piece(const struct decoder_step *step, const char *s, size_t n, bool first,
                struct str *out)
{
    for (size_t at = 0, used; at < n; at += used) {
        if (text_peek(s + at, &used) != step->character)
            str_add(out, s + at, used);
        else if (!first || !step->prepended)
            str_addc(out, ' ');
    }
}

/* A run of byte tokens: its text when it is UTF-8, else U+FFFD for every byte. */
static void
end_byte_run(struct str *run, struct pieces *out)
{
    if (run->len == 0)
        return;
    if (utf8_valid(run->data, run->len) == run->len) {
        pieces_add(out, run->data, run->len);
    } else {
        for (size_t i = 0; i < run->len; i++)
            pieces_add(out, "\xEF\xBF\xBD", 3);
    }
    str_clear(run);
}

static void
byte_fallback(const struct pieces *in, struct pieces *out)
{
    struct str run = {0};
    size_t begin = 0;
    for (size_t i = 0; i < in->ends.len; begin = in->ends.data[i++]) {
        const char *s = in->bytes.data + begin;
        size_t n = in->ends.data[i] - begin;
        int byte = byte_token(s, n);
        if (byte >= 0) {
            str_addc(&run, (char)byte);
            continue;
        }
        end_byte_run(&run, out);
        pieces_add(out, s, n);
    }
    end_byte_run(&run, out);
    str_release(&run);
}

static int
run_each(const struct decoder_step *step, struct regex_scratch *regex, const struct pieces *in,
         struct pieces *out)
{
    size_t begin = 0;
    for (size_t i = 0; i < in->ends.len; begin = in->ends.data[i++]) {
        const char *s = in->bytes.data + begin;
        size_t n = in->ends.data[i] - begin;
        switch (step->kind) {
        case DECODE_BYTE_LEVEL: byte_level_piece(s, n, &out->bytes); break;
        case DECODE_REPLACE:
            if (replace_piece(step, regex, s, n, &out->bytes) < 0)
                return -1;
            break;
        case DECODE_STRIP: strip_piece(step, s, n, &out->bytes); break;
        case DECODE_METASPACE: metaspace_piece(step, s, n, i == 0, &out->bytes); break;
        case DECODE_SUFFIX: decode_suffix(step, s, n, i + 1 == in->ends.len, &out->bytes); break;
        case DECODE_WORDPIECE: decode_wordpiece(step, s, n, i == 0, &out->bytes); break;
        case DECODE_CTC: decode_ctc(step, s, n, &out->bytes); break;
        default: str_add(&out->bytes, s, n);
        }
        end_piece(out);
    }
    return 0;
}

static void
join(struct pieces *p)
{
    vec_clear(&p->ends);
    end_piece(p);
}

/* The joined bytes as text: each ill-formed part becomes U+FFFD. */
static void
clean(struct pieces *p)
{
    struct str text = {0};
    if (p->bytes.len == 0 || utf8_valid(p->bytes.data, p->bytes.len) == p->bytes.len)
        return;
    utf8_clean(p->bytes.data, p->bytes.len, &text);
    str_release(&p->bytes);
    p->bytes = text;
}

int
decoder_run(const struct decoder *d, struct pieces *p, struct str *out)
{
    struct pieces next = {0};
    struct regex_scratch *regex = NULL;
    int rc = -1;
    for (size_t i = 0; i < d->steps.len; i++) {
        const struct decoder_step *step = &d->steps.data[i];
        if (step->pattern.regex && !regex)
            regex = regex_scratch_new();
        pieces_clear(&next);
        if (step->kind == DECODE_BYTE_FALLBACK)
            byte_fallback(p, &next);
        else if (step->kind == DECODE_CTC)
            decode_ctc_list(step, p, &next);
        else if (run_each(step, regex, p, &next) < 0)
            goto out;
        if (step->kind == DECODE_BYTE_LEVEL || step->kind == DECODE_FUSE) {
            join(&next);
            if (step->kind == DECODE_BYTE_LEVEL)
                clean(&next);
            join(&next);
        }
        struct pieces swap = *p;
        *p = next;
        next = swap;
    }
    if (d->present) {
        str_add(out, p->bytes.data ? p->bytes.data : "", p->bytes.len);
    } else {
        size_t begin = 0;
        for (size_t i = 0; i < p->ends.len; begin = p->ends.data[i++]) {
            if (i > 0)
                str_addc(out, ' ');
            str_add(out, p->bytes.data + begin, p->ends.data[i] - begin);
        }
    }
    rc = 0;
out:
    regex_scratch_free(regex);
    pieces_release(&next);
    return rc;
}

/* ---- one token apart ---- */

int
decoder_piece(const struct decoder *d, const char *text, size_t n, struct str *out)
{
    struct pieces p = {0}, next = {0};
    struct regex_scratch *regex = NULL;
    bool joined = false;
    int rc = 0, byte;
    pieces_add(&p, "", 0); /* something before and behind: no step sees the ends of a text */
    pieces_add(&p, text, n);
    pieces_add(&p, "", 0);
    for (size_t i = 0; i < d->steps.len && rc == 0 && !joined; i++) {
        const struct decoder_step *step = &d->steps.data[i];
        if (step->pattern.regex && !regex)
            regex = regex_scratch_new();
        if (step->kind == DECODE_BYTE_FALLBACK &&
            (byte = byte_token(p.bytes.data, p.bytes.len)) >= 0) {
            pieces_clear(&p);
            pieces_add(&p, &(char){(char)byte}, 1);
            break;
        }
        joined = step->kind == DECODE_FUSE;
        if (joined || step->kind == DECODE_BYTE_FALLBACK)
            continue;
        pieces_clear(&next);
        rc = run_each(step, regex, &p, &next);
        struct pieces swap = p;
        p = next;
        next = swap;
    }
    if (rc == 0 && p.bytes.len)
        str_add(out, p.bytes.data, p.bytes.len);
    regex_scratch_free(regex);
    pieces_release(&p);
    pieces_release(&next);
    return rc;
}

enum decoder_stream
decoder_stream(const struct decoder *d)
{
    if (!d->present)
        return STREAM_NONE;
    if (d->steps.len == 1 && d->steps.data[0].kind == DECODE_BYTE_LEVEL)
        return STREAM_BYTES;
    bool joined = false, bytes = false;
    for (size_t i = 0; i < d->steps.len; i++) {
        const struct decoder_step *step = &d->steps.data[i];
        switch (step->kind) {
        case DECODE_REPLACE:
            if (joined || bytes)
                return STREAM_NONE;
            break;
        case DECODE_BYTE_FALLBACK:
            if (joined || bytes)
                return STREAM_NONE;
            bytes = true;
            break;
        case DECODE_FUSE: joined = true; break;
        case DECODE_STRIP: /* behind Fuse it only shortens the text's beginning */
            if (!joined || step->stop || i + 1 < d->steps.len)
                return STREAM_NONE;
            break;
        default: return STREAM_NONE;
        }
    }
    return joined ? STREAM_TEXTS : STREAM_NONE;
}
