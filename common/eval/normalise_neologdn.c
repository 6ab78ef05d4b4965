#include "eval/normalise.h"

#include <string.h>

/*
 * What neologdn (https://github.com/ikegami-yukino/neologdn, by the rules of mecab-ipadic-NEologd)
 * changes: full-width Latin to ASCII, half-width katakana to full width with its voicing mark
 * joined, every hyphen to one '-', every long dash to one 'ー', no tildes, and no blanks but
 * between Latin words.
 */

static bool
one_of(uint32_t c, const uint16_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == c)
            return true;
    return false;
}

static bool
is_hyphen(uint32_t c)
{
    static const uint16_t list[] = {0x2D7,  0x58A,  0x2010, 0x2011, 0x2012,
                                    0x2013, 0x2043, 0x207B, 0x208B, 0x2212};
    return one_of(c, list, sizeof list / sizeof *list);
}

static bool
is_long_mark(uint32_t c)
{
    static const uint16_t list[] = {0xFE63, 0xFF0D, 0xFF70, 0x2014, 0x2015, 0x2500, 0x2501, 0x30FC};
    return one_of(c, list, sizeof list / sizeof *list);
}

static bool
is_tilde(uint32_t c)
{
    static const uint16_t list[] = {'~', 0x223C, 0x223E, 0x301C, 0x3030, 0xFF5E};
    return one_of(c, list, sizeof list / sizeof *list);
}

/* Japanese: CJK ideographs, kana, their punctuation, half- and full-width forms. */
static bool
is_japanese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3001 && c <= 0x30FF) ||
           (c >= 0xFF00 && c <= 0xFFEF);
}

/* U+FF61..FF9D in full width; 0xFF9E and 0xFF9F, the voicing marks, stay. */
static uint32_t
full_width(uint32_t c)
{
    static const uint16_t kana[] = {
        0x3002, 0x300C, 0x300D, 0x3001, 0x30FB, 0x30F2, 0x30A1, 0x30A3, 0x30A5, 0x30A7, 0x30A9,
        0x30E3, 0x30E5, 0x30E7, 0x30C3, 0x30FC, 0x30A2, 0x30A4, 0x30A6, 0x30A8, 0x30AA, 0x30AB,
        0x30AD, 0x30AF, 0x30B1, 0x30B3, 0x30B5, 0x30B7, 0x30B9, 0x30BB, 0x30BD, 0x30BF, 0x30C1,
        0x30C4, 0x30C6, 0x30C8, 0x30CA, 0x30CB, 0x30CC, 0x30CD, 0x30CE, 0x30CF, 0x30D2, 0x30D5,
        0x30D8, 0x30DB, 0x30DE, 0x30DF, 0x30E0, 0x30E1, 0x30E2, 0x30E4, 0x30E6, 0x30E8, 0x30E9,
        0x30EA, 0x30EB, 0x30EC, 0x30ED, 0x30EF, 0x30F3};
    return c >= 0xFF61 && c <= 0xFF9D ? kana[c - 0xFF61] : c;
}

static uint32_t
convert(uint32_t c)
{
    switch (c) {
    case 0x201C:
    case 0x201D: return '"';
    case 0x2019: return '\'';
    case 0x2018: return '`';
    case 0xA5: return '\\';
    case 0x309B: return 0xFF9E;
    case 0x309C: return 0xFF9F;
    /* full-width forms that have no ASCII here: their ASCII has another one, or none is wanted */
    case 0xFF02:
    case 0xFF07:
    case 0xFF3C:
    case 0xFF40:
    case 0xFF5E: return c;
    default: return c >= 0xFF01 && c <= 0xFF5D ? c - 0xFEE0 : full_width(c);
    }
}

/* カ and ﾞ are ガ; 0: they do not join. */
static uint32_t
voiced(uint32_t c)
{
    if ((c >= 0x30AB && c <= 0x30C1 && c % 2) || c == 0x30C4 || c == 0x30C6 || c == 0x30C8)
        return c + 1;
    if (c == 0x30CF || c == 0x30D2 || c == 0x30D5 || c == 0x30D8 || c == 0x30DB)
        return c + 1;
    return c == 0x30A6 ? 0x30F4 : c == 0x3046 ? 0x3094 : 0;
}

/* ハ and ﾟ are パ. */
static uint32_t
half_voiced(uint32_t c)
{
    uint32_t katakana = c >= 0x306F && c <= 0x307B ? c + 0x60 : c;
    bool ha = katakana >= 0x30CF && katakana <= 0x30DB && (katakana - 0x30CF) % 3 == 0;
    return ha ? c + 2 : 0;
}

/* What has been written so far, and what decides about blanks. */
struct writing {
    struct ids out;
    uint32_t before;  /* the last character read, as it was converted */
    bool latin_space; /* a blank behind Latin was written last */
};

static void
write_blank(struct writing *w)
{
    bool latin = w->before < 0x80 && w->before != '*' && w->out.len;
    if (w->before == ' ' || is_japanese(w->before))
        return;
    if (latin) {
        w->latin_space = true;
        vec_push(&w->out, ' ');
    }
    w->before = ' ';
}

static void
write_once(struct writing *w, uint32_t c)
{
    if (w->before == c)
        return;
    vec_push(&w->out, c);
    w->before = c;
    w->latin_space = false;
}

static void
write_other(struct writing *w, uint32_t c)
{
    c = convert(c);
    uint32_t joined = c == 0xFF9E ? voiced(w->before) : c == 0xFF9F ? half_voiced(w->before) : 0;
    if (joined) {
        w->out.len--;
        c = joined;
    }
    if (w->latin_space && is_japanese(c))
        w->out.len--;
    w->latin_space = false;
    vec_push(&w->out, c);
    w->before = c;
}

void
neologdn(struct piece s, struct str *out)
{
    struct writing w = {.before = 0};
    for (size_t used; s.n; s.data += used, s.n -= used) {
        uint32_t c = python_peek(s, &used);
        if (c == ' ' || c == 0x3000)
            write_blank(&w);
        else if (is_hyphen(c))
            write_once(&w, '-');
        else if (is_long_mark(c))
            write_once(&w, 0x30FC);
        else if (!is_tilde(c))
            write_other(&w, c);
    }
    if (w.out.len && w.out.data[w.out.len - 1] == ' ')
        w.out.len--;
    for (size_t i = 0; i < w.out.len; i++)
        str_add_utf8(out, w.out.data[i]);
    vec_release(&w.out);
}
