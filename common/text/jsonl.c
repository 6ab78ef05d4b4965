#include "text/jsonl.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

/* A scanner for one field of one line of JSON. */

enum { NESTING_MAX = 512 };

struct scan {
    const char *p, *end;
    const char *start;
    const struct jsonl_field *field;
    const char *text, *text_end; /* the field's string, between its quotes */
    bool found;                  /* the field is there, whatever it is */
    const char *fault, *fault_at;
};

int
jsonl_field_init(struct jsonl_field *f, const char *dotted)
{
    char *name = mem_strdup(dotted), *dot;

    *f = (struct jsonl_field){.names = name};
    for (;; name = dot + 1) {
        dot = strchr(name, '.');
        if (dot)
            *dot = '\0';
        if (!*name || f->depth == sizeof f->key / sizeof *f->key) {
            jsonl_field_release(f);
            return err_set(STATUS_USAGE, "'%s' is not a field's name", dotted);
        }
        f->key[f->depth].name = name;
        f->key[f->depth++].len = strlen(name);
        if (!dot)
            return 0;
    }
}

void
jsonl_field_release(struct jsonl_field *f)
{
    free(f->names);
    *f = (struct jsonl_field){0};
}

static bool
bad(struct scan *s, const char *fault)
{
    if (!s->fault) {
        s->fault = fault;
        s->fault_at = s->p;
    }
    return false;
}

static void
skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n'))
        s->p++;
}

/* Is there a byte below 0x20? Eight at a time. */
static bool
has_control(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t seen = 0;

    for (; end - p >= 8; p += 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        seen |= (x - 0x20 * ones) & ~x;
    }
    for (; p < end; p++)
        if ((unsigned char)*p < 0x20)
            return true;
    return seen & 0x80 * ones;
}

static int
hex4(const char *p, const char *end)
{
    int v = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)p[i], low = c | 0x20;
        if (c >= '0' && c <= '9')
            v = v * 16 + c - '0';
        else if (low >= 'a' && low <= 'f')
            v = v * 16 + low - 'a' + 10;
        else
            return -1;
    }
    return v;
}

/* What the escape \c stands for; NUL when there is no such escape. */
static char
unescape_letter(char c)
{
    switch (c) {
    case '"': case '\\': case '/':
        return c;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return '\0';
    }
}

static bool
check_escapes(struct scan *s, const char *p, const char *end)
{
    while ((p = memchr(p, '\\', (size_t)(end - p)))) {
        if (p[1] == 'u' ? hex4(p + 2, end) < 0 : !unescape_letter(p[1])) {
            s->p = p;
            return bad(s, "bad escape");
        }
        p += p[1] == 'u' ? 6 : 2;
    }
    return true;
}

/*
 * s->p is at an opening quote; leaves the string's bounds and stands behind it. Its
 * escapes are not looked at yet.
 */
static bool
scan_bounds(struct scan *s, const char **from, const char **to)
{
    const char *begin = s->p + 1, *q = begin;

    for (;; q++) {
        q = memchr(q, '"', (size_t)(s->end - q));
        if (!q)
            return bad(s, "string without end");
        const char *b = q;
        while (b > begin && b[-1] == '\\')
            b--;
        if ((q - b) % 2 == 0)
            break;
    }
    if (has_control(begin, q))
        return bad(s, "control character in a string");
    *from = begin;
    *to = q;
    s->p = q + 1;
    return true;
}

static bool
scan_string(struct scan *s, const char **from, const char **to)
{
    return scan_bounds(s, from, to) && check_escapes(s, *from, *to);
}

static void
skip_digits(struct scan *s)
{
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
}

static bool
scan_digits(struct scan *s)
{
    const char *from = s->p;

    skip_digits(s);
    return s->p > from || bad(s, "bad number");
}

static bool
scan_number(struct scan *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else if (!scan_digits(s))
        return false;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!scan_digits(s))
            return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        return scan_digits(s);
    }
    return true;
}

static bool
scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n))
        return bad(s, "not a value");
    s->p += n;
    return true;
}

static bool
scan_scalar(struct scan *s)
{
    const char *from, *to;

    switch (*s->p) {
    case '"':
        return scan_string(s, &from, &to);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        return (*s->p == '-' || (*s->p >= '0' && *s->p <= '9')) ? scan_number(s)
                                                                  : bad(s, "not a value");
    }
}

static bool
at(struct scan *s, char c)
{
    skip_space(s);
    return s->p < s->end && *s->p == c;
}

static bool
expect(struct scan *s, char c, const char *fault)
{
    if (!at(s, c))
        return bad(s, fault);
    s->p++;
    return true;
}

/* "key": of an object that is skipped. */
static bool
skip_key(struct scan *s)
{
    const char *from, *to;

    if (!at(s, '"'))
        return bad(s, "a key is missing");
    return scan_string(s, &from, &to) && expect(s, ':', "':' is missing");
}

