/* Text as Python's str sees it: white space, lines, upper and lower case. */
#include "text/python.h"

#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

/* Characters whose upper or title case is several, from Unicode's SpecialCasing.txt. */
static const struct {
    uint32_t c;
    const char *upper, *title;
} special[] = {
    {0x00df, "SS", "Ss"}, {0x0149, "ʼN", "ʼN"},   {0x01f0, "J̌", "J̌"},     {0x0390, "Ϊ́", "Ϊ́"},
    {0x03b0, "Ϋ́", "Ϋ́"},   {0x0587, "ԵՒ", "Եւ"},   {0x1e96, "H̱", "H̱"},     {0x1e97, "T̈", "T̈"},
    {0x1e98, "W̊", "W̊"},   {0x1e99, "Y̊", "Y̊"},     {0x1e9a, "Aʾ", "Aʾ"},   {0x1f50, "Υ̓", "Υ̓"},
    {0x1f52, "Υ̓̀", "Υ̓̀"},   {0x1f54, "Υ̓́", "Υ̓́"},     {0x1f56, "Υ̓͂", "Υ̓͂"},     {0x1f80, "ἈΙ", "ᾈ"},
    {0x1f81, "ἉΙ", "ᾉ"},  {0x1f82, "ἊΙ", "ᾊ"},    {0x1f83, "ἋΙ", "ᾋ"},    {0x1f84, "ἌΙ", "ᾌ"},
    {0x1f85, "ἍΙ", "ᾍ"},  {0x1f86, "ἎΙ", "ᾎ"},    {0x1f87, "ἏΙ", "ᾏ"},    {0x1f88, "ἈΙ", "ᾈ"},
    {0x1f89, "ἉΙ", "ᾉ"},  {0x1f8a, "ἊΙ", "ᾊ"},    {0x1f8b, "ἋΙ", "ᾋ"},    {0x1f8c, "ἌΙ", "ᾌ"},
    {0x1f8d, "ἍΙ", "ᾍ"},  {0x1f8e, "ἎΙ", "ᾎ"},    {0x1f8f, "ἏΙ", "ᾏ"},    {0x1f90, "ἨΙ", "ᾘ"},
    {0x1f91, "ἩΙ", "ᾙ"},  {0x1f92, "ἪΙ", "ᾚ"},    {0x1f93, "ἫΙ", "ᾛ"},    {0x1f94, "ἬΙ", "ᾜ"},
    {0x1f95, "ἭΙ", "ᾝ"},  {0x1f96, "ἮΙ", "ᾞ"},    {0x1f97, "ἯΙ", "ᾟ"},    {0x1f98, "ἨΙ", "ᾘ"},
    {0x1f99, "ἩΙ", "ᾙ"},  {0x1f9a, "ἪΙ", "ᾚ"},    {0x1f9b, "ἫΙ", "ᾛ"},    {0x1f9c, "ἬΙ", "ᾜ"},
    {0x1f9d, "ἭΙ", "ᾝ"},  {0x1f9e, "ἮΙ", "ᾞ"},    {0x1f9f, "ἯΙ", "ᾟ"},    {0x1fa0, "ὨΙ", "ᾨ"},
    {0x1fa1, "ὩΙ", "ᾩ"},  {0x1fa2, "ὪΙ", "ᾪ"},    {0x1fa3, "ὫΙ", "ᾫ"},    {0x1fa4, "ὬΙ", "ᾬ"},
    {0x1fa5, "ὭΙ", "ᾭ"},  {0x1fa6, "ὮΙ", "ᾮ"},    {0x1fa7, "ὯΙ", "ᾯ"},    {0x1fa8, "ὨΙ", "ᾨ"},
    {0x1fa9, "ὩΙ", "ᾩ"},  {0x1faa, "ὪΙ", "ᾪ"},    {0x1fab, "ὫΙ", "ᾫ"},    {0x1fac, "ὬΙ", "ᾬ"},
    {0x1fad, "ὭΙ", "ᾭ"},  {0x1fae, "ὮΙ", "ᾮ"},    {0x1faf, "ὯΙ", "ᾯ"},    {0x1fb2, "ᾺΙ", "Ὰͅ"},
    {0x1fb3, "ΑΙ", "ᾼ"},  {0x1fb4, "ΆΙ", "Άͅ"},    {0x1fb6, "Α͂", "Α͂"},     {0x1fb7, "Α͂Ι", "ᾼ͂"},
    {0x1fbc, "ΑΙ", "ᾼ"},  {0x1fc2, "ῊΙ", "Ὴͅ"},    {0x1fc3, "ΗΙ", "ῌ"},    {0x1fc4, "ΉΙ", "Ήͅ"},
    {0x1fc6, "Η͂", "Η͂"},   {0x1fc7, "Η͂Ι", "ῌ͂"},    {0x1fcc, "ΗΙ", "ῌ"},    {0x1fd2, "Ϊ̀", "Ϊ̀"},
    {0x1fd3, "Ϊ́", "Ϊ́"},   {0x1fd6, "Ι͂", "Ι͂"},     {0x1fd7, "Ϊ͂", "Ϊ͂"},     {0x1fe2, "Ϋ̀", "Ϋ̀"},
    {0x1fe3, "Ϋ́", "Ϋ́"},   {0x1fe4, "Ρ̓", "Ρ̓"},     {0x1fe6, "Υ͂", "Υ͂"},     {0x1fe7, "Ϋ͂", "Ϋ͂"},
    {0x1ff2, "ῺΙ", "Ὼͅ"},  {0x1ff3, "ΩΙ", "ῼ"},    {0x1ff4, "ΏΙ", "Ώͅ"},    {0x1ff6, "Ω͂", "Ω͂"},
    {0x1ff7, "Ω͂Ι", "ῼ͂"},  {0x1ffc, "ΩΙ", "ῼ"},    {0xfb00, "FF", "Ff"},   {0xfb01, "FI", "Fi"},
    {0xfb02, "FL", "Fl"}, {0xfb03, "FFI", "Ffi"}, {0xfb04, "FFL", "Ffl"}, {0xfb05, "ST", "St"},
    {0xfb06, "ST", "St"}, {0xfb13, "ՄՆ", "Մն"},   {0xfb14, "ՄԵ", "Մե"},   {0xfb15, "ՄԻ", "Մի"},
    {0xfb16, "ՎՆ", "Վն"}, {0xfb17, "ՄԽ", "Մխ"},
};

