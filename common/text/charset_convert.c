#include "text/charset_convert.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

/* Converts texts to UTF-8. */

/* The tables that are converted by: a charset's own, and those of parts of it. */
enum table {
    TABLE_UTF16LE,
    TABLE_UTF16BE,
    TABLE_EUCJP,
    TABLE_EUCJP_MS,
    TABLE_EUCJISX0213,
    TABLE_CP932,
    TABLE_CP1252,
    TABLE_LATIN2,
    TABLE_LATIN5,
    TABLE_LATIN9,
    TABLE_CP1251,
    TABLE_KOI8R,
    TABLE_EUCKR,
    TABLE_GB18030,
    TABLE_BIG5,
    TABLES
};

static const char *const table_names[TABLES] = {
    [TABLE_UTF16LE] = "UTF-16LE",     [TABLE_UTF16BE] = "UTF-16BE",
    [TABLE_EUCJP] = "EUC-JP",         [TABLE_EUCJP_MS] = "EUC-JP-MS",
    [TABLE_CP932] = "CP932",          [TABLE_EUCJISX0213] = "EUC-JISX0213",
    [TABLE_CP1252] = "WINDOWS-1252",  [TABLE_LATIN2] = "ISO-8859-2",
    [TABLE_LATIN5] = "ISO-8859-9",    [TABLE_LATIN9] = "ISO-8859-15",
    [TABLE_CP1251] = "WINDOWS-1251",  [TABLE_KOI8R] = "KOI8-R",
    [TABLE_EUCKR] = "EUC-KR",         [TABLE_GB18030] = "GB18030",
    [TABLE_BIG5] = "BIG5",
};

static const enum table table_of[CHARSET_COUNT] = {
    [CHARSET_UTF16LE] = TABLE_UTF16LE,   [CHARSET_UTF16BE] = TABLE_UTF16BE,
    [CHARSET_EUCJP] = TABLE_EUCJP,       [CHARSET_SHIFTJIS] = TABLE_CP932,
    [CHARSET_LATIN1] = TABLE_CP1252,     [CHARSET_LATIN2] = TABLE_LATIN2,
    [CHARSET_LATIN5] = TABLE_LATIN5,     [CHARSET_LATIN9] = TABLE_LATIN9,
    [CHARSET_CP1251] = TABLE_CP1251,     [CHARSET_KOI8R] = TABLE_KOI8R,
    [CHARSET_EUCKR] = TABLE_EUCKR,       [CHARSET_GB18030] = TABLE_GB18030,
    [CHARSET_BIG5] = TABLE_BIG5,
};

struct charset_converter {
    iconv_t descriptors[TABLES];
    bool open[TABLES];
    struct str euc; /* ISO-2022-JP on its way */
};

/* One conversion. */
struct work {
    struct charset_converter *c;
    struct str *out;
    struct charset_faults *faults;
    const char *start; /* of the text, for offsets */
};

struct charset_converter *
charset_converter_new(void)
{
    return mem_zalloc(sizeof(struct charset_converter));
}

void
charset_converter_free(struct charset_converter *c)
{
    if (!c)
        return;
    for (int i = 0; i < TABLES; i++)
        if (c->open[i])
            iconv_close(c->descriptors[i]);
    str_release(&c->euc);
    free(c);
}

static int
open_table(struct charset_converter *c, enum table t)
{
    if (c->open[t])
        return 0;
    c->descriptors[t] = iconv_open("UTF-8", table_names[t]);
    if (c->descriptors[t] == (iconv_t)-1)
        return err_set(STATUS_INPUT, "the C library does not convert %s", table_names[t]);
    c->open[t] = true;
    return 0;
}

static void
add_fault(struct work *w, const char *at)
{
    if (!w->faults->count++)
        w->faults->first = (size_t)(at - w->start);
    str_add_utf8(w->out, 0xFFFD);
}

/*
 * Converts as much of [*p, end) as is well formed, *p is moved behind it. 0: all of it;
 * EILSEQ, EINVAL: what stands at *p is malformed or cut.
 */
