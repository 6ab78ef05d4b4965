#include "tokenizer/sp_normalizer.h"

#include <string.h>

#include "base/mem.h"
#include "base/vec.h"

/*
 * What a byte asks for. Most texts are runs of PLAIN bytes, copied at once; the
 * charsmaps in use have keys of a letter and a combining mark behind it, so that an
 * ASCII letter is plain where ASCII follows (PAIR).
 */
enum first {
    PLAIN = 0,
    SPACE = 1,   /* ' ' */
    PAIR = 2,    /* to be looked up when a byte >= 0x80 follows */
    LOOK_UP = 4, /* a key or a symbol may stand here */
    SYMBOL = SP_FIRST_SYMBOL
};

/* ---- building ---- */

/* A key that begins with b and an ASCII byte, or is b alone? */
static bool
ascii_key(const struct charsmap *c, char b)
{
    const char *to;
    size_t to_n;
    if (charsmap_longest(c, &b, 1, &to, &to_n))
        return true;
    for (int next = 0; next < 0x80; next++)
        if (charsmap_begins(c, (char[2]){b, (char)next}, 2))
            return true;
    return false;
}

static void
classify(struct sp_normalizer *z)
{
    for (unsigned i = 0; i < 256; i++) {
        char b = (char)i;
        z->first[i] = i == ' ' ? SPACE : PLAIN;
        if (i >= 0x80 && i < 0xC0)
            continue; /* inside a character */
        if (z->has_map && charsmap_begins(&z->map, &b, 1))
            z->first[i] |= i >= 0x80 || ascii_key(&z->map, b) ? LOOK_UP : PAIR;
        uint64_t node = z->has_symbols ? z->symbols.nodes[0] : 0;
        if (z->has_symbols && trie_step(z->symbols.nodes, &node, (unsigned char)i))
            z->first[i] |= LOOK_UP | SYMBOL;
    }
}

static int
open_map(struct sp_normalizer *z, const char *name, const char *blob, size_t n)
{
    if (!blob)
        return 0;
    if (charsmap_open(&z->map, name, blob, n) < 0)
        return -1;
    z->has_map = true;
    return 0;
}

static void
build_symbols(struct sp_normalizer *z, const struct sp_model *m)
{
    VEC(struct trie_key) keys = {0};
    for (uint32_t i = 0; i < m->pieces.len; i++) {
        const struct sp_piece *p = &m->pieces.data[i];
        if (p->type == SP_USER_DEFINED)
            vec_push(&keys, ((struct trie_key){p->text, p->length, i}));
    }
    z->has_symbols = keys.len > 0;
    if (z->has_symbols)
        trie_build(&z->symbols, keys.data, keys.len);
    vec_release(&keys);
}

int
sp_normalizer_build(struct sp_normalizer *z, const char *name, const struct sp_model *m)
{
    *z = (struct sp_normalizer){.add_dummy_prefix = m->add_dummy_prefix,
                                .remove_extra_whitespaces = m->remove_extra_whitespaces,
                                .escape_whitespaces = m->escape_whitespaces,
                                .suffix = m->treat_whitespace_as_suffix};
    if (open_map(z, name, m->charsmap, m->charsmap_size) < 0)
        return -1;
    build_symbols(z, m);
    classify(z);
    return 0;
}

int
sp_denormalizer_build(struct sp_normalizer *z, const char *name, const struct sp_model *m)
{
    *z = (struct sp_normalizer){.add_dummy_prefix = m->denormalizer_dummy_prefix,
                                .remove_extra_whitespaces = m->denormalizer_remove_extra,
                                .escape_whitespaces = m->denormalizer_escape};
    if (open_map(z, name, m->denormalizer_charsmap, m->denormalizer_size) < 0)
        return -1;
    classify(z);
    return 0;
}

void
sp_normalizer_release(struct sp_normalizer *z)
{
    if (z->has_map)
        charsmap_release(&z->map);
    if (z->has_symbols)
        trie_release(&z->symbols);
}

/* ---- running ---- */

size_t
sp_symbol(const struct sp_normalizer *z, const char *text, size_t n)
{
    uint64_t node;
    size_t longest = 0;
    if (n == 0 || !sp_symbol_begins(z, (unsigned char)text[0]))
        return 0;
    node = z->symbols.nodes[0];
    for (size_t i = 0; i < n && trie_step(z->symbols.nodes, &node, (uint8_t)text[i]); i++)
        if (trie_is_key(node))
            longest = i + 1;
    return longest;
}

