/* Text of a template into tokens. */
#include "tokenizer/jinja_lex.h"

#include <errno.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "text/python.h"

struct tokens VEC_BODY(struct jinja_token);

struct lexer {
    struct jinja_run *run;
    const char *text;
    size_t n, at;
    bool line_starting; /* the last match ended with a newline */
    struct tokens tokens;
    char open[JINJA_NESTING]; /* brackets that wait for their ends */
    size_t opened;
};

static bool
looking_at(const struct lexer *l, size_t at, const char *s)
{
    size_t n = strlen(s);

    return l->n - at >= n && !memcmp(l->text + at, s, n);
}

static void
count_lines(struct lexer *l, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        l->run->line += l->text[i] == '\n';
}

/* Goes on at `to`, which is behind `at`. */
static void
move(struct lexer *l, size_t to)
{
    count_lines(l, l->at, to);
    if (to > l->at)
        l->line_starting = l->text[to - 1] == '\n';
    l->at = to;
}

static size_t
skip_space(const struct lexer *l, size_t at)
{
    return at + text_space_prefix(l->text + at, l->n - at);
}

static void
add(struct lexer *l, enum jinja_token_type type, struct value value)
{
    struct jinja_token token = {.type = type, .line = l->run->line, .value = value};

    vec_push(&l->tokens, token);
}

/* ---- between the tags --------------------------------------------------------- */

/* text[from, to) stands before a tag with that sign; how far it is kept. */
static size_t
strip_before(const struct lexer *l, size_t from, size_t to, char sign, bool block)
{
    size_t line = to;

    if (sign == '-')
        return from + text_trimmed_end(l->text + from, to - from);
    if (sign == '+' || !block)
        return to;
    while (line > from && l->text[line - 1] != '\n')
        line--;
    if (line == from && !l->line_starting)
        return to;
    return skip_space(l, line) >= to ? line : to;
}

static void
add_data(struct lexer *l, size_t from, size_t to)
{
    if (to > from)
        add(l, TOKEN_DATA, value_copy(l->run, l->text + from, to - from));
}

static char
sign_at(const struct lexer *l, size_t at)
{
    return at < l->n && (l->text[at] == '-' || l->text[at] == '+') ? l->text[at] : 0;
}

/* The end of a tag at `at`: "-%}" with the white space behind, "+%}", "%}" with a newline; 0: none. */
static size_t
tag_end(const struct lexer *l, size_t at, const char *close, bool block)
{
    if (looking_at(l, at, "-") && looking_at(l, at + 1, close))
        return skip_space(l, at + 3);
    if (block && looking_at(l, at, "+") && looking_at(l, at + 1, close))
        return at + 3;
    if (!looking_at(l, at, close))
        return 0;
    return at + 2 + (block && looking_at(l, at + 2, "\n"));
}

/* "{% raw %}" at `at`; where its text begins, 0: it is another tag. */
static size_t
raw_begin(const struct lexer *l, size_t at)
{
    at += 2;
    at = skip_space(l, at + (sign_at(l, at) != 0));
    if (!looking_at(l, at, "raw"))
        return 0;
    at = skip_space(l, at + 3);
    if (looking_at(l, at, "-%}"))
        return skip_space(l, at + 3);
    return looking_at(l, at, "%}") ? at + 2 : 0;
}

static void
lex_raw(struct lexer *l, size_t begin)
{
    move(l, begin);
    for (size_t at = begin; at < l->n; at++) {
        size_t end;
        char sign;

        if (!looking_at(l, at, "{%"))
            continue;
        sign = sign_at(l, at + 2);
        end = skip_space(l, at + 2 + (sign != 0));
        if (!looking_at(l, end, "endraw"))
            continue;
        end = tag_end(l, skip_space(l, end + 6), "%}", true);
        if (!end)
            continue;
        add_data(l, begin, strip_before(l, begin, at, sign, true));
        move(l, end);
        return;
    }
    jinja_fail(l->run, "missing end of raw directive");
}

static void
lex_comment(struct lexer *l, size_t begin)
{
    for (size_t at = begin; at < l->n; at++) {
        size_t end = tag_end(l, at, "#}", true);

        if (end) {
            move(l, end);
            return;
        }
    }
    jinja_fail(l->run, "missing end of comment tag");
}

