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
    [CHARSET_LATIN1] = "iso-8859-1",
    [CHARSET_OTHER] = "other-charset",
};

/* Names under which documents declare themselves, as prefixes; the first that fits. */
static const struct {
    const char *prefix;
    enum charset charset;
} declared_names[] = {
    {"utf-8", CHARSET_UTF8},           {"utf8", CHARSET_UTF8},
    {"euc-jp", CHARSET_EUCJP},         {"x-euc-jp", CHARSET_EUCJP},
    {"eucjp", CHARSET_EUCJP},          {"shift_jis", CHARSET_SHIFTJIS},
    {"shift-jis", CHARSET_SHIFTJIS},   {"x-sjis", CHARSET_SHIFTJIS},
    {"sjis", CHARSET_SHIFTJIS},        {"windows-31j", CHARSET_SHIFTJIS},
    {"cp932", CHARSET_SHIFTJIS},       {"iso-2022-jp", CHARSET_ISO2022JP},
    {"iso-8859-15", CHARSET_LATIN1},   {"iso-8859-1\"", CHARSET_LATIN1},
    {"iso-8859-1'", CHARSET_LATIN1},   {"latin-1", CHARSET_LATIN1},
    {"latin1", CHARSET_LATIN1},        {"windows-1252", CHARSET_LATIN1},
    {"iso-8859-", CHARSET_OTHER},      {"windows-125", CHARSET_OTHER},
    {"euc-", CHARSET_OTHER},           {"koi8", CHARSET_OTHER},
    {"gb", CHARSET_OTHER},             {"big5", CHARSET_OTHER},
    {"ks_c_", CHARSET_OTHER},          {"tis-620", CHARSET_OTHER},
};

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

/* ESC $ @, ESC $ B (JIS X 0208) in text of 7 bits (RFC 1468). */
static bool
is_iso2022jp(const char *text, size_t n)
{
    const char *end = text + n, *p = text;
    bool escape = false;

    while ((p = memchr(p, 0x1B, (size_t)(end - p)))) {
        if (end - p >= 3 && p[1] == '$' && (p[2] == 'B' || p[2] == '@'))
            escape = true;
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
            for (size_t d = 0; d < sizeof declared_names / sizeof *declared_names; d++) {
                size_t size = strlen(declared_names[d].prefix);
                if ((size_t)(end - p) >= size &&
                    !strncasecmp(p, declared_names[d].prefix, size)) {
                    *out = declared_names[d].charset;
                    return true;
                }
            }
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
    const uint8_t *p = (const uint8_t *)text;
    enum charset said;

    if (charset_is_utf16(text, n, &said))
        return said;
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
    if (declared(text, n, &said))
        return said;
    if (is_eucjp)
        return CHARSET_EUCJP;
    return utf8.good > utf8.bad || has_no_latin1(p, n) ? CHARSET_UTF8 : CHARSET_LATIN1;
}