bool
text_is_space(int32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

size_t
text_space_prefix(const char *text, size_t n)
{
    size_t at = 0, used;

    while (at < n && text_is_space(utf8_decode(text + at, n - at, &used)))
        at += used;
    return at;
}

size_t
text_trimmed_end(const char *text, size_t n)
{
    while (n) {
        size_t start = n - 1, used;

        while (start && ((unsigned char)text[start] & 0xc0) == 0x80)
            start--;
        if (!text_is_space(utf8_decode(text + start, n - start, &used)))
            break;
        n = start;
    }
    return n;
}

size_t
text_line(const char *text, size_t n, size_t *skip)
{
    size_t at = 0, used;

    for (; at < n; at += used) {
        int32_t c = utf8_decode(text + at, n - at, &used);

        if ((c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
            c == 0x2029) {
            *skip = used + (c == '\r' && at + 1 < n && text[at + 1] == '\n');
            return at;
        }
    }
    *skip = 0;
    return n;
}

size_t
text_offset(const char *text, size_t n, size_t index)
{
    size_t at = 0;

    while (index && at < n) {
        at++;
        while (at < n && ((unsigned char)text[at] & 0xc0) == 0x80)
            at++;
        index--;
    }
    return at;
}

/* ---- case ------------------------------------------------------------------------ */

static bool
in(int32_t c, int32_t first, int32_t last)
{
    return c >= first && c <= last;
}

/* Letters, and what Unicode's Other_Uppercase and Other_Lowercase add. */
bool
text_is_upper(int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_LU || in(c, 0x2160, 0x216f) ||
           in(c, 0x24b6, 0x24cf) || in(c, 0x1f130, 0x1f149) || in(c, 0x1f150, 0x1f169) ||
           in(c, 0x1f170, 0x1f189);
}

bool
text_is_lower(int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_LL || c == 0xaa || c == 0xba ||
           in(c, 0x2b0, 0x2b8) || in(c, 0x2c0, 0x2c1) || in(c, 0x2e0, 0x2e4) || c == 0x345 ||
           c == 0x37a || in(c, 0x1d2c, 0x1d6a) || c == 0x1d78 || in(c, 0x1d9b, 0x1dbf) ||
           c == 0x2071 || c == 0x207f || in(c, 0x2090, 0x209c) || in(c, 0x2170, 0x217f) ||
           in(c, 0x24d0, 0x24e9) || in(c, 0x2c7c, 0x2c7d) || in(c, 0xa69c, 0xa69d) || c == 0xa770 ||
           in(c, 0xa7f8, 0xa7f9) || in(c, 0xab5c, 0xab5f);
}

bool
text_is_cased(int32_t c)
{
    return text_is_upper(c) || text_is_lower(c) || utf8proc_category(c) == UTF8PROC_CATEGORY_LT;
}

/* Case_Ignorable: marks, modifiers and the punctuation within words. */
static bool
case_ignorable(int32_t c)
{
    static const int32_t others[] = {0x27,   0x2e,   0x3a,   0xb7,   0x387,  0x55f,
                                     0x5f4,  0x2018, 0x2019, 0x2024, 0x2027, 0xfe13,
                                     0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (c == others[i])
            return true;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return false;
    }
}

/* The next code point; what is not UTF-8 is one U+FFFD a byte. */
static int32_t
peek(const char *text, size_t n, size_t *used)
{
    int32_t c = utf8_decode(text, n, used);

    if (c >= 0)
        return c;
    *used = 1;
    return 0xfffd;
}

/* A sigma at text[at] is the last letter of its word: a cased one before, none behind. */
static bool
final_sigma(const char *text, size_t n, size_t at)
{
    size_t used, i = at;
    int32_t c = 0;

    do {
        if (!i)
            return false;
        for (i--; i && ((unsigned char)text[i] & 0xc0) == 0x80;)
            i--;
        c = peek(text + i, n - i, &used);
    } while (case_ignorable(c));
    if (!text_is_cased(c))
        return false;
    for (i = at + 2; i < n; i += used) {
        c = peek(text + i, n - i, &used);
        if (!case_ignorable(c))
            return !text_is_cased(c);
    }
    return true;
}

static void
add_lower(const char *text, size_t n, size_t at, int32_t c, struct str *out)
{
    if (c == 0x130)
        str_adds(out, "i\xcc\x87");
    else if (c == 0x3a3)
        str_add_utf8(out, final_sigma(text, n, at) ? 0x3c2 : 0x3c3);
    else
        str_add_utf8(out, (uint32_t)utf8proc_tolower(c));
}

static void
add_upper(int32_t c, bool title, struct str *out)
{
    for (size_t i = 0; c >= 0xdf && i < sizeof special / sizeof *special; i++)
        if (special[i].c == (uint32_t)c) {
            str_adds(out, title ? special[i].title : special[i].upper);
            return;
        }
    str_add_utf8(out, (uint32_t)(title ? utf8proc_totitle(c) : utf8proc_toupper(c)));
}

void
text_change_case(const char *text, size_t n, enum text_case to, struct str *out)
{
    bool inside = false; /* of a word, or of the text */

    for (size_t at = 0, used; at < n; at += used) {
        int32_t c = peek(text + at, n - at, &used);
        bool up = to == CASE_UPPER || (to == CASE_SWAP && text_is_lower(c));

        if (to == CASE_SWAP && !text_is_lower(c) && !text_is_upper(c))
            str_add(out, text + at, used);
        else if (up)
            add_upper(c, false, out);
        else if ((to == CASE_TITLE || to == CASE_CAPITALIZE) && !inside)
            add_upper(c, true, out);
        else
            add_lower(text, n, at, c, out);
        inside = to == CASE_TITLE ? text_is_cased(c) : true;
    }
}
