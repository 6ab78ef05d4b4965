#ifndef TEXT_CHARSET_H
#define TEXT_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The character encoding of a text, from its bytes: a byte order mark; the escape
 * sequences of ISO-2022-JP; validity as UTF-8; then which multi-byte rules (EUC-JP,
 * Shift_JIS) the bytes above 0x7F obey. What obeys none is ISO-8859-1, unless bytes
 * are in it that mean nothing there: that is UTF-8 full of faults. Text that is
 * UTF-8 but for some faults stays UTF-8. A declaration (an HTML meta element, an XML
 * declaration) settles what the bytes leave open. Limits: a Latin-1 text of a few
 * bytes may pass for Shift_JIS; Windows-1252, ISO-8859-2 and the like all count as
 * ISO-8859-1.
 */
enum charset {
    CHARSET_UTF8,
    CHARSET_UTF16LE,
    CHARSET_UTF16BE,
    CHARSET_ISO2022JP,
    CHARSET_EUCJP,
    CHARSET_SHIFTJIS,
    CHARSET_LATIN1,
    CHARSET_OTHER, /* declared to be one of those not listed here */
    CHARSET_COUNT
};

/* text[0..n) is a whole document. */
enum charset charset_guess(const char *text, size_t n);

/* Has text[0..n) the look of UTF-16 (a mark, or zeros in every other byte)? */
bool charset_is_utf16(const char *text, size_t n, enum charset *which);

/* "utf-8", "euc-jp", ... */
const char *charset_name(enum charset c);

/* Length of a UTF-8 byte order mark at the start: 3 or 0. */
size_t charset_mark(const char *text, size_t n);

#endif