/* What stands at the beginning of text, n > 0: its length; *to becomes what replaces it. */
static size_t
look_up(const struct sp_normalizer *z, const char *text, size_t n, const char **to, size_t *to_n)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    unsigned char c = (unsigned char)text[0];
    size_t used = sp_symbol(z, text, n);
    *to = text;
    if (used == 0 && z->has_map && (used = charsmap_longest(&z->map, text, n, to, to_n)) > 0)
        return used;
    if (used == 0 && (c & 0xC0) == 0x80) { /* a key has taken half a character */
        *to = replacement;
        *to_n = sizeof replacement - 1;
        return 1;
    }
    if (used == 0)
        used = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    *to_n = used < n ? used : n;
    return *to_n;
}

static void
add_space(const struct sp_normalizer *z, struct str *out)
{
    if (z->escape_whitespaces)
        str_add(out, SP_MARK, SP_MARK_LEN);
    else
        str_addc(out, ' ');
}

/* Appends a replacement; *space: does a space, that takes others along, stand before? */
static void
add_replaced(const struct sp_normalizer *z, const char *s, size_t n, bool *space, struct str *out)
{
    while (*space && n > 0 && *s == ' ') {
        s++;
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ' ')
            add_space(z, out);
        else
            str_addc(out, s[i]);
    }
    if (n > 0)
        *space = s[n - 1] == ' ';
}

static size_t
skip_spaces(const struct sp_normalizer *z, const char *text, size_t n)
{
    size_t at = 0, used, to_n;
    const char *to;
    while (at < n) {
        used = look_up(z, text + at, n - at, &to, &to_n);
        if (to_n != 1 || *to != ' ')
            break;
        at += used;
    }
    return at;
}

/*
 * Copies what needs no look-up, up to `end`; returns where it stopped. `to` has room for three
 * bytes each, *used of which are taken.
 */
static size_t
copy_plain(const struct sp_normalizer *z, const char *text, size_t at, size_t end, size_t n,
           bool *space, char *to, size_t *used)
{
    char *p = to;
    bool remove = z->remove_extra_whitespaces, before = *space;
    size_t mark = z->escape_whitespaces ? SP_MARK_LEN : 1;
    const char *sign = z->escape_whitespaces ? SP_MARK : "   ";
    for (; at < end; at++) {
        uint8_t first = z->first[(unsigned char)text[at]];
        if (first != PLAIN) {
            if (first & LOOK_UP ||
                (first & PAIR && at + 1 < n && (unsigned char)text[at + 1] >= 0x80))
                break;
            if (first & SPACE) {
                if (before)
                    continue;
                memcpy(p, sign, SP_MARK_LEN);
                p += mark;
                before = remove;
                continue;
            }
        }
        *p++ = text[at];
        before = false;
    }
    *space = before;
    *used = (size_t)(p - to);
    return at;
}

static void
trim_end(const struct sp_normalizer *z, size_t begin, struct str *out)
{
    size_t mark = z->escape_whitespaces ? SP_MARK_LEN : 1;
    const char *sign = z->escape_whitespaces ? SP_MARK : " ";
    while (out->len - begin >= mark && !memcmp(out->data + out->len - mark, sign, mark))
        out->len -= mark;
    if (out->data)
        out->data[out->len] = '\0';
}

void
sp_normalize(const struct sp_normalizer *z, const char *text, size_t n, struct str *out)
{
    enum { STRIDE = 4096 };
    size_t begin = out->len, used, to_n;
    size_t at = z->remove_extra_whitespaces ? skip_spaces(z, text, n) : 0;
    const char *to;
    bool space = z->remove_extra_whitespaces;
    if (at == n)
        return;
    str_reserve(out, n - at + (n - at) / 2);
    if (z->add_dummy_prefix && !z->suffix)
        add_space(z, out);
    while (at < n) {
        size_t end = n - at > STRIDE ? at + STRIDE : n;
        str_reserve(out, SP_MARK_LEN * (end - at) + SP_MARK_LEN);
        at = copy_plain(z, text, at, end, n, &space, out->data + out->len, &used);
        out->len += used;
        if (at == end)
            continue;
        do { /* what half a key leaves of a character is no plain text */
            at += look_up(z, text + at, n - at, &to, &to_n);
            add_replaced(z, to, to_n, &space, out);
            space = space && z->remove_extra_whitespaces;
        } while (at < n && ((unsigned char)text[at] & 0xC0) == 0x80);
    }
    if (z->remove_extra_whitespaces)
        trim_end(z, begin, out);
    if (z->add_dummy_prefix && z->suffix)
        add_space(z, out);
}