/* ---- inside the tags ----------------------------------------------------------- */

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_name(char c)
{
    return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Digits with single underscores between them. */
static size_t
digits(const struct lexer *l, size_t at)
{
    while (at < l->n &&
           (is_digit(l->text[at]) || (l->text[at] == '_' && at && is_digit(l->text[at - 1]) &&
                                      at + 1 < l->n && is_digit(l->text[at + 1]))))
        at++;
    return at;
}

/* The end of a number with a fraction or an exponent; `at` where none is. */
static size_t
real_end(const struct lexer *l, size_t at)
{
    size_t whole = digits(l, at), fraction = whole, exponent;

    if (whole == at || (at && l->text[at - 1] == '.'))
        return at;
    if (whole + 1 < l->n && l->text[whole] == '.' && is_digit(l->text[whole + 1]))
        fraction = digits(l, whole + 1);
    if (fraction < l->n && (l->text[fraction] | 32) == 'e') {
        exponent = fraction + 1 + (sign_at(l, fraction + 1) != 0);
        if (exponent < l->n && is_digit(l->text[exponent]))
            return digits(l, exponent);
    }
    return fraction > whole ? fraction : at;
}

static void
lex_number(struct lexer *l)
{
    size_t end = real_end(l, l->at);
    bool real = end > l->at;
    char digits_only[400];
    size_t n = 0;

    if (!real && l->text[l->at] == '0') /* "012" is two numbers, refused by the grammar */
        for (end = l->at + 1; end < l->n && l->text[end] == '0'; end++)
            ;
    else if (!real)
        end = digits(l, l->at);
    if (!real && end < l->n && end == l->at + 1 && l->text[l->at] == '0' &&
        strchr("bBoOxX_", l->text[end])) {
        jinja_fail(l->run, "numbers like 0%c… are not supported", l->text[end]);
        return;
    }
    for (size_t i = l->at; i < end && n < sizeof digits_only - 1; i++)
        if (l->text[i] != '_')
            digits_only[n++] = l->text[i];
    digits_only[n] = 0;
    errno = 0;
    struct value v = real ? value_float(strtod(digits_only, NULL))
                          : value_int(strtoll(digits_only, NULL, 10));
    if (n == sizeof digits_only - 1 || (!real && errno))
        jinja_fail(l->run, "the number %.20s… is too large", digits_only);
    add(l, TOKEN_CONSTANT, v);
    move(l, end);
}

static uint32_t
hex_digits(struct lexer *l, size_t at, size_t n, size_t end)
{
    uint32_t c = 0;

    for (size_t i = 0; i < n; i++) {
        const char *hex = "0123456789abcdef";
        const char *p = at + i < end && l->text[at + i] ? strchr(hex, l->text[at + i] | 32) : NULL;

        if (!p) {
            jinja_fail(l->run, "truncated escape in a string");
            return 0;
        }
        c = c << 4 | (uint32_t)(p - hex);
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        jinja_fail(l->run, "the escape of U+%04X is not supported", c);
        return 0;
    }
    return c;
}

/* The escape whose backslash stands before `at`; where it ends. */
static size_t
unescape(struct lexer *l, size_t at, size_t end, struct str *out)
{
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    char c = l->text[at];
    const char *plain = c ? strchr(from, c) : NULL;
    size_t wide = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;

    if (plain) {
        str_addc(out, to[plain - from]);
    } else if (c >= '0' && c <= '7') {
        uint32_t octal = 0;
        size_t i = at;

        while (i < end && i < at + 3 && l->text[i] >= '0' && l->text[i] <= '7')
            octal = octal * 8 + (uint32_t)(l->text[i++] - '0');
        str_add_utf8(out, octal);
        return i;
    } else if (wide) {
        str_add_utf8(out, hex_digits(l, at + 1, wide, end));
        return at + 1 + wide < end ? at + 1 + wide : end;
    } else if (c == 'N') {
        jinja_fail(l->run, "\\N escapes are not supported");
    } else if (c != '\n') {
        str_addc(out, '\\');
        str_addc(out, c);
    }
    return at + 1;
}

static void
lex_string(struct lexer *l)
{
    char quote = l->text[l->at];
    size_t end = l->at + 1;
    struct str s = {0};

    while (end < l->n && l->text[end] != quote)
        end += l->text[end] == '\\' ? 2 : 1;
    if (end >= l->n) {
        jinja_fail(l->run, "a string has no end");
        return;
    }
    for (size_t at = l->at + 1; at < end;) {
        if (l->text[at] == '\\')
            at = unescape(l, at + 1, end, &s);
        else
            str_addc(&s, l->text[at++]);
    }
    add(l, TOKEN_CONSTANT, value_take(l->run, &s));
    move(l, end + 1);
}

/* Tells whether brackets pair up. */
static void
balance(struct lexer *l, char c)
{
    const char *opening = strchr("([{", c), *closing = strchr(")]}", c);

    if (opening) {
        if (l->opened == sizeof l->open)
            jinja_fail(l->run, "brackets nested deeper than %d", JINJA_NESTING);
        else
            l->open[l->opened++] = ")]}"[opening - "([{"];
    } else if (closing) {
        if (!l->opened || l->open[l->opened - 1] != c)
            jinja_fail(l->run, "unexpected '%c'", c);
        else
            l->opened--;
    }
}

static void
lex_operator(struct lexer *l)
{
    static const char *const operators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                            "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                            ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        const char *o = operators[i];

        if (looking_at(l, l->at, o)) {
            balance(l, o[1] ? ' ' : *o);
            add(l, TOKEN_OPERATOR, value_text(o, strlen(o)));
            move(l, l->at + strlen(o));
            return;
        }
    }
    if ((unsigned char)l->text[l->at] >= 0x80)
        jinja_fail(l->run, "names beyond ASCII are not supported");
    else
        jinja_fail(l->run, "unexpected character '%c'", l->text[l->at]);
}

