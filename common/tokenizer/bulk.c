#include "tokenizer/bulk.h"

#include <string.h>

#include "base/utf8.h"

/*
 * One pass with a cursor. Outside the two members values are only stepped over: the
 * JSON document of what is left checks them.
 */
struct cursor {
    const char *p, *end;
    struct bulk *b;
    size_t whole;       /* bytes of the text */
    const char *copied; /* up to here the text is in `rest` */
};

static bool
is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void
skip_space(struct cursor *c)
{
    while (c->p < c->end && is_space(*c->p))
        c->p++;
}

/* Space, then this character; false when it is another one. */
static bool
take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->p == c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

/* ---- strings ---- */

static int
hex4(const char *p, const char *end)
{
    int value = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* \uXXXX at p, behind the u, and its second half; its length, 0 when it is no character. */
static size_t
unescape_unicode(const char *p, const char *end, struct str *out)
{
    int high = hex4(p, end), low;
    if (high <= 0 || (high >= 0xDC00 && high <= 0xDFFF)) /* NUL may not stand in a key */
        return 0;
    if (high < 0xD800 || high > 0xDFFF) {
        str_add_utf8(out, (uint32_t)high);
        return 4;
    }
    if (end - p < 10 || p[4] != '\\' || p[5] != 'u')
        return 0;
    low = hex4(p + 6, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return 0;
    str_add_utf8(out, 0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00));
    return 10;
}

static bool
unescape(const char *p, const char *end, struct str *out)
{
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        str_add(out, p, (size_t)((slash ? slash : end) - p));
        if (!slash)
            break;
        p = slash + 2; /* the string ended at a quote that no backslash stands before */
        const char *hit = slash[1] ? strchr(letters, slash[1]) : NULL;
        if (hit) {
            str_addc(out, values[hit - letters]);
            continue;
        }
        size_t used = slash[1] == 'u' ? unescape_unicode(p, end, out) : 0;
        if (!used)
            return false;
        p += used;
    }
    return true;
}

/* A string, as it stands in the text or, where it has escapes, in `texts`. */
static bool
take_string(struct cursor *c, const char **s, size_t *n)
{
    if (!take(c, '"'))
        return false;
    const char *begin = c->p;
    unsigned char high = 0;
    bool escapes = false;
    for (; c->p < c->end && *c->p != '"'; c->p++) {
        high |= (unsigned char)*c->p;
        if ((unsigned char)*c->p < 0x20)
            return false;
        if (*c->p == '\\') {
            escapes = true;
            c->p++;
        }
    }
    if (c->p >= c->end)
        return false;
    *s = begin;
    *n = (size_t)(c->p++ - begin);
    if ((high & 0x80) && utf8_valid(begin, *n) != *n)
        return false;
    if (!escapes)
        return true;
    struct str *texts = &c->b->texts;
    if (!texts->data)
        str_reserve(texts, c->whole); /* text only becomes shorter: it never moves */
    size_t old = texts->len;
    if (!unescape(begin, begin + *n, texts))
        return false;
    *s = texts->data + old;
    *n = texts->len - old;
    return true;
}

/* ---- values that are stepped over ---- */

static bool
skip_string(struct cursor *c)
{
    for (c->p++; c->p < c->end && *c->p != '"'; c->p++)
        c->p += *c->p == '\\';
    return c->p++ < c->end;
}

static bool
skip_value(struct cursor *c)
{
    size_t depth = 0;
    skip_space(c);
    while (c->p < c->end) {
        char x = *c->p;
        if (x == '"') {
            if (!skip_string(c))
                return false;
            continue;
        }
        if (x == '{' || x == '[')
            depth++;
        if (x == '}' || x == ']' || x == ',') {
            if (depth == 0)
                return true;
            depth -= x != ',';
        }
        c->p++;
    }
    return false;
}

/* ---- the members ---- */

/* An id without sign, fraction or leading zero. */
static bool
take_id(struct cursor *c, uint32_t *id)
{
    skip_space(c);
    const char *begin = c->p;
    for (*id = 0; c->p < c->end && *c->p >= '0' && *c->p <= '9' && c->p - begin < 9; c->p++)
        *id = *id * 10 + (uint32_t)(*c->p - '0');
    size_t n = (size_t)(c->p - begin);
    return n > 0 && (n == 1 || *begin != '0') && *id < VOCAB_MAX && c->p < c->end &&
           (is_space(*c->p) || *c->p == ',' || *c->p == '}');
}

