#ifndef TEXT_CHARSET_H
#define TEXT_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The character encoding of a text, from its bytes: a byte order mark; the escape
 * sequences of ISO-2022-JP; validity as UTF-8; then which multi-byte rules (EUC-JP,
 * Shift_JIS) the bytes above 0x7F obey. What obeys none is ISO-8859-1, unless bytes
 * are in it that mean nothing there: that is UTF-8 full of faults. Text that is
 * UTF-8 but for some faults stays UTF-8. A declaration (an HTTP header, an HTML meta
 * element, an XML declaration, Emacs' coding:) settles what the bytes leave open; the
 * charsets from ISO-8859-2 on are only ever declared. Limits: a Latin-1 text of a few
 * bytes may pass for Shift_JIS; undeclared ISO-8859-2 and the like count as ISO-8859-1,
 * which is Windows-1252 here, as browsers have it.
 */
enum charset {
    CHARSET_UTF8,
    CHARSET_UTF16LE,
    CHARSET_UTF16BE,
    CHARSET_ISO2022JP,
    CHARSET_EUCJP,
    CHARSET_SHIFTJIS,
    CHARSET_LATIN1,
    CHARSET_LATIN2,  /* ISO-8859-2 */
    CHARSET_LATIN5,  /* ISO-8859-9 */
    CHARSET_LATIN9,  /* ISO-8859-15 */
    CHARSET_CP1251,
    CHARSET_KOI8R,
    CHARSET_EUCKR,
    CHARSET_GB18030, /* and GBK, GB2312, which it contains */
    CHARSET_BIG5,
    CHARSET_OTHER, /* declared to be one of those not listed here */
    CHARSET_COUNT
};

/* text[0..n) is a whole document. */
enum charset charset_guess(const char *text, size_t n);

/* The same where somebody said what it is: `said` comes before what the text declares. */
enum charset charset_guess_hint(const char *text, size_t n, enum charset said);

/* The charset of a name as documents declare it; CHARSET_COUNT when it is no known name. */
enum charset charset_named(const char *name, size_t n);

/* Has text[0..n) the look of UTF-16 (a mark, or zeros in every other byte)? */
bool charset_is_utf16(const char *text, size_t n, enum charset *which);

/* "utf-8", "euc-jp", ... */
const char *charset_name(enum charset c);

/*
 * The bytes of the line at text, in charset c, without its newline; *newline is that
 * one's length, 0 when the text ends before it.
 */
size_t charset_line(enum charset c, const char *text, size_t n, size_t *newline);

/* The bytes of all whole lines, with the last newline; 0 when there is none. */
size_t charset_whole_lines(enum charset c, const char *text, size_t n);

/* Length of a UTF-8 byte order mark at the start: 3 or 0. */
size_t charset_mark(const char *text, size_t n);

#endif
