#include "tokenizer/regex_syntax.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "text/classes.h"

/* Recursive descent over the pattern; everything that is not known to be safe is refused. */

enum { NESTING_MOST = 64, NAME_MOST = 40 };

struct parser {
    const char *s;
    size_t n, at;
    struct str *out;
    char *why;
    size_t why_size;
    int depth;
    bool any_case;        /* inside (?i:...) */
    uint32_t last_letter; /* the literal before, in any_case; 0: none */
};

static int refuse(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int
refuse(struct parser *p, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(p->why, p->why_size, "the pattern is not supported: at byte %zu: %s", p->at, text);
    return -1;
}

static bool
more(const struct parser *p)
{
    return p->at < p->n;
}

static bool
ahead(const struct parser *p, const char *text)
{
    size_t n = strlen(text);
    return p->n - p->at >= n && !memcmp(p->s + p->at, text, n);
}

static void
add_point(struct str *out, uint32_t c)
{
    bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (plain)
        str_addc(out, (char)c);
    else
        str_addf(out, "\\x{%X}", (unsigned)c);
}

/* ---- escapes ---- */

#define WORD_ITEMS "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
/* outside a class Oniguruma looks Latin-1 up in a table of its own, which has more numbers */
#define WORD_ALONE WORD_ITEMS "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"

static int
hex_digits(struct parser *p, size_t most, uint32_t *value)
{
    size_t count = 0;
    *value = 0;
    for (; more(p) && count < most; count++, p->at++) {
        char c = p->s[p->at];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (uint32_t)((c | 32) - 'a' + 10);
        else
            break;
        *value = *value * 16 + digit;
    }
    return count ? (int)count : refuse(p, "hexadecimal digits expected");
}

/* \xHH, \x{H...} or \uHHHH behind the letter. */
static int
escaped_point(struct parser *p, char letter, uint32_t *c)
{
    bool braces = letter == 'x' && ahead(p, "{");
    p->at += braces;
    if (hex_digits(p, braces ? 8 : letter == 'u' ? 4 : 2, c) < 0)
        return -1;
    if (braces && !ahead(p, "}"))
        return refuse(p, "} expected");
    p->at += braces;
    if (letter == 'x' && !braces && *c > 0x7F)
        return refuse(p, "a raw byte");
    if (*c > 0x10FFFF || (*c >= 0xD800 && *c <= 0xDFFF))
        return refuse(p, "not a code point");
    return 0;
}

/* \p{Name}, \P{Name}, \p{^Name} behind the p: general categories, and scripts by name. */
static int
property(struct parser *p, bool negated, struct str *out)
{
    char name[NAME_MOST];
    size_t n = 0;
    if (!ahead(p, "{"))
        return refuse(p, "a property without braces");
    p->at++;
    if (ahead(p, "^")) {
        negated = !negated;
        p->at++;
    }
    for (; more(p) && p->s[p->at] != '}'; p->at++) {
        char c = p->s[p->at];
        if (n + 1 >= sizeof name || !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'))
            return refuse(p, "an unknown property");
        name[n++] = c;
    }
    name[n] = '\0';
    if (!more(p) || n == 0)
        return refuse(p, "an unknown property");
    p->at++;
    str_adds(out, negated ? "\\P{" : "\\p{");
    if (n > 2)
        str_adds(out, "sc:");
    str_adds(out, name);
    str_addc(out, '}');
    return 0;
}

/*
 * An escape, p->at behind the backslash. Appends a set to `out` and returns 1, or
 * sets *c to a code point and returns 0, or -1. inside: in a character class.
 */
static int
escape(struct parser *p, bool inside, uint32_t *c, struct str *out)
{
    static const char letters[] = "rntfvae", values[] = "\r\n\t\f\v\a\033";
    if (!more(p))
        return refuse(p, "a backslash at the end");
    char letter = p->s[p->at++];
    const char *hit = strchr(letters, letter);
    if (hit && letter) {
        *c = (unsigned char)values[hit - letters];
        return 0;
    }
    switch (letter) {
    case 's': return str_adds(out, "\\p{White_Space}"), 1;
    case 'S': return str_adds(out, "\\P{White_Space}"), 1;
    case 'd': return str_adds(out, "\\p{Nd}"), 1;
    case 'D': return str_adds(out, "\\P{Nd}"), 1;
    case 'w': return str_adds(out, inside ? WORD_ITEMS : "[" WORD_ALONE "]"), 1;
    case 'W':
        if (inside)
            return refuse(p, "\\W in a class");
        return str_adds(out, "[^" WORD_ALONE "]"), 1;
    case 'p':
    case 'P': return property(p, letter == 'P', out) < 0 ? -1 : 1;
    case 'x':
    case 'u': return escaped_point(p, letter, c);
    default: break;
    }
    bool alphanumeric = (letter >= '0' && letter <= '9') ||
                        ((letter | 32) >= 'a' && (letter | 32) <= 'z');
    if (alphanumeric || (unsigned char)letter >= 0x80)
        return refuse(p, "\\%c", letter);
    *c = (unsigned char)letter;
    return 0;
}

/* ---- classes ---- */

static int char_class(struct parser *p, struct str *out, bool *simple);

/* One literal code point or escape in a class; as escape(). */
static int
class_item(struct parser *p, uint32_t *c, struct str *out)
{
    if (p->s[p->at] == '\\') {
        p->at++;
        return escape(p, true, c, out);
    }
    size_t used;
    *c = text_peek(p->s + p->at, &used);
    p->at += used;
    return 0;
}

/* Items up to ']' or '&&': a PCRE2 class without its brackets, or one nested class. */
static int
class_operand(struct parser *p, bool at_start, struct str *items, struct str *nested)
{
    bool first = at_start;
    while (more(p) && (p->s[p->at] != ']' || first) && !ahead(p, "&&")) {
        if (p->s[p->at] == ']')
            return refuse(p, "] at the start of a class");
        first = false;
        if (ahead(p, "[:"))
            return refuse(p, "a POSIX class");
        if (p->s[p->at] == '[') {
            bool simple;
            struct str inner = {0};
            int rc = char_class(p, &inner, &simple);
            if (rc == 0 && simple) /* without its brackets, it is a part of this one */
                str_add(items, inner.data + 1, inner.len - 2);
            else if (rc == 0 && (nested->len || items->len))
                rc = refuse(p, "a negated class within a class");
            else if (rc == 0)
                str_add(nested, inner.data, inner.len);
            str_release(&inner);
            if (rc < 0)
                return -1;
            continue;
        }
        uint32_t low, high;
        int kind = class_item(p, &low, items);
        if (kind < 0)
            return -1;
        bool range = ahead(p, "-") && p->at + 1 < p->n && p->s[p->at + 1] != ']';
        if (kind == 1) {
            if (range)
                return refuse(p, "a range from a set");
            continue;
        }
        if (!range) {
            add_point(items, low);
            continue;
        }
        p->at++;
        if (p->s[p->at] == '[' || ahead(p, "&&"))
            return refuse(p, "a range to a class");
        struct str set = {0};
        kind = class_item(p, &high, &set);
        str_release(&set);
        if (kind != 0 || low > high)
            return kind < 0 ? -1 : refuse(p, "an impossible range");
        add_point(items, low);
        str_addc(items, '-');
        add_point(items, high);
    }
    if (nested->len && items->len)
        return refuse(p, "a negated class within a class");
    return 0;
}

/*
 * A class at p->at, which stands at '['. An intersection becomes look-aheads for all
 * operands but the last. simple: the result is "[items]", not negated.
 */
static int
char_class(struct parser *p, struct str *out, bool *simple)
{
    struct str items = {0}, nested = {0}, all = {0};
    int rc = -1, operands = 0;
    bool negated = false;
    if (++p->depth > NESTING_MOST) {
        refuse(p, "nested too deep");
        goto out;
    }
    p->at++;
    if (ahead(p, "^")) {
        negated = true;
        p->at++;
    }
    for (bool last = false; !last; operands++) {
        str_clear(&items);
        str_clear(&nested);
        if (class_operand(p, operands == 0, &items, &nested) < 0)
            goto out;
        if (!more(p) || (items.len == 0 && nested.len == 0)) {
            refuse(p, "an empty or unfinished class");
            goto out;
        }
        last = p->s[p->at] == ']';
        p->at += last ? 1 : 2;
        if (!last)
            str_adds(&all, "(?=");
        if (nested.len)
            str_add(&all, nested.data, nested.len);
        else
            str_addf(&all, "[%s%s]", negated && last && !operands ? "^" : "", items.data);
        if (!last)
            str_addc(&all, ')');
    }
    *simple = operands == 1 && !nested.len && !negated;
    if (negated && (operands > 1 || nested.len))
        str_addf(out, "(?:(?!%s)[\\x{0}-\\x{10FFFF}])", all.data);
    else
        str_addf(out, operands > 1 ? "(?:%s)" : "%s", all.data);
    p->depth--;
    rc = 0;
out:
    str_release(&items);
    str_release(&nested);
    str_release(&all);
    return rc;
}

/* ---- quantifiers ---- */

/* {n}, {n,}, {n,m}, {,m}: its length at p->at and whether it is {n}; 0 when it is none. */
static size_t
braces(const struct parser *p, bool *exact)
{
    size_t i = p->at + 1, low = 0, high = 0;
    bool comma = false;
    for (; i < p->n && p->s[i] >= '0' && p->s[i] <= '9'; i++)
        low++;
    if (i < p->n && p->s[i] == ',') {
        comma = true;
        for (i++; i < p->n && p->s[i] >= '0' && p->s[i] <= '9'; i++)
            high++;
    }
    if (i >= p->n || p->s[i] != '}' || (!low && !high))
        return 0;
    *exact = !comma;
    return i + 1 - p->at;
}

static void
wrap(struct str *out, size_t atom)
{
    struct str behind = {0};
    str_add(&behind, out->data + atom, out->len - atom);
    out->len = atom;
    str_adds(out, "(?:");
    str_add(out, behind.data, behind.len);
    str_addc(out, ')');
    str_release(&behind);
}

/* What follows an atom, whose translation begins at out[atom]. */
static int
quantifier(struct parser *p, size_t atom)
{
    bool exact = false;
    char c = more(p) ? p->s[p->at] : '\0';
    if (c == '{') {
        size_t n = braces(p, &exact);
        if (n == 0)
            return 0; /* a literal brace, next */
        if (p->s[p->at + 1] == ',')
            str_addf(p->out, "{0%.*s", (int)n - 1, p->s + p->at + 1);
        else
            str_add(p->out, p->s + p->at, n);
        p->at += n;
        c = more(p) ? p->s[p->at] : '\0';
        if (c == '?' && exact)
            return refuse(p, "{n}?");
        if (c == '+' || c == '*')
            wrap(p->out, atom); /* not possessive: one more repetition */
        if (c == '?' || c == '+' || c == '*') {
            str_addc(p->out, c);
            p->at++;
        }
    } else if (c == '*' || c == '+' || c == '?') {
        str_addc(p->out, c);
        p->at++;
        c = more(p) ? p->s[p->at] : '\0';
        if (c == '?' || c == '+') {
            str_addc(p->out, c);
            p->at++;
        }
    } else {
        return 0;
    }
    p->last_letter = 0;
    c = more(p) ? p->s[p->at] : '\0';
    if (c == '*' || c == '+' || c == '?' || (c == '{' && braces(p, &exact)))
        return refuse(p, "a quantifier behind a quantifier");
    return 0;
}

/* ---- atoms ---- */

static int alternatives(struct parser *p);

static int
group(struct parser *p)
{
    static const char *const kinds[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};
    bool outer = p->any_case;
    const char *kind = NULL;
    if (++p->depth > NESTING_MOST)
        return refuse(p, "nested too deep");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (ahead(p, kinds[i]))
            kind = kinds[i];
    if (!kind && ahead(p, "(?"))
        return refuse(p, "this kind of group");
    p->at += kind ? strlen(kind) : 1;
    str_adds(p->out, kind ? kind : "(?:");
    if (kind && !strcmp(kind, "(?i:"))
        p->any_case = true;
    p->last_letter = 0;
    if (alternatives(p) < 0)
        return -1;
    if (!ahead(p, ")"))
        return refuse(p, ") expected");
    p->at++;
    str_addc(p->out, ')');
    p->any_case = outer;
    p->last_letter = 0;
    p->depth--;
    return 0;
}

/* Two letters that fold like one other letter: U+00DF, U+FB00 to U+FB06. */
static bool
folds_together(uint32_t a, uint32_t b)
{
    static const char pairs[][3] = {"ss", "st", "ff", "fi", "fl"};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if ((a | 32) == (unsigned char)pairs[i][0] && (b | 32) == (unsigned char)pairs[i][1])
            return true;
    return false;
}

static int
literal(struct parser *p, uint32_t c)
{
    if (p->any_case && (c > 0x7F || folds_together(p->last_letter, c)))
        return refuse(p, "this text in (?i:...)");
    p->last_letter = p->any_case ? c : 0;
    add_point(p->out, c);
    return 0;
}

static int
escaped_atom(struct parser *p)
{
    p->at++;
    if (ahead(p, "A") || ahead(p, "z")) {
        str_addf(p->out, "\\%c", p->s[p->at++]);
        return 0;
    }
    uint32_t c = 0;
    int kind = escape(p, false, &c, p->out);
    if (kind == 1)
        p->last_letter = 0;
    return kind == 0 ? literal(p, c) : kind < 0 ? -1 : 0;
}

static int
atom(struct parser *p)
{
    bool simple;
    size_t used;
    switch (p->s[p->at]) {
    case '\\': return escaped_atom(p);
    case '[': p->last_letter = 0; return char_class(p, p->out, &simple);
    case '(': return group(p);
    case '.': str_adds(p->out, "[^\\x{A}]"); break;
    case '^': str_adds(p->out, "(?:\\A|(?<=\\x{A})(?!\\z))"); break;
    case '$': str_adds(p->out, "(?=\\x{A}|\\z)"); break;
    case '*':
    case '+':
    case '?': return refuse(p, "a quantifier of nothing");
    default: {
        uint32_t c = text_peek(p->s + p->at, &used);
        p->at += used;
        return literal(p, c);
    }
    }
    p->at++;
    p->last_letter = 0;
    return 0;
}

static int
alternatives(struct parser *p)
{
    while (more(p) && p->s[p->at] != ')') {
        if (p->s[p->at] == '|') {
            str_addc(p->out, '|');
            p->at++;
            p->last_letter = 0;
            continue;
        }
        size_t begin = p->out->len;
        if (atom(p) < 0 || quantifier(p, begin) < 0)
            return -1;
    }
    return 0;
}

int
regex_translate(const char *pattern, size_t n, struct str *out, char *why, size_t why_size)
{
    struct parser p = {.s = pattern, .n = n, .out = out, .why = why, .why_size = why_size};
    str_reserve(out, n);
    if (utf8_valid(pattern, n) != n)
        return refuse(&p, "not UTF-8");
    if (n == 0)
        return refuse(&p, "empty");
    if (alternatives(&p) < 0)
        return -1;
    return more(&p) ? refuse(&p, ") without (") : 0;
}