/* What lies between the signs of a tag, and its end. */
static void
lex_tag(struct lexer *l, const char *close, bool block)
{
    l->opened = 0;
    while (jinja_step(l->run, 1)) {
        size_t space = skip_space(l, l->at), end;
        char c;

        /* The end comes before white space: "-%}" takes what follows it. */
        if (space > l->at) {
            move(l, space);
            continue;
        }
        if (l->at >= l->n) {
            jinja_fail(l->run, "unexpected end of template, expected '%s'", close);
            return;
        }
        end = l->opened ? 0 : tag_end(l, l->at, close, block);
        if (end) {
            add(l, block ? TOKEN_BLOCK_END : TOKEN_VARIABLE_END, value_text(close, 2));
            move(l, end);
            return;
        }
        c = l->text[l->at];
        if (is_digit(c)) {
            lex_number(l);
        } else if (is_name(c)) {
            size_t to = l->at;

            while (to < l->n && is_name(l->text[to]))
                to++;
            add(l, TOKEN_NAME, value_copy(l->run, l->text + l->at, to - l->at));
            move(l, to);
        } else if (c == '\'' || c == '"') {
            lex_string(l);
        } else {
            lex_operator(l);
        }
    }
}

/* ---- the whole ------------------------------------------------------------------ */

/* The next "{{", "{%" or "{#" from `at` on, or the end. */
static size_t
next_tag(const struct lexer *l, size_t at)
{
    for (; at + 1 < l->n; at++)
        if (l->text[at] == '{' && strchr("{%#", l->text[at + 1]) && l->text[at + 1])
            return at;
    return l->n;
}

static void
lex_all(struct lexer *l)
{
    while (l->at < l->n && jinja_step(l->run, 1)) {
        size_t from = l->at, tag = next_tag(l, from), raw;
        char kind = tag < l->n ? l->text[tag + 1] : 0, sign = sign_at(l, tag + 2);

        if (!kind) {
            add_data(l, from, l->n);
            return;
        }
        raw = kind == '%' ? raw_begin(l, tag) : 0;
        add_data(l, from, strip_before(l, from, tag, sign, kind != '{'));
        if (raw) {
            move(l, tag);
            lex_raw(l, raw);
            continue;
        }
        move(l, tag);
        if (kind != '#')
            add(l, kind == '{' ? TOKEN_VARIABLE_BEGIN : TOKEN_BLOCK_BEGIN, value_none());
        move(l, tag + 2 + (sign != 0));
        if (kind == '#')
            lex_comment(l, l->at);
        else
            lex_tag(l, kind == '{' ? "}}" : "%}", kind == '%');
    }
}

/* Line ends as \n; one at the end dropped. */
static struct str
normal_lines(const char *text, size_t n)
{
    struct str s = {0};

    str_reserve(&s, n);
    for (size_t i = 0; i < n; i++) {
        str_addc(&s, text[i] == '\r' ? '\n' : text[i]);
        i += text[i] == '\r' && i + 1 < n && text[i + 1] == '\n';
    }
    if (s.len && s.data[s.len - 1] == '\n')
        s.len--;
    return s;
}

struct jinja_token *
jinja_lex(struct jinja_run *run, const char *text, size_t n)
{
    struct str source = normal_lines(text, n);
    struct lexer l = {
        .run = run, .text = source.data ? source.data : "", .n = source.len, .line_starting = true};
    struct jinja_token *tokens = NULL;

    run->line = 1;
    if (utf8_valid(l.text, l.n) != l.n)
        jinja_fail(run, "the template is not UTF-8");
    else
        lex_all(&l);
    if (!run->failed) {
        add(&l, TOKEN_END, value_none());
        tokens = jinja_take(run, l.tokens.len, sizeof *tokens);
    }
    if (tokens)
        memcpy(tokens, l.tokens.data, l.tokens.len * sizeof *tokens);
    vec_release(&l.tokens);
    str_release(&source);
    return tokens;
}
