#include <string.h>

#include "base/utf8.h"
#include "tokenizer/decoder.h"
#include "tokenizer/sp_model.h"
#include "tokenizer/sp_tokenizer.h"

/*
 * Decoding with a SentencePiece model. The bytes of byte pieces are put together to
 * characters; one ▁ at the text's beginning is the dummy (all of them with
 * remove_extra_whitespaces), the others are spaces.
 */

void
sp_decoding_release(struct sp_decoding *d)
{
    str_release(&d->bytes);
    str_release(&d->text);
}

static void
append(const struct sp *sp, struct sp_decoding *d, const char *s, size_t n, struct str *out)
{
    str_add(sp->has_denormalizer ? &d->text : out, s, n);
    d->begun |= n > 0;
}

/* How many bytes the character needs that begins with this one; 1 for what begins none. */
static size_t
needed(unsigned char c)
{
    return c < 0xC2 || c > 0xF4 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* Gives out the characters that the collected bytes make; with `all` nothing may follow. */
static void
drain(const struct sp *sp, struct sp_decoding *d, bool all, struct str *out)
{
    size_t at = 0, used;
    while (at < d->bytes.len) {
        const char *s = d->bytes.data + at;
        size_t left = d->bytes.len - at;
        if (!all && left < needed((unsigned char)*s))
            break;
        if (utf8_decode(s, left, &used) < 0) {
            append(sp, d, "\xEF\xBF\xBD", 3, out);
            used = 1; /* each of the bytes by itself */
        } else {
            append(sp, d, s, used, out);
        }
        at += used;
    }
    if (at > 0) {
        memmove(d->bytes.data, d->bytes.data + at, d->bytes.len - at);
        d->bytes.len -= at;
    }
}

void
sp_add_spaced(const char *s, size_t n, struct str *out)
{
    const char *end = s + n, *mark;
    while (s < end && (mark = memmem(s, (size_t)(end - s), SP_MARK, SP_MARK_LEN))) {
        str_add(out, s, (size_t)(mark - s));
        str_addc(out, ' ');
        s = mark + SP_MARK_LEN;
    }
    str_add(out, s, (size_t)(end - s));
}

void
sp_decode_text(const struct sp *sp, struct sp_decoding *d, const char *text, size_t n,
               struct str *out)
{
    drain(sp, d, true, out);
    append(sp, d, text, n, out);
}

void
sp_decode_id(const struct sp *sp, struct sp_decoding *d, uint32_t id, struct str *out)
{
    size_t n = 0;
    const struct sp_normalizer *z = &sp->normalizer;
    const char *text = vocab_get(sp->vocab, id, &n);
    if (!text)
        return;
    if (sp->kinds[id] == SP_BYTE) {
        str_addc(&d->bytes, (char)byte_token(text, n));
        drain(sp, d, false, out);
        return;
    }
    drain(sp, d, true, out);
    bool first = !d->begun && !d->dropped;
    if (sp->kinds[id] == SP_CONTROL)
        return;
    if (id == sp->unk) {
        append(sp, d, sp->unk_surface, strlen(sp->unk_surface), out);
        return;
    }
    bool cuts = z->add_dummy_prefix || z->remove_extra_whitespaces;
    if (first && cuts && n >= SP_MARK_LEN && !memcmp(text, SP_MARK, SP_MARK_LEN)) {
        text += SP_MARK_LEN;
        n -= SP_MARK_LEN;
        d->dropped = !z->remove_extra_whitespaces;
    }
    sp_add_spaced(text, n, sp->has_denormalizer ? &d->text : out);
    d->begun |= n > 0;
}

void
sp_decode_end(const struct sp *sp, struct sp_decoding *d, struct str *out)
{
    drain(sp, d, true, out);
    if (sp->has_denormalizer && d->text.len > 0)
        sp_normalize(&sp->denormalizer, d->text.data, d->text.len, out);
}