static bool
take_vocab(struct cursor *c)
{
    struct bulk *b = c->b;
    uint32_t id, first, second;
    const char *s = NULL;
    size_t n = 0;
    b->has_vocab = true;
    if (!take(c, '{'))
        return false;
    if (!take(c, '}'))
        do {
            if (!take_string(c, &s, &n) || !take(c, ':') || !take_id(c, &id) || n == 0 ||
                !vocab_add(&b->vocab, id, s, n))
                return false;
        } while (take(c, ','));
    else
        c->p--;
    return take(c, '}') && vocab_index(&b->vocab, &first, &second);
}

/* ["a", "b"] or "a b". */
static bool
take_merge(struct cursor *c)
{
    const char *a = NULL, *z = NULL;
    size_t a_n = 0, z_n = 0;
    if (take(c, '[')) {
        if (!take_string(c, &a, &a_n) || !take(c, ',') || !take_string(c, &z, &z_n) ||
            !take(c, ']'))
            return false;
    } else {
        if (!take_string(c, &a, &a_n))
            return false;
        const char *space = memchr(a, ' ', a_n);
        z = space ? space + 1 : NULL;
        z_n = space ? a_n - (size_t)(z - a) : 0;
        if (!space || memchr(z, ' ', z_n) || (a_n >= 8 && !memcmp(a, "#version", 8)))
            return false;
        a_n = (size_t)(space - a);
    }
    vec_push(&c->b->merges, ((struct bulk_merge){a, z, (uint32_t)a_n, (uint32_t)z_n}));
    return true;
}

static bool
take_merges(struct cursor *c)
{
    c->b->has_merges = true;
    if (!take(c, '['))
        return false;
    skip_space(c);
    if (c->p < c->end && *c->p == ']')
        return take(c, ']');
    const char kind = c->p < c->end ? *c->p : '\0';
    do {
        skip_space(c);
        if (c->p == c->end || *c->p != kind || !take_merge(c))
            return false;
    } while (take(c, ','));
    return take(c, ']');
}

/* Reads one of the two, of which only an empty one is left in `rest`. */
static bool
take_member(struct cursor *c, bool (*read)(struct cursor *), const char *empty)
{
    skip_space(c);
    const char *begin = c->p;
    if (!read(c))
        return false;
    str_add(&c->b->rest, c->copied, (size_t)(begin - c->copied));
    str_adds(&c->b->rest, empty);
    c->copied = c->p;
    return true;
}

static bool
key_is(const char *s, size_t n, const char *key)
{
    return n == strlen(key) && !memcmp(s, key, n);
}

static bool
take_model(struct cursor *c)
{
    const char *s = NULL;
    size_t n = 0;
    if (!take(c, '{'))
        return false;
    do {
        bool good;
        if (!take_string(c, &s, &n) || !take(c, ':'))
            return false;
        skip_space(c);
        char first = c->p < c->end ? *c->p : '\0';
        if (key_is(s, n, "vocab") && first == '{')
            good = !c->b->has_vocab && take_member(c, take_vocab, "{}");
        else if (key_is(s, n, "merges") && first == '[')
            good = !c->b->has_merges && take_member(c, take_merges, "[]");
        else
            good = skip_value(c);
        if (!good)
            return false;
    } while (take(c, ','));
    return take(c, '}');
}

static bool
take_root(struct cursor *c)
{
    const char *s = NULL;
    size_t n = 0;
    bool model = false;
    if (!take(c, '{'))
        return false;
    do {
        bool is_model;
        if (!take_string(c, &s, &n) || !take(c, ':'))
            return false;
        is_model = key_is(s, n, "model");
        if ((is_model && model) || !(is_model ? take_model(c) : skip_value(c)))
            return false;
        model |= is_model;
    } while (take(c, ','));
    str_add(&c->b->rest, c->copied, (size_t)(c->end - c->copied));
    return c->b->has_vocab || c->b->has_merges;
}

bool
bulk_read(struct bulk *b, const char *text, size_t n)
{
    struct cursor c = {text, text + n, b, n, text};
    *b = (struct bulk){0};
    if (take_root(&c))
        return true;
    bulk_release(b);
    return false;
}

void
bulk_release(struct bulk *b)
{
    str_release(&b->rest);
    vocab_release(&b->vocab);
    vec_release(&b->merges);
    str_release(&b->texts);
}