/* Skips one value; brackets on a stack of bits, so that depth costs no recursion. */
static bool
skip_value(struct scan *s)
{
    uint64_t objects[NESTING_MAX / 64];
    unsigned depth = 0;

    for (;;) {
        skip_space(s);
        if (s->p == s->end)
            return bad(s, "a value is missing");
        if (*s->p == '{' || *s->p == '[') {
            bool object = *s->p++ == '{';
            if (depth == NESTING_MAX)
                return bad(s, "nested too deeply");
            objects[depth / 64] &= ~(UINT64_C(1) << depth % 64);
            objects[depth / 64] |= (uint64_t)object << depth % 64;
            depth++;
            if (!at(s, object ? '}' : ']')) {
                if (object && !skip_key(s))
                    return false;
                continue;
            }
            depth--;
            s->p++;
        } else if (!scan_scalar(s)) {
            return false;
        }
        for (; depth; depth--, s->p++) {
            bool object = objects[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
            if (at(s, ','))
                break;
            if (!at(s, object ? '}' : ']'))
                return bad(s, "',' or a bracket is missing");
        }
        if (!depth)
            return true;
        s->p++;
        if ((objects[(depth - 1) / 64] >> (depth - 1) % 64 & 1) && !skip_key(s))
            return false;
    }
}

/*
 * \uXXXX at p, behind the u; a pair of surrogates is one character, half of one is
 * U+FFFD and counted. Returns where the text goes on, NULL when it is malformed.
 */
static const char *
unescape_unicode(const char *p, const char *end, char **w, size_t *lone)
{
    int c = hex4(p, end), low = 0;

    if (c < 0)
        return NULL;
    p += 4;
    if (c >= 0xD800 && c < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u')
        low = hex4(p + 2, end);
    if (low >= 0xDC00 && low < 0xE000) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
    } else if (c >= 0xD800 && c < 0xE000) {
        c = 0xFFFD;
        ++*lone;
    }
    *w += utf8_encode((uint32_t)c, *w);
    return p;
}

/*
 * Appends a string without its escapes; what comes out is never longer. Returns NULL,
 * or where the first bad escape is, and then nothing was appended.
 */
static const char *
unescape(const char *p, const char *end, struct str *out, size_t *lone)
{
    str_reserve(out, (size_t)(end - p));
    char *w = out->data + out->len;
    while (p < end) {
        const char *b = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((b ? b : end) - p);
        memcpy(w, p, plain);
        w += plain;
        if (!b)
            break;
        if (b[1] == 'u') {
            p = unescape_unicode(b + 2, end, &w, lone);
        } else {
            *w = unescape_letter(b[1]);
            p = *w++ ? b + 2 : NULL;
        }
        if (!p) {
            out->data[out->len] = '\0';
            return b;
        }
    }
    out->len = (size_t)(w - out->data);
    out->data[out->len] = '\0';
    return NULL;
}

static bool
is_key(const char *from, const char *to, const char *name, size_t len)
{
    if (!memchr(from, '\\', (size_t)(to - from)))
        return (size_t)(to - from) == len && !memcmp(from, name, len);
    struct str key = {0};
    size_t lone = 0;
    unescape(from, to, &key, &lone);
    bool same = key.len == len && !memcmp(key.data, name, len);
    str_release(&key);
    return same;
}

/* s->p is behind the '{' of the object that holds the field's name of level `depth`. */
static bool
scan_object(struct scan *s, size_t depth)
{
    const char *from, *to;
    bool seen = false;

    if (at(s, '}')) {
        s->p++;
        return true;
    }
    for (;;) {
        if (!at(s, '"'))
            return bad(s, "a key is missing");
        if (!scan_string(s, &from, &to) || !expect(s, ':', "':' is missing"))
            return false;
        skip_space(s);
        if (!is_key(from, to, s->field->key[depth].name, s->field->key[depth].len)) {
            if (!skip_value(s))
                return false;
        } else {
            if (seen)
                return bad(s, "the field comes twice");
            seen = true;
            bool last = depth + 1 == s->field->depth;
            s->found |= last;
            if (last && at(s, '"')) {
                if (!scan_bounds(s, &s->text, &s->text_end))
                    return false;
            } else if (!last && at(s, '{')) {
                s->p++;
                if (!scan_object(s, depth + 1))
                    return false;
            } else if (!skip_value(s)) {
                return false;
            }
        }
        if (at(s, '}')) {
            s->p++;
            return true;
        }
        if (!expect(s, ',', "',' or '}' is missing"))
            return false;
    }
}

enum jsonl_status
jsonl_text(const struct jsonl_field *f, const char *line, size_t n, struct str *out,
           struct jsonl_result *r)
{
    struct scan s = {.p = line, .end = line + n, .start = line, .field = f};

    *r = (struct jsonl_result){0};
    skip_space(&s);
    if (s.p == s.end)
        return JSONL_BLANK;
    if (expect(&s, '{', "not an object") && scan_object(&s, 0)) {
        skip_space(&s);
        if (s.p < s.end)
            bad(&s, "more behind the object");
    }
    if (!s.fault && s.text && (s.p = unescape(s.text, s.text_end, out, &r->surrogates)))
        bad(&s, "bad escape");
    if (s.fault) {
        r->fault = s.fault;
        r->at = (size_t)(s.fault_at - line);
        return JSONL_MALFORMED;
    }
    if (!s.text)
        return s.found ? JSONL_NOT_TEXT : JSONL_NO_FIELD;
    return JSONL_TEXT;
}
