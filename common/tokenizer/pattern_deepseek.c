#include "tokenizer/pattern.h"

#include <string.h>

#include "tokenizer/pattern_text.h"

/*
 * DeepSeek-V3 cuts a text three times: numbers of up to three digits apart, then runs of
 * kana and common ideographs, then each stretch, of these or of what lies between, by the
 * third pattern, for which it ends as a text does. What that one does not match stays as
 * it is.
 */

static const char *const parts[] = {
    "\\p{N}{1,3}",
    "[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
    "[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
    " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
    /* the same with the line ends written out */
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
    "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
    " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
};
enum { PARTS = sizeof parts / sizeof *parts };

int
pattern_deepseek3_part(const char *regex, size_t n)
{
    for (int i = 0; i < PARTS; i++)
        if (strlen(parts[i]) == n && !memcmp(parts[i], regex, n))
            return i < 3 ? i + 1 : 3;
    return 0;
}

/* What a code point is to these patterns: one of the first five, and where it stands. */
enum {
    CUT_NUMBER = 1,
    CUT_WORD = 2, /* \p{L}, \p{M} */
    CUT_SPACE = 4,
    CUT_SYMBOL = 8, /* \p{P}, \p{S} */
    CUT_OTHER = 16,
    CUT_KANA_HAN = 32
};

static inline unsigned
cut_at(const struct text *t, size_t at, size_t *used)
{
    uint32_t c = text_peek(t->s + at, used);
    unsigned class = t->classes[c], where = 0;
    if ((c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF))
        where = CUT_KANA_HAN;
    if (class & CLASS_N)
        return CUT_NUMBER;
    if (class & (CLASS_L | CLASS_M))
        return CUT_WORD | where;
    if (class & CLASS_SPACE)
        return CUT_SPACE;
    return (class & CLASS_OTHER ? CUT_OTHER : CUT_SYMBOL) | where;
}

/* The end of the run of one class. */
static inline size_t
cut_run(const struct text *t, size_t at, unsigned cut)
{
    for (size_t used; at < t->n; at += used)
        if (cut_at(t, at, &used) != cut)
            break;
    return at;
}

static inline bool
is_letter(const struct text *t, size_t at)
{
    return at < t->n && (unsigned)((t->s[at] | 0x20) - 'a') < 26 && !(t->s[at] & 0x80);
}

/* \s*[\r\n]+|\s+(?!\S)|\s+, where \S sees nothing of the next stretch. */
static size_t
space_run(const struct text *t, size_t at)
{
    struct text stretch = {t->classes, t->s, cut_run(t, at, CUT_SPACE)};
    size_t used;
    if (stretch.n < t->n &&
        !(cut_at(t, stretch.n, &used) & (CUT_NUMBER | CUT_KANA_HAN)))
        stretch.n += used;
    return white_space(&stretch, at, true);
}

/* What the third pattern matches at `at`, where `cut` stands, not a number: its end, or `at`. */
static size_t
third(const struct text *t, size_t at, unsigned cut, size_t used)
{
    unsigned where = cut & CUT_KANA_HAN, kind = cut - where;
    size_t next = at + used, after = 0;
    unsigned follows = next < t->n ? cut_at(t, next, &after) : 0;
    if (kind == CUT_WORD)
        return cut_run(t, next, cut);
    if (kind == CUT_SYMBOL && used == 1 && is_letter(t, next)) {
        while (is_letter(t, next))
            next++;
        return next;
    }
    if (kind != CUT_SYMBOL && !is_newline(t->s[at]) && follows == (CUT_WORD | where))
        return cut_run(t, next + after, follows);
    if (kind == CUT_SYMBOL || (t->s[at] == ' ' && follows == CUT_SYMBOL)) {
        next = cut_run(t, next, CUT_SYMBOL | where);
        while (!where && next < t->n && is_newline(t->s[next]))
            next++;
        return next;
    }
    return kind == CUT_SPACE ? space_run(t, at) : at;
}

static size_t
deepseek3_next(const uint16_t *classes, const char *text, size_t at, size_t n)
{
    const struct text t = {classes, text, n};
    size_t used;
    unsigned first = cut_at(&t, at, &used), cut = first;
    if (cut == CUT_NUMBER)
        return run_at_most(&t, at, CLASS_N, 3);
    size_t end = third(&t, at, cut, used);
    if (end > at)
        return end;
    /* not matched: up to where it matches again, or the stretch ends */
    for (end = at + used; end < n; end += used) {
        cut = cut_at(&t, end, &used);
        if (cut == CUT_NUMBER || ((cut ^ first) & CUT_KANA_HAN) || third(&t, end, cut, used) > end)
            break;
    }
    return end;
}

const struct pattern pattern_deepseek3 = {"deepseek3", TEXT_DEEPSEEK3, NULL, deepseek3_next};
