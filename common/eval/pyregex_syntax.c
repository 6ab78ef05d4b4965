#include "eval/pyregex_syntax.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * \s and \w inside a class: those of str.isspace() and str.isalnum(), and '_'. PCRE2's have
 * others.
 */
#define BLANKS                                                                                \
    "\\x09-\\x0d\\x1c-\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" \
    "\\x{205f}\\x{3000}"
#define WORDS "\\p{L}\\p{N}_"

struct translation {
    struct piece in;
    size_t at;
    struct str *out;
    char *why;
    size_t why_size;
};

__attribute__((format(printf, 2, 3))) static int
refuse(struct translation *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->why, t->why_size, fmt, ap);
    va_end(ap);
    return -1;
}

static int
peek(const struct translation *t, size_t ahead)
{
    return t->at + ahead < t->in.n ? (unsigned char)t->in.data[t->at + ahead] : -1;
}

static int
hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \xhh, \uhhhh, \Uhhhhhhhh: t->at is behind the letter. */
static int
translate_code_point(struct translation *t, int digits)
{
    uint32_t c = 0;
    for (int i = 0; i < digits; i++, t->at++) {
        int d = hex_digit(peek(t, 0));
        if (d < 0)
            return refuse(t, "an escape lacks hexadecimal digits");
        c = c << 4 | (uint32_t)d;
    }
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return refuse(t, "\\u%04" PRIX32 " is no character", c);
    str_addf(t->out, "\\x{%" PRIx32 "}", c);
    return 0;
}

/* The escapes that mean a set: true when it was one. */
static bool
translate_set(struct translation *t, int letter, bool in_class)
{
    switch (letter) {
    case 's': str_adds(t->out, in_class ? BLANKS : "[" BLANKS "]"); return true;
    case 'w': str_adds(t->out, in_class ? WORDS : "[" WORDS "]"); return true;
    case 'd': str_adds(t->out, "\\p{Nd}"); return true;
    case 'D': str_adds(t->out, "\\P{Nd}"); return true;
    case 'S':
        if (!in_class)
            str_adds(t->out, "[^" BLANKS "]");
        return !in_class;
    case 'W':
        if (!in_class)
            str_adds(t->out, "[^" WORDS "]");
        return !in_class;
    default: return false;
    }
}

static int
translate_escape(struct translation *t, bool in_class)
{
    int c = peek(t, 1);
    if (c < 0)
        return refuse(t, "a backslash ends the pattern");
    t->at += 2;
    if (translate_set(t, c, in_class))
        return 0;
    if (c == 'x' || c == 'u' || c == 'U')
        return translate_code_point(t, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    if (strchr("fnrt", c)) {
        str_addf(t->out, "\\%c", c);
        return 0;
    }
    if (c == 'a' || c == 'v' || (c == 'b' && in_class)) {
        str_adds(t->out, c == 'a' ? "\\x07" : c == 'v' ? "\\x0b" : "\\x08");
        return 0;
    }
    if (!in_class && (c == 'b' || c == 'B')) {
        str_adds(t->out,
                 c == 'b' ? "(?:(?<=[" WORDS "])(?![" WORDS "])|(?<![" WORDS "])(?=[" WORDS "]))"
                          : "(?:(?<=[" WORDS "])(?=[" WORDS "])|(?<![" WORDS "])(?![" WORDS "]))");
        return 0;
    }
    if (!in_class && (c == 'A' || c == 'Z')) {
        str_adds(t->out, c == 'A' ? "\\A" : "\\z");
        return 0;
    }
    if (!in_class && c >= '1' && c <= '9') {
        int next = peek(t, 0);
        if (next >= '0' && next <= '9')
            return refuse(t, "numbers of two digits behind a backslash are not supported");
        str_addf(t->out, "\\g{%c}", c);
        return 0;
    }
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return refuse(t, "\\%c%s is not supported", c, in_class ? " in a class" : "");
    str_addf(t->out, "\\%c", c); /* of a longer character: its other bytes follow as they are */
    return 0;
}

/* [...]; a '[' in it is an ordinary character in Python. */
static int
translate_class(struct translation *t)
{
    str_addc(t->out, '[');
    t->at++;
    if (peek(t, 0) == '^') {
        str_addc(t->out, '^');
        t->at++;
    }
    for (bool first = true;; first = false) {
        int c = peek(t, 0);
        if (c < 0)
            return refuse(t, "a class is not closed");
        if (c == ']' && !first)
            break;
        if (c == '\\') {
            if (translate_escape(t, true) < 0)
                return -1;
            continue;
        }
        if (c == '[' || c == ']')
            str_addc(t->out, '\\');
        str_addc(t->out, (char)c);
        t->at++;
    }
    str_addc(t->out, ']');
    t->at++;
    return 0;
}

/* Behind "(?": (?flags) (?flags:…) in the letters that both know. */
static int
translate_flags(struct translation *t)
{
    size_t from = t->at;
    for (;; t->at++) {
        int c = peek(t, 0);
        if (c == 'u')
            continue; /* the default */
        if (c < 0 || !strchr("imsx-):", c))
            return refuse(t, "(?%.*s is not supported", (int)(t->at + 1 - from), t->in.data + from);
        if (c == ')' && from != 2)
            return refuse(t, "flags for the whole pattern stand at its beginning only");
        str_addc(t->out, (char)c);
        if (c == ')' || c == ':') {
            t->at++;
            return 0;
        }
    }
}

static int
translate_group(struct translation *t)
{
    static const char *const known[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?P<", "(?P="};
    if (peek(t, 1) == '*')
        return refuse(t, "nothing to repeat behind '('");
    if (peek(t, 1) != '?') {
        str_addc(t->out, '(');
        t->at++;
        return 0;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i]);
        if (t->in.n - t->at >= n && !memcmp(t->in.data + t->at, known[i], n)) {
            str_adds(t->out, known[i]);
            t->at += n;
            return 0;
        }
    }
    str_adds(t->out, "(?");
    t->at += 2;
    return translate_flags(t);
}

/* {,n} counts from 0 in Python. */
static void
translate_brace(struct translation *t)
{
    size_t i = 2;
    str_addc(t->out, '{');
    if (peek(t, 1) == ',') {
        while (peek(t, i) >= '0' && peek(t, i) <= '9')
            i++;
        if (peek(t, i) == '}')
            str_addc(t->out, '0');
    }
    t->at++;
}

int
python_pattern_translate(struct piece pattern, struct str *out, char *why, size_t why_size)
{
    struct translation t = {.in = pattern, .out = out, .why = why, .why_size = why_size};
    str_reserve(out, pattern.n);
    while (t.at < pattern.n) {
        int c = peek(&t, 0), failed = 0;
        if (c == '\\') {
            failed = translate_escape(&t, false);
        } else if (c == '[') {
            failed = translate_class(&t);
        } else if (c == '(') {
            failed = translate_group(&t);
        } else if (c == '{') {
            translate_brace(&t);
        } else {
            str_addc(out, (char)c);
            t.at++;
        }
        if (failed < 0)
            return -1;
    }
    return 0;
}
