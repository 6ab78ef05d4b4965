#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tokenizer/bytelevel.h"
#include "tokenizer/internal.h"
#include "tokenizer/sp_tokenizer.h"

/* Decoding, whole and streamed. */

const char *
decode_text(const struct tokenizer *t, uint32_t id, size_t *n)
{
    const struct added_token *a = added_token(t, id);
    if (a && a->normal) {
        *n = a->normal_length;
        return a->normal;
    }
    return tokenizer_text(t, id, n);
}

bool
decode_skips(const struct tokenizer *t, uint32_t id)
{
    const struct added_token *a = added_token(t, id);
    return a && a->skipped;
}

static int
check_id(const struct tokenizer *t, uint32_t id)
{
    if (id < t->vocabulary)
        return 0;
    return err_set(STATUS_INPUT, "id %u is outside the vocabulary of %u", id, t->vocabulary);
}

/* ---- SentencePiece models ---- */

static void
decode_sp_id(const struct tokenizer *t, struct sp_decoding *d, uint32_t id, bool skip_special,
             struct str *out)
{
    const struct added_token *a = added_token(t, id);
    if (!a)
        sp_decode_id(t->sp, d, id, out);
    else if (!skip_special || !a->special)
        sp_decode_text(t->sp, d, a->content, a->length, out);
}

void
decode_sp_piece(const struct tokenizer *t, uint32_t id, struct str *out)
{
    size_t n = 0;
    const char *text = tokenizer_text(t, id, &n);
    if (id < t->vocab.entries.len && t->sp->kinds[id] == SP_BYTE)
        str_addc(out, (char)byte_token(text, n));
    else if (id < t->vocab.entries.len)
        sp_add_spaced(text, n, out);
    else
        str_add(out, text, n);
}

static int
decode_sp(const struct tokenizer *t, const uint32_t *ids, size_t n, bool skip_special,
          struct str *out)
{
    struct sp_decoding d = {0};
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = check_id(t, ids[i]);
        if (rc == 0)
            decode_sp_id(t, &d, ids[i], skip_special, out);
    }
    if (rc == 0)
        sp_decode_end(t->sp, &d, out);
    sp_decoding_release(&d);
    return rc;
}

/* ---- whole ---- */

int
tokenizer_decode(const struct tokenizer *t, const uint32_t *ids, size_t n, bool skip_special,
                 struct str *out)
{
    struct pieces pieces = {0};
    int rc = 0;
    if (t->sp)
        return decode_sp(t, ids, n, skip_special, out);
    for (size_t i = 0; i < n && rc == 0; i++) {
        size_t length = 0;
        rc = check_id(t, ids[i]);
        const char *text = decode_text(t, ids[i], &length);
        if (rc == 0 && text && !(skip_special && decode_skips(t, ids[i])))
            pieces_add(&pieces, text, length); /* gaps decode to nothing */
    }
    if (rc == 0)
        rc = decoder_run(&t->decoder, &pieces, out);
    pieces_release(&pieces);
    return rc;
}

/* ---- streaming ---- */

struct tokenizer_stream {
    const struct tokenizer *t;
    bool skip_special;
    enum decoder_stream kind;
    struct str bytes;  /* STREAM_BYTES: an unfinished character; STREAM_TEXTS: a run of bytes */
    struct ids held;   /* STREAM_NONE: everything */
    size_t strip_left; /* characters that Strip may still take */
    struct sp_decoding sp;
};

static const struct decoder_step *
last_strip(const struct decoder *d)
{
    const struct decoder_step *last = d->steps.len ? &d->steps.data[d->steps.len - 1] : NULL;
    return last && last->kind == DECODE_STRIP ? last : NULL;
}

struct tokenizer_stream *
tokenizer_stream_new(const struct tokenizer *t, bool skip_special)
{
    struct tokenizer_stream *s = mem_zalloc(sizeof *s);
    s->t = t;
    s->skip_special = skip_special;
    s->kind = decoder_stream(&t->decoder);
    const struct decoder_step *strip = last_strip(&t->decoder);
    s->strip_left = strip ? strip->start : 0;
    return s;
}

void
tokenizer_stream_free(struct tokenizer_stream *s)
{
    if (!s)
        return;
    str_release(&s->bytes);
    vec_release(&s->held);
    sp_decoding_release(&s->sp);
    free(s);
}

