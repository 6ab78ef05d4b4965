#include <string.h>

#include "base/utf8.h"
#include "text/man_chars.h"
#include "text/man_internal.h"

/* The escapes of troff(7). */

bool
man_is(struct span s, const char *word)
{
    return s.n == strlen(word) && !memcmp(s.p, word, s.n);
}

struct span
man_escape_name(const char **p, const char *end)
{
    struct span name = {*p, 0};

    if (*p == end)
        return name;
    if (**p == '(') {
        name.p++;
        name.n = end - name.p >= 2 ? 2 : (size_t)(end - name.p);
        *p = name.p + name.n;
    } else if (**p == '[') {
        name.p++;
        const char *close = memchr(name.p, ']', (size_t)(end - name.p));
        name.n = (size_t)((close ? close : end) - name.p);
        *p = close ? close + 1 : end;
    } else {
        name.n = 1;
        *p += 1;
    }
    return name;
}

int
man_register(struct span name)
{
    return man_is(name, ".g"); /* "is this groff": it has what pages ask for */
}

/* A delimited argument, as in \h'1c'. */
static struct span
delimited(const char **p, const char *end)
{
    struct span s = {*p, 0};

    if (*p == end)
        return s;
    char delimiter = *s.p++;
    const char *close = memchr(s.p, delimiter, (size_t)(end - s.p));
    s.n = (size_t)((close ? close : end) - s.p);
    *p = close ? close + 1 : end;
    return s;
}

/* \s+1, \s-2, \s(12, \s'+3', \s[12] */
static void
skip_size(const char **p, const char *end)
{
    if (*p < end && (**p == '+' || **p == '-'))
        ++*p;
    if (*p < end && **p == '\'')
        delimited(p, end);
    else if (*p < end && (**p == '(' || **p == '['))
        man_escape_name(p, end);
    else if (*p < end && **p >= '0' && **p <= '9') {
        bool two = **p >= '1' && **p <= '3' && end - *p >= 2 && (*p)[1] >= '0' && (*p)[1] <= '9';
        *p += two ? 2 : 1;
    }
}

/* "u00E9" and "u0041_0301": code points in hexadecimal. */
static bool
add_unicode(struct span name, struct str *out)
{
    size_t at = 0;

    if (name.n < 5 || name.p[0] != 'u')
        return false;
    while (at < name.n) {
        uint32_t c = 0;
        for (at++; at < name.n && name.p[at] != '_' && c < 0x110000; at++) {
            int digit = name.p[at] | 0x20;
            if (digit >= '0' && digit <= '9')
                c = c * 16 + (uint32_t)(digit - '0');
            else if (digit >= 'a' && digit <= 'f')
                c = c * 16 + (uint32_t)(digit - 'a' + 10);
            else
                return false;
        }
        if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) || c < 0x20)
            return false;
        str_add_utf8(out, c);
    }
    return true;
}

static void
add_char(struct span name, struct str *out)
{
    const char *text = man_char(name.p, name.n);

    if (text)
        str_adds(out, text);
    else
        add_unicode(name, out);
}

/* \N'65': a character by its number. */
static void
add_numbered(struct span digits, struct str *out)
{
    uint32_t c = 0;

    for (size_t i = 0; i < digits.n && digits.p[i] >= '0' && digits.p[i] <= '9'; i++)
        c = c > 0x110000 ? c : c * 10 + (uint32_t)(digits.p[i] - '0');
    if (c >= 0x20 && c <= 0x10FFFF && !(c >= 0xD800 && c < 0xE000))
        str_add_utf8(out, c);
}

/*
 * A string's value, its escapes resolved but for strings in it: so that what one
 * reference can give is bounded.
 */
static void
add_string(struct man *m, struct span name, struct str *out, bool nested)
{
    static const struct {
        const char *name, *text;
    } known[] = {{"lq", "“"}, {"rq", "”"}, {"Tm", "™"}, {"R", "®"}, {"Aq", "'"}, {"--", "—"},
                 {"C+", "C++"}, {"PI", "π"}, {"L\"", "\""}, {"R\"", "\""}, {"C`", ""}, {"C'", ""},
                 {"Lq", "“"}, {"Rq", "”"}, {"Le", "≤"}, {"Ge", "≥"}, {"Ne", "≠"}, {"Pm", "±"}};

    for (size_t i = m->strings.len; i-- > 0 && !nested;)
        if (man_is(name, m->strings.data[i].name)) {
            const char *value = m->strings.data[i].value;
            struct man inner = {.depth = MAN_BLOCKS}; /* marks the nesting */
            man_decode(&inner, (struct span){value, strlen(value)}, out);
            return;
        }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (man_is(name, known[i].name)) {
            str_adds(out, known[i].text);
            return;
        }
}

/* One escape; p stands behind the backslash. Returns where the text goes on. */
static const char *
decode_escape(struct man *m, const char *p, const char *end, struct str *out)
{
    char c = *p++;

    switch (c) {
    case '"':
    case '#':
        return end;
    case '&': case '|': case '^': case '%': case '/': case ',': case ':': case ')': case '{':
    case '}': case '!': case 'p': case 'd': case 'u': case 'r': case 'a': case 'z':
        return p;
    case 'c':
        m->joined = true;
        return p;
    case ' ': case '~': case '0': case 't':
        str_addc(out, ' ');
        return p;
    case 'e': case '\\': case 'E':
        str_addc(out, '\\');
        return p;
    case '-': case '.': case '\'': case '`': case '_':
        str_addc(out, c);
        return p;
    case '(': case '[':
        p--;
        add_char(man_escape_name(&p, end), out);
        return p;
    case 'C':
        add_char(delimited(&p, end), out);
        return p;
    case 'N':
        add_numbered(delimited(&p, end), out);
        return p;
    case '*':
        add_string(m, man_escape_name(&p, end), out, m->depth == MAN_BLOCKS);
        return p;
    case 'f': case 'F': case 'm': case 'M': case 'g': case 'k': case 'Y': case 'V': case '$':
        man_escape_name(&p, end);
        return p;
    case 'n':
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        str_addf(out, "%.0d", man_register(man_escape_name(&p, end)));
        return p;
    case 's':
        skip_size(&p, end);
        return p;
    case 'h': case 'v': case 'l': case 'L': case 'D': case 'b': case 'o': case 'R': case 'S':
    case 'w': case 'x': case 'X': case 'A': case 'B': case 'H': case 'Z':
        delimited(&p, end);
        return p;
    default:
        str_addc(out, c);
        return p;
    }
}

void
man_decode(struct man *m, struct span text, struct str *out)
{
    const char *p = text.p, *end = p + text.n;

    while (p < end) {
        const char *b = memchr(p, '\\', (size_t)(end - p));
        str_add(out, p, (size_t)((b ? b : end) - p));
        if (!b || b + 1 == end) {
            m->joined |= b != NULL; /* a backslash ends the line: it goes on */
            return;
        }
        p = decode_escape(m, b + 1, end, out);
    }
}
