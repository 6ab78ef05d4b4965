#include "text/charset.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

/* Recognizes character encodings. */

static const char *const names[CHARSET_COUNT] = {
    [CHARSET_UTF8] = "utf-8",         [CHARSET_UTF16LE] = "utf-16le",
    [CHARSET_UTF16BE] = "utf-16be",   [CHARSET_ISO2022JP] = "iso-2022-jp",
    [CHARSET_EUCJP] = "euc-jp",       [CHARSET_SHIFTJIS] = "shift_jis",
    [CHARSET_LATIN1] = "iso-8859-1",  [CHARSET_LATIN2] = "iso-8859-2",
    [CHARSET_LATIN5] = "iso-8859-9",  [CHARSET_LATIN9] = "iso-8859-15",
    [CHARSET_CP1251] = "windows-1251", [CHARSET_KOI8R] = "koi8-r",
    [CHARSET_EUCKR] = "euc-kr",       [CHARSET_GB18030] = "gb18030",
    [CHARSET_BIG5] = "big5",          [CHARSET_OTHER] = "other-charset",
};

/* Names under which documents declare themselves. */
static const struct {
    const char *name;
    enum charset charset;
} declared_names[] = {
    {"utf-8", CHARSET_UTF8},           {"utf8", CHARSET_UTF8},
    {"us-ascii", CHARSET_UTF8},        {"ascii", CHARSET_UTF8},
    {"utf-16le", CHARSET_UTF16LE},     {"utf-16be", CHARSET_UTF16BE},
    {"euc-jp", CHARSET_EUCJP},         {"x-euc-jp", CHARSET_EUCJP},
    {"eucjp", CHARSET_EUCJP},          {"euc_jp", CHARSET_EUCJP},
    {"euc-japan", CHARSET_EUCJP},      {"ujis", CHARSET_EUCJP},
    {"shift_jis", CHARSET_SHIFTJIS},   {"shift-jis", CHARSET_SHIFTJIS},
    {"x-sjis", CHARSET_SHIFTJIS},      {"sjis", CHARSET_SHIFTJIS},
    {"windows-31j", CHARSET_SHIFTJIS}, {"cp932", CHARSET_SHIFTJIS},
    {"ms_kanji", CHARSET_SHIFTJIS},    {"iso-2022-jp", CHARSET_ISO2022JP},
    {"iso-2022-jp-1", CHARSET_ISO2022JP}, {"iso-2022-jp-3", CHARSET_ISO2022JP},
    {"iso-8859-1", CHARSET_LATIN1},    {"iso8859-1", CHARSET_LATIN1},
    {"latin-1", CHARSET_LATIN1},       {"latin1", CHARSET_LATIN1},
    {"windows-1252", CHARSET_LATIN1},  {"cp1252", CHARSET_LATIN1},
    {"iso-8859-2", CHARSET_LATIN2},    {"latin2", CHARSET_LATIN2},
    {"iso-8859-9", CHARSET_LATIN5},    {"windows-1254", CHARSET_LATIN5},
    {"iso-8859-15", CHARSET_LATIN9},   {"windows-1251", CHARSET_CP1251},
    {"cp1251", CHARSET_CP1251},        {"koi8-r", CHARSET_KOI8R},
    {"euc-kr", CHARSET_EUCKR},         {"ks_c_5601-1987", CHARSET_EUCKR},
    {"gb18030", CHARSET_GB18030},      {"gbk", CHARSET_GB18030},
    {"gb2312", CHARSET_GB18030},       {"big5", CHARSET_BIG5},
};

/* Beginnings of names of charsets that are known, and known not to be supported. */
static const char *const other_names[] = {"iso-8859-", "windows-125", "koi8", "tis-620",
                                          "euc-", "ks_c_", "big5-", "iso-2022-", "utf-7",
                                          "utf-32", "macintosh", "x-mac"};

enum charset
charset_named(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof declared_names / sizeof *declared_names; i++)
        if (strlen(declared_names[i].name) == n && !strncasecmp(name, declared_names[i].name, n))
            return declared_names[i].charset;
    for (size_t i = 0; i < sizeof other_names / sizeof *other_names; i++) {
        size_t size = strlen(other_names[i]);
        if (n >= size && !strncasecmp(name, other_names[i], size))
            return CHARSET_OTHER;
    }
    return CHARSET_COUNT;
}