/* How many bytes at the end may be the beginning of a character that is not whole yet. */
static size_t
unfinished(const char *s, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];
        if ((c & 0xC0) == 0x80)
            continue;
        size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        if (length <= back)
            return 0;
        /* an impossible beginning (E0 80, F5 …) is given out at once */
        size_t used;
        utf8_decode(s + n - back, back, &used);
        return used == back ? back : 0;
    }
    return 0;
}

static void
add_bytes(struct tokenizer_stream *s, const char *text, size_t n, struct str *out)
{
    if (!chars_to_bytes(text, n, &s->bytes))
        str_add(&s->bytes, text, n);
    if (s->bytes.len == 0)
        return;
    size_t keep = unfinished(s->bytes.data, s->bytes.len);
    size_t ready = s->bytes.len - keep;
    utf8_clean(s->bytes.data, ready, out);
    memmove(s->bytes.data, s->bytes.data + ready, keep);
    s->bytes.len = keep;
}

/* Gives text out; Strip takes leading characters from it. */
static void
give(struct tokenizer_stream *s, const char *text, size_t n, struct str *out)
{
    const struct decoder_step *strip = last_strip(&s->t->decoder);
    while (s->strip_left > 0 && n > 0) {
        size_t used;
        int32_t c = utf8_decode(text, n, &used);
        if (!strip || c < 0 || (uint32_t)c != strip->character) {
            s->strip_left = 0;
            break;
        }
        s->strip_left--;
        text += used;
        n -= used;
    }
    str_add(out, text, n);
}

/* The run of byte tokens is over: as ByteFallback decodes it. */
static void
end_run(struct tokenizer_stream *s, struct str *out)
{
    if (s->bytes.len == 0)
        return;
    if (utf8_valid(s->bytes.data, s->bytes.len) == s->bytes.len)
        give(s, s->bytes.data, s->bytes.len, out);
    else
        for (size_t i = 0; i < s->bytes.len; i++)
            give(s, "\xEF\xBF\xBD", 3, out);
    str_clear(&s->bytes);
}

static int
add_text(struct tokenizer_stream *s, const char *text, size_t n, struct str *out)
{
    struct str piece = {0};
    int rc = decoder_piece(&s->t->decoder, text, n, &piece);
    bool is_byte = false;
    for (size_t i = 0; i < s->t->decoder.steps.len; i++)
        is_byte |= s->t->decoder.steps.data[i].kind == DECODE_BYTE_FALLBACK;
    is_byte = is_byte && byte_token(text, n) >= 0;
    if (rc == 0 && is_byte) {
        str_add(&s->bytes, piece.data, piece.len);
    } else if (rc == 0) {
        end_run(s, out);
        give(s, piece.data ? piece.data : "", piece.len, out);
    }
    str_release(&piece);
    return rc;
}

int
tokenizer_stream_add(struct tokenizer_stream *s, uint32_t id, struct str *out)
{
    size_t n = 0;
    if (check_id(s->t, id) < 0)
        return -1;
    if (s->t->sp) {
        decode_sp_id(s->t, &s->sp, id, s->skip_special, out);
        return 0;
    }
    const char *text = decode_text(s->t, id, &n);
    if (!text || (s->skip_special && decode_skips(s->t, id)))
        return 0;
    if (s->kind == STREAM_BYTES)
        add_bytes(s, text, n, out);
    else if (s->kind == STREAM_TEXTS)
        return add_text(s, text, n, out);
    else
        vec_push(&s->held, id);
    return 0;
}

int
tokenizer_stream_end(struct tokenizer_stream *s, struct str *out)
{
    int rc = 0;
    if (s->t->sp)
        sp_decode_end(s->t->sp, &s->sp, out);
    else if (s->kind == STREAM_BYTES && s->bytes.len)
        utf8_clean(s->bytes.data, s->bytes.len, out);
    else if (s->kind == STREAM_TEXTS)
        end_run(s, out);
    else if (s->kind == STREAM_NONE)
        rc = tokenizer_decode(s->t, s->held.data, s->held.len, s->skip_special, out);
    str_clear(&s->bytes);
    vec_clear(&s->held);
    return rc;
}
