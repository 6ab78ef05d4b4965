#include <string.h>

#include "base/err.h"
#include "text/classes.h"
#include "tokenizer/bytelevel.h"
#include "tokenizer/internal.h"
#include "tokenizer/sp_tokenizer.h"

/*
 * Which ids hold something of given parts of a text. Encoding keeps no places (that would cost it its
 * speed): where a part's border lies inside a stretch between added tokens, the ids' own texts are
 * laid along the normalized stretch, and the border is found in it as the length of what comes before it,
 * normalized.
 */

enum { BORDER_STEPS = 64 }; /* characters that a normalizer may join across a border */

static const char space_mark[] = "\xe2\x96\x81"; /* ▁ */

/* A stretch, normalized, and the ids on their way along it. */
struct laying {
    const struct tokenizer *t;
    struct normalizer_scratch *z;
    const char *text; /* as it was */
    size_t n;
    struct str normal, before, piece;
    size_t at; /* of normal: the end of the ids so far */
};

/* ---- borders --------------------------------------------------------------------- */

static int
normalize(struct laying *l, const char *text, size_t n, struct str *out)
{
    str_clear(out);
    str_reserve(out, 1);
    if (l->t->sp) {
        sp_normalize(&l->t->sp->normalizer, text, n, out);
        return 0;
    }
    if (normalizer_run(&l->t->normalizer, l->z, &text, &n, NULL) < 0)
        return -1;
    str_add(out, text, n);
    return 0;
}

static bool
inside_character(const struct laying *l, size_t border)
{
    return border < l->n && ((unsigned char)l->text[border] & 0xC0) == 0x80;
}

/*
 * The border's place in the normalized text, in *place. What the normalizer joins across it belongs to
 * the part: its beginning is looked for further left, its end further right. 0 or -1.
 */
static int
find_border(struct laying *l, size_t border, bool end, size_t *place)
{
    for (int i = 0; i < BORDER_STEPS; i++) {
        if (border == 0 || border == l->n) {
            *place = border ? l->normal.len : 0;
            return 0;
        }
        if (normalize(l, l->text, border, &l->before) < 0)
            return -1;
        if (l->before.len <= l->normal.len &&
            !memcmp(l->before.data, l->normal.data, l->before.len)) {
            *place = l->before.len;
            return 0;
        }
        do
            border = end ? border + 1 : border - 1;
        while (inside_character(l, border));
    }
    return err_set(STATUS_INPUT, "a normalizer joins what is on both sides of a border");
}

/* ---- ids along the text -------------------------------------------------------------- */

/* The id's text as it stands in a normalized one. */
static void
piece_of(struct laying *l, uint32_t id)
{
    const struct tokenizer *t = l->t;
    size_t n = 0;
    const char *text = decode_text(t, id, &n);
    bool of_model = !added_token(t, id);
    int byte = of_model && n ? byte_token(text, n) : -1;

    str_clear(&l->piece);
    str_reserve(&l->piece, 1);
    if (byte >= 0 && (t->sp ? t->sp->kinds[id] == SP_BYTE : !t->bpe.byte_level)) {
        str_addc(&l->piece, (char)byte);
        return;
    }
    if (of_model && t->kind == MODEL_BPE && t->bpe.byte_level && chars_to_bytes(text, n, &l->piece))
        return;
    if (of_model && t->kind == MODEL_BPE && t->bpe.prefix_len && n > t->bpe.prefix_len &&
        !memcmp(text, t->bpe.prefix, t->bpe.prefix_len)) {
        text += t->bpe.prefix_len;
        n -= t->bpe.prefix_len;
    }
    if (of_model && t->kind == MODEL_BPE && t->bpe.suffix_len && n > t->bpe.suffix_len &&
        !memcmp(text + n - t->bpe.suffix_len, t->bpe.suffix, t->bpe.suffix_len))
        n -= t->bpe.suffix_len;
    if (of_model && t->kind == MODEL_WORDPIECE && t->words.prefix_len && n > t->words.prefix_len &&
        !memcmp(text, t->words.prefix, t->words.prefix_len)) {
        text += t->words.prefix_len;
        n -= t->words.prefix_len;
    }
    str_add(&l->piece, text, n);
}

/* The bytes of a space or ▁ at s[0..n); 0: another character. */
static size_t
space_at(const char *s, size_t n)
{
    if (n && *s == ' ')
        return 1;
    return n >= 3 && !memcmp(s, space_mark, 3) ? 3 : 0;
}

/* The bytes of text[0..n) that the piece, from its byte `from`, is; -1: it does not stand there. */
static int64_t
match(const struct str *piece, size_t from, const char *text, size_t n)
{
    size_t at = 0;

    for (size_t i = from; i < piece->len;) {
        size_t a = space_at(piece->data + i, piece->len - i), b = space_at(text + at, n - at);
        if (a && b) {
            i += a;
            at += b;
            continue;
        }
        if (at >= n || piece->data[i] != text[at])
            return -1;
        i++;
        at++;
    }
    return (int64_t)at;
}