static int
convert_good(struct work *w, enum table t, const char **p, const char *end)
{
    iconv_t cd = w->c->descriptors[t];
    char *in = (char *)(uintptr_t)*p; /* iconv(3) does not write there */
    size_t left = (size_t)(end - *p);
    int error = 0;

    while (left) {
        str_reserve(w->out, left + left / 2 + 16);
        char *to = w->out->data + w->out->len;
        size_t room = w->out->cap - w->out->len - 1;
        error = iconv(cd, &in, &left, &to, &room) == (size_t)-1 ? errno : 0;
        w->out->len = (size_t)(to - w->out->data);
        if (error && error != E2BIG)
            break;
    }
    if (w->out->data)
        w->out->data[w->out->len] = '\0';
    iconv(cd, NULL, NULL, NULL, NULL);
    *p = in;
    return left ? error : 0;
}

/* The length that a character at p has by the form of its bytes; 0: it has no form. */
static size_t
form(enum table t, const uint8_t *p, size_t n)
{
    size_t len = 1;

    switch (t) {
    case TABLE_UTF16LE:
    case TABLE_UTF16BE:
        return n < 2 ? n : 2;
    case TABLE_EUCJP:
    case TABLE_EUCJISX0213:
        len = *p == 0x8F ? 3 : *p == 0x8E || *p >= 0xA1 ? 2 : 1;
        break;
    case TABLE_EUCKR:
        len = *p >= 0xA1 ? 2 : 1;
        break;
    case TABLE_CP932:
        if ((*p >= 0x81 && *p <= 0x9F) || (*p >= 0xE0 && *p <= 0xFC))
            return n >= 2 && p[1] >= 0x40 && p[1] != 0x7F && p[1] <= 0xFC ? 2 : 0;
        return 1;
    default:
        return 1;
    }
    for (size_t i = 1; i < len; i++)
        if (i >= n || p[i] < 0xA1 || p[i] == 0xFF)
            return 0;
    return len;
}

/* A character that its standard lacks but Windows has. */
static bool
convert_extension(struct work *w, enum table t, const char *p, size_t n)
{
    size_t before = w->out->len;
    const char *at = p;

    if (t != TABLE_EUCJP || n < 2 || convert_good(w, TABLE_EUCJP_MS, &at, p + n)) {
        w->out->len = before;
        return false;
    }
    return true;
}

static void
convert_all(struct work *w, enum table t, const char *p, const char *end)
{
    while (p < end && convert_good(w, t, &p, end)) {
        size_t n = form(t, (const uint8_t *)p, (size_t)(end - p));
        if (!n)
            n = 1;
        if (!convert_extension(w, t, p, n))
            add_fault(w, p);
        p += n;
    }
}

/* ---- ISO-2022-JP --------------------------------------------------------------- */

/* The sets that escapes choose. */
enum set { SET_ASCII, SET_ROMAN, SET_KANA, SET_0208, SET_0212, SET_0213, SET_0213_2, SET_UNKNOWN };

static const struct {
    const char *escape;
    enum set set;
} escapes[] = {
    {"(B", SET_ASCII},    {"(J", SET_ROMAN},    {"(H", SET_ROMAN},    {"(I", SET_KANA},
    {"$@", SET_0208},     {"$B", SET_0208},     {"$(B", SET_0208},    {"$(@", SET_0208},
    {"$(D", SET_0212},    {"$(O", SET_0213},    {"$(Q", SET_0213},    {"$(P", SET_0213_2},
    {"&@", SET_0208},
};

/* Behind the escape at p, which is ESC; *set is what it chooses, SET_UNKNOWN for others. */
static const char *
read_escape(const char *p, const char *end, enum set *set)
{
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        size_t n = strlen(escapes[i].escape);
        if ((size_t)(end - p) > n && !memcmp(p + 1, escapes[i].escape, n)) {
            *set = escapes[i].set;
            return p + 1 + n;
        }
    }
    *set = SET_UNKNOWN;
    return p + 1;
}