const char *
charset_name(enum charset c)
{
    return names[c];
}

size_t
charset_mark(const char *text, size_t n)
{
    return n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3) ? 3 : 0;
}

/* Is there a newline in the unit of UTF-16 at p? */
static bool
is_wide_newline(enum charset c, const char *p)
{
    return c == CHARSET_UTF16LE ? p[0] == '\n' && !p[1] : !p[0] && p[1] == '\n';
}

/* In no other charset is a byte 0x0A part of another character. */
size_t
charset_line(enum charset c, const char *text, size_t n, size_t *newline)
{
    if (c != CHARSET_UTF16LE && c != CHARSET_UTF16BE) {
        const char *eol = n ? memchr(text, '\n', n) : NULL;
        *newline = eol != NULL;
        return eol ? (size_t)(eol - text) : n;
    }
    *newline = 2;
    for (size_t i = 0; i + 2 <= n; i += 2)
        if (is_wide_newline(c, text + i))
            return i;
    *newline = 0;
    return n;
}

size_t
charset_whole_lines(enum charset c, const char *text, size_t n)
{
    if (c != CHARSET_UTF16LE && c != CHARSET_UTF16BE) {
        const char *eol = n ? memrchr(text, '\n', n) : NULL;
        return eol ? (size_t)(eol - text) + 1 : 0;
    }
    for (size_t i = n & ~(size_t)1; i >= 2; i -= 2)
        if (is_wide_newline(c, text + i - 2))
            return i;
    return 0;
}

bool
charset_is_utf16(const char *text, size_t n, enum charset *which)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t zeros[2] = {0, 0};

    if (n > 4096)
        n = 4096;
    if (n >= 2 && ((p[0] == 0xFF && p[1] == 0xFE) || (p[0] == 0xFE && p[1] == 0xFF))) {
        *which = p[0] == 0xFF ? CHARSET_UTF16LE : CHARSET_UTF16BE;
        return n < 4 || p[2] || p[3]; /* else UTF-32 */
    }
    for (size_t i = 0; i < n; i++)
        zeros[i % 2] += !p[i];
    *which = zeros[1] ? CHARSET_UTF16LE : CHARSET_UTF16BE;
    /* Text in Latin letters: nearly every other byte is zero, never two in a row. */
    return n >= 16 && (!zeros[0] != !zeros[1]) && zeros[0] + zeros[1] > n * 2 / 5;
}

/*
 * Does an escape to a Japanese set stand at p? JIS X 0208 (RFC 1468), JIS X 0212 (RFC
 * 2237), JIS X 0213, the kana of JIS X 0201.
 */
static bool
is_japanese_escape(const char *p, const char *end)
{
    if (end - p < 3)
        return false;
    if (p[1] == '(')
        return p[2] == 'I';
    if (p[1] == '$' && p[2] == '(')
        return end - p >= 4 && p[3] && strchr("BDOPQ@", p[3]);
    return p[1] == '$' && (p[2] == 'B' || p[2] == '@');
}

static bool
is_iso2022jp(const char *text, size_t n)
{
    const char *end = text + n, *p = text;
    bool escape = false;

    while ((p = memchr(p, 0x1B, (size_t)(end - p)))) {
        escape |= is_japanese_escape(p, end);
        p++;
    }
    if (!escape)
        return false;
    for (p = text; p < end; p++)
        if (*p & 0x80)
            return false;
    return true;
}

struct counts {
    size_t good, bad; /* characters beyond ASCII; bytes or sequences that break the rules */
    size_t kana;
};

static struct counts
count_utf8(const char *text, size_t n)
{
    struct counts c = {0};

    for (size_t at = 0, used; at < n; at += used) {
        if (!(text[at] & 0x80)) {
            used = 1;
            continue;
        }
        if (utf8_decode(text + at, n - at, &used) < 0)
            c.bad++;
        else
            c.good++;
    }
    return c;
}