/* Past the white space at l->at, which pre-tokenizers and added tokens may take. */
static size_t
past_space(const struct laying *l)
{
    size_t at = l->at, used;

    for (; at < l->normal.len; at += used) {
        used = space_at(l->normal.data + at, l->normal.len - at);
        if (!used && !(l->t->pretokenizer.classes[text_peek(l->normal.data + at, &used)] &
                       CLASS_SPACE))
            break;
    }
    return at;
}

/*
 * Finds the piece at l->at or near; what it takes, from *begin on, is passed. Its first space may be one
 * that stands in no text (may_add). false: not there.
 */
static bool
take_piece(struct laying *l, bool may_add, size_t *begin)
{
    size_t dummy = space_at(l->piece.data, l->piece.len), spaces = past_space(l);
    const size_t places[] = {l->at, spaces, l->at, spaces};

    for (int i = 0; i < 4; i++) {
        if (i >= 2 && !(dummy && may_add))
            break;
        int64_t used = match(&l->piece, i < 2 ? 0 : dummy, l->normal.data + places[i],
                             l->normal.len - places[i]);
        if (used < 0)
            continue;
        *begin = places[i];
        l->at = places[i] + (size_t)used;
        return true;
    }
    return false;
}

static bool
is_unknown(const struct tokenizer *t, uint32_t id)
{
    return id == t->unk || (t->sp && id == t->sp->unk);
}

static size_t
next_character(const struct laying *l, size_t at)
{
    size_t used;

    text_peek(l->normal.data + at, &used);
    return at + used;
}

/* Where each id begins and ends in the normalized text, in places[2 * count]. 0 or -1. */
static int
lay(struct laying *l, const uint32_t *ids, size_t count, size_t *places)
{
    bool unknown = false; /* the id before may be any text up to this one */

    for (size_t i = 0; i < count; i++) {
        size_t begin = l->at, from = l->at;
        if (is_unknown(l->t, ids[i])) {
            places[2 * i] = l->at;
            if (l->at < l->normal.len)
                l->at = next_character(l, l->at);
            places[2 * i + 1] = l->at;
            unknown = true;
            continue;
        }
        piece_of(l, ids[i]);
        while (!take_piece(l, !unknown, &begin)) {
            if (!unknown || l->at >= l->normal.len)
                return err_set(STATUS_INPUT, "where id %u stands in the text cannot be told",
                               ids[i]);
            l->at = next_character(l, l->at);
        }
        if (unknown && begin > from)
            places[2 * i - 1] = begin;
        places[2 * i] = begin;
        places[2 * i + 1] = l->at;
        unknown = false;
    }
    return 0;
}

/* ---- marks ------------------------------------------------------------------------------- */

static void
mark_all(const struct encoded *e, char mark, struct str *marks)
{
    for (size_t i = 0; i < e->count; i++)
        str_addc(marks, mark);
}

static bool
overlaps(const struct encoded *e, const struct tokenizer_part *part)
{
    return part->begin < e->end && part->end > e->begin && part->begin < part->end;
}

/* Marks what overlaps [begin, end) of the text. 0 or -1. */
static int
mark_part(struct laying *l, const size_t *places, size_t count, size_t begin, size_t end,
          char *marks)
{
    size_t from = 0, to = 0;

    if (find_border(l, begin, false, &from) < 0 || find_border(l, end, true, &to) < 0)
        return -1;
    for (size_t i = 0; from < to && i < count; i++) {
        size_t a = places[2 * i], b = places[2 * i + 1];
        if (a < to && (b > from || (a == b && a >= from)))
            marks[i] = 1;
    }
    return 0;
}

static int
mark_by_places(struct laying *l, const struct encoded *e, const struct tokenizer_part *parts,
               size_t count, struct str *marks)
{
    size_t *places = mem_array(2 * e->count, sizeof *places), first = marks->len;
    int status = -1;

    mark_all(e, 0, marks);
    if (normalize(l, l->text, l->n, &l->normal) < 0 || lay(l, e->ids, e->count, places) < 0)
        goto out;
    for (size_t i = 0; i < count; i++) {
        size_t begin = parts[i].begin > e->begin ? parts[i].begin - e->begin : 0;
        size_t end = parts[i].end < e->end ? parts[i].end - e->begin : l->n;
        if (overlaps(e, &parts[i]) &&
            mark_part(l, places, e->count, begin, end, marks->data + first) < 0)
            goto out;
    }
    status = 0;
out:
    free(places);
    return status;
}

int
mark_stretch(const struct tokenizer *t, struct normalizer_scratch *z, const struct encoded *e,
             const struct tokenizer_part *parts, size_t count, struct str *marks)
{
    struct laying l = {.t = t, .z = z, .text = e->text + e->begin, .n = e->end - e->begin};
    bool touched = false, whole = false;

    for (size_t i = 0; i < count; i++) {
        touched |= overlaps(e, &parts[i]);
        whole |= overlaps(e, &parts[i]) && parts[i].begin <= e->begin && parts[i].end >= e->end;
    }
    if (!touched || whole || e->added || e->count < 2) {
        mark_all(e, touched, marks);
        return 0;
    }
    int status = mark_by_places(&l, e, parts, count, marks);
    str_release(&l.normal);
    str_release(&l.before);
    str_release(&l.piece);
    return status;
}
