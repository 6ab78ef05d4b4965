/* Numbers out of text: int() and float() of Python. */
#include <errno.h>
#include <stdlib.h>

#include "text/python.h"
#include "tokenizer/jinja_builtins.h"

/* A number's text without white space around and single underscores within; false: too odd. */
static bool
number_text(struct value text, char *out, size_t size)
{
    size_t space = text_space_prefix(text.text, text.n), n = 0;

    text = value_text(text.text + space, text_trimmed_end(text.text + space, text.n - space));
    for (size_t i = 0; i < text.n; i++) {
        char c = text.text[i];

        if (c == '_' && i && i + 1 < text.n && text.text[i - 1] != '_')
            continue;
        if (n + 1 >= size || !strchr("0123456789+-.eEinfatyINFATYxXoObBabcdefABCDEF", c) || !c)
            return false;
        out[n++] = c;
    }
    out[n] = 0;
    return n > 0;
}

bool
jinja_parse_int(struct jinja_run *run, struct value text, int64_t base, struct value *out)
{
    char s[80], *end;
    const char *digits = s;

    if (!number_text(text, s, sizeof s))
        return false;
    digits += *s == '-' || *s == '+';
    if (base < 2 || base > 36 || !*digits || *digits == '-' || *digits == '+')
        return false;
    if (digits[0] == '0' && digits[1] &&
        ((base == 16 && (digits[1] | 32) == 'x') || (base == 8 && (digits[1] | 32) == 'o') ||
         (base == 2 && (digits[1] | 32) == 'b')))
        digits += 2;
    else if (base == 16 && digits[0] == '0' && digits[1] && strchr("xX", digits[1]))
        return false;
    errno = 0;
    *out = value_int(strtoll(digits, &end, (int)base));
    if (*end || end == digits)
        return false;
    if (errno)
        jinja_fail(run, "integers beyond 64 bits are not supported");
    if (*s == '-')
        out->i = -out->i;
    return true;
}

bool
jinja_parse_float(struct value text, double *out)
{
    char s[400], *end;

    if (!number_text(text, s, sizeof s) || strpbrk(s, "xXpP("))
        return false;
    *out = strtod(s, &end);
    return !*end && end != s;
}