/* 8E + half-width kana, 8F + two bytes, or two bytes A1..FE (rows 4 and 5 are kana). */
static struct counts
count_eucjp(const uint8_t *p, size_t n)
{
    struct counts c = {0};

    for (size_t i = 0; i < n;) {
        size_t len = p[i] < 0x80 ? 1 : p[i] == 0x8F ? 3 : 2;
        bool ok = len == 1 || ((p[i] >= 0xA1 && p[i] != 0xFF) || p[i] == 0x8E || p[i] == 0x8F);
        for (size_t k = 1; ok && k < len; k++)
            ok = i + k < n && p[i + k] >= 0xA1 && p[i + k] != 0xFF;
        if (!ok)
            c.bad++;
        else if (len > 1)
            c.good++;
        if (ok && len == 2 && (p[i] == 0xA4 || p[i] == 0xA5))
            c.kana++;
        i += ok ? len : 1;
    }
    return c;
}

/* 81..9F or E0..FC and 40..7E or 80..FC; A1..DF alone is half-width kana. */
static struct counts
count_shiftjis(const uint8_t *p, size_t n)
{
    struct counts c = {0};

    for (size_t i = 0; i < n;) {
        bool lead = (p[i] >= 0x81 && p[i] <= 0x9F) || (p[i] >= 0xE0 && p[i] <= 0xFC);
        bool pair = lead && i + 1 < n && p[i + 1] >= 0x40 && p[i + 1] != 0x7F && p[i + 1] <= 0xFC;
        if (lead || p[i] == 0x80 || p[i] > 0xFC)
            *(pair ? &c.good : &c.bad) += 1;
        if (pair && (p[i] == 0x82 ? p[i + 1] >= 0x9F : p[i] == 0x83 && p[i + 1] <= 0x96))
            c.kana++;
        i += pair ? 2 : 1;
    }
    return c;
}

/* Bytes that neither ISO-8859-1 nor Windows-1252 uses for text. */
static bool
has_no_latin1(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] == 0x81 || p[i] == 0x8D || p[i] == 0x8F || p[i] == 0x90 || p[i] == 0x9D)
            return true;
    return false;
}

static bool
is_name_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '-' || c == '_';
}

/* The charset a document says it has: charset=NAME or encoding="NAME" near its start. */
static bool
declared(const char *text, size_t n, enum charset *out)
{
    static const char *const words[] = {"charset=", "encoding=", "coding:"};
    size_t limit = n < 2048 ? n : 2048;

    for (size_t i = 0; i + 10 < limit; i++)
        for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
            size_t len = strlen(words[w]);
            if (i + len >= limit || strncasecmp(text + i, words[w], len))
                continue;
            const char *p = text + i + len, *end = text + limit;
            while (p < end && (*p == '"' || *p == '\'' || *p == ' '))
                p++;
            for (len = 0; p + len < end && is_name_byte(p[len]);)
                len++;
            *out = charset_named(p, len);
            if (*out != CHARSET_COUNT)
                return true;
        }
    return false;
}

/* Nearly no broken characters, and an eighth of them kana. */
static bool
looks_japanese(struct counts c)
{
    return c.kana && c.bad * 50 <= c.good && c.kana * 8 >= c.good;
}

enum charset
charset_guess(const char *text, size_t n)
{
    return charset_guess_hint(text, n, CHARSET_COUNT);
}

enum charset
charset_guess_hint(const char *text, size_t n, enum charset said)
{
    const uint8_t *p = (const uint8_t *)text;
    enum charset wide;

    if (charset_is_utf16(text, n, &wide))
        return wide;
    if (is_iso2022jp(text, n))
        return CHARSET_ISO2022JP;
    if (charset_mark(text, n) || utf8_valid(text, n) == n)
        return CHARSET_UTF8;
    struct counts utf8 = count_utf8(text, n);
    if (utf8.good >= 4 * utf8.bad)
        return CHARSET_UTF8;
    struct counts eucjp = count_eucjp(p, n), shiftjis = count_shiftjis(p, n);
    bool is_eucjp = looks_japanese(eucjp), is_shiftjis = looks_japanese(shiftjis);
    if (is_eucjp != is_shiftjis)
        return is_eucjp ? CHARSET_EUCJP : CHARSET_SHIFTJIS;
    if (said != CHARSET_COUNT || declared(text, n, &said))
        return said;
    if (is_eucjp)
        return CHARSET_EUCJP;
    return utf8.good > utf8.bad || has_no_latin1(p, n) ? CHARSET_UTF8 : CHARSET_LATIN1;
}