static void
convert_roman(struct work *w, const char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p == '\\')
            str_add_utf8(w->out, 0xA5);
        else if (*p == '~')
            str_add_utf8(w->out, 0x203E);
        else
            str_addc(w->out, *p);
    }
}

/* The same stretch in the form of EUC-JP, whose lead byte tells the set; controls stay. */
static void
to_euc(struct str *euc, enum set set, const char *p, const char *end)
{
    size_t size = set == SET_KANA ? 1 : 2;

    str_clear(euc);
    while (p < end) {
        if ((unsigned char)*p <= 0x20 || *p == 0x7F) {
            str_addc(euc, *p++);
            continue;
        }
        if (size == 1)
            str_addc(euc, (char)0x8E);
        else if (set == SET_0212 || set == SET_0213_2)
            str_addc(euc, (char)0x8F);
        for (size_t i = 0; i < size && p < end && (unsigned char)*p > 0x20; i++)
            str_addc(euc, (char)(*p++ | 0x80));
    }
}

/* A stretch without escapes, in one set. */
static void
convert_stretch(struct work *w, enum set set, const char *p, const char *end)
{
    struct charset_faults faults = {0};

    if (p == end)
        return;
    if (set == SET_ASCII) {
        str_add(w->out, p, (size_t)(end - p));
        return;
    }
    if (set == SET_ROMAN) {
        convert_roman(w, p, end);
        return;
    }
    to_euc(&w->c->euc, set, p, end);
    struct work euc = {w->c, w->out, &faults, w->c->euc.data};
    convert_all(&euc, set == SET_0213 || set == SET_0213_2 ? TABLE_EUCJISX0213 : TABLE_EUCJP,
                w->c->euc.data, w->c->euc.data + w->c->euc.len);
    if (faults.count && !w->faults->count)
        w->faults->first = (size_t)(p - w->start); /* of its stretch */
    w->faults->count += faults.count;
}

/* Where the set ends: an escape, a shift, the end of a line, a byte of 8 bits. */
static const char *
stretch_end(const char *p, const char *end)
{
    while (p < end && *p != 0x1B && *p != 0x0E && *p != 0x0F && *p != '\n' && !(*p & 0x80))
        p++;
    return p;
}

/* RFC 1468: a line ends, and begins, in ASCII. */
static void
convert_iso2022jp(struct work *w, const char *p, const char *end)
{
    enum set set = SET_ASCII, next;
    bool shifted = false;

    while (p < end) {
        const char *stop = stretch_end(p, end);
        convert_stretch(w, shifted ? SET_KANA : set, p, stop);
        p = stop;
        if (p == end)
            return;
        if (*p == 0x1B) {
            const char *behind = read_escape(p, end, &next);
            if (next == SET_UNKNOWN)
                add_fault(w, p);
            else
                set = next;
            p = behind;
        } else if (*p == '\n') {
            str_addc(w->out, *p++);
            set = SET_ASCII;
            shifted = false;
        } else if (*p & 0x80) {
            add_fault(w, p++);
        } else {
            shifted = *p++ == 0x0E;
        }
    }
}

int
charset_convert(struct charset_converter *c, enum charset from, const char *text, size_t n,
                struct str *out, struct charset_faults *faults)
{
    struct work w = {c, out, faults, text};

    *faults = (struct charset_faults){0};
    if (from == CHARSET_OTHER)
        return err_set(STATUS_INPUT, "a charset that is not supported");
    if (from == CHARSET_UTF8) {
        faults->first = utf8_valid(text, n);
        faults->count = utf8_clean(text, n, out);
    } else if (from == CHARSET_ISO2022JP) {
        if (open_table(c, TABLE_EUCJP) || open_table(c, TABLE_EUCJP_MS) ||
            open_table(c, TABLE_EUCJISX0213))
            return -1;
        convert_iso2022jp(&w, text, text + n);
    } else {
        enum table t = table_of[from];
        if (open_table(c, t) || (t == TABLE_EUCJP && open_table(c, TABLE_EUCJP_MS)))
            return -1;
        convert_all(&w, t, text, text + n);
    }
    return 0;
}
