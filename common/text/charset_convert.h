#ifndef TEXT_CHARSET_CONVERT_H
#define TEXT_CHARSET_CONVERT_H

#include "base/str.h"
#include "text/charset.h"

/*
 * Conversion to UTF-8 over iconv(3); one converter a thread. Each malformed sequence
 * becomes U+FFFD: a character of the charset's form that means nothing as a whole, else
 * a single byte (of UTF-16 a unit).
 *
 * The tables are those on which iconv and Python agree. Shift_JIS is Windows code page
 * 932. EUC-JP and ISO-2022-JP have the tables of the standards; what these leave empty
 * and Windows fills (the NEC row 13 and the IBM characters) is taken from EUC-JP-MS. So
 * six signs of JIS X 0208 differ by where a text came from: the wave dash, the double
 * vertical line, the minus, cent, pound and not signs are U+301C, 2016, 2212, A2, A3, AC
 * out of EUC-JP and ISO-2022-JP, U+FF5E, 2225, FF0D, FFE0, FFE1, FFE2 out of CP932.
 * ISO-2022-JP may have the sets of ISO-2022-JP-1 and -3 (JIS X 0212, JIS X 0213) and
 * half-width kana, by escape or by shifting out. ISO-8859-1 is read as Windows-1252.
 */
struct charset_converter;

struct charset_converter *charset_converter_new(void);
void charset_converter_free(struct charset_converter *c);

/* What was malformed in a text. */
struct charset_faults {
    size_t count; /* of U+FFFD written */
    size_t first; /* byte offset of the first, if any */
};

/*
 * Appends text[0..n), in charset `from`, to *out as valid UTF-8 and sets *faults. A byte
 * order mark stays. 0, or -1 when the C library lacks the charset, or `from` is
 * CHARSET_OTHER (STATUS_INPUT).
 */
int charset_convert(struct charset_converter *c, enum charset from, const char *text, size_t n,
                    struct str *out, struct charset_faults *faults);

#endif
