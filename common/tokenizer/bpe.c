#include "tokenizer/bpe.h"

#include <string.h>

#include "base/mem.h"
#include "text/classes.h"
#include "tokenizer/bpe_cache.h"
#include "tokenizer/bpe_joins.h"
#include "tokenizer/bpe_merge.h"
#include "tokenizer/bpe_pairs.h"
#include "tokenizer/bytelevel.h"

/*
 * Encoding a piece: it is cut where no merge can reach across (bpe_joins.h); what a
 * short chunk became is kept (bpe_cache.h), the others are merged (bpe_merge.h).
 */

enum { GROUP = 32 }; /* chunks that are looked up together */

struct bpe_scratch {
    struct bpe_cache cache;
    struct ids units;
    struct bpe_merger *merger;
    struct str text;
};

struct bpe_scratch *
bpe_scratch_new(void)
{
    struct bpe_scratch *s = mem_zalloc(sizeof *s);
    s->merger = bpe_merger_new();
    bpe_cache_init(&s->cache);
    return s;
}

void
bpe_scratch_free(struct bpe_scratch *s)
{
    if (!s)
        return;
    bpe_cache_release(&s->cache);
    vec_release(&s->units);
    str_release(&s->text);
    bpe_merger_free(s->merger);
    free(s);
}

/* ---- units ---- */

/* Units while they are collected: an unknown character waits for the next known one. */
struct collect {
    const struct bpe *b;
    struct ids *units;
    bool unk_waits;
};

/* A character that the vocabulary lacks, as its bytes, as unk, or as nothing. */
static void
add_unknown(struct collect *c, const char *s, size_t n)
{
    const struct bpe *b = c->b;
    bool bytes = b->byte_fallback;
    for (size_t i = 0; bytes && i < n; i++)
        bytes = b->byte_tokens[(unsigned char)s[i]] != NO_UNIT;
    if (bytes) {
        for (size_t i = 0; i < n; i++)
            vec_push(c->units, b->byte_tokens[(unsigned char)s[i]]);
        return;
    }
    if (b->unk == NO_UNIT)
        return;
    if (c->unk_waits && !b->fuse_unk)
        vec_push(c->units, b->unk);
    c->unk_waits = true;
}

static inline void
add_known(struct collect *c, uint32_t id)
{
    if (c->unk_waits)
        vec_push(c->units, c->b->unk);
    c->unk_waits = false;
    vec_push(c->units, id);
}

static void
collect_bytes(struct collect *c, const char *piece, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t id = c->b->byte_units[(unsigned char)piece[i]];
        if (id != NO_UNIT) {
            add_known(c, id);
            continue;
        }
        struct str s = {0};
        str_add_utf8(&s, byte_to_char((uint8_t)piece[i]));
        add_unknown(c, s.data, s.len);
        str_release(&s);
    }
}

static void
collect_chars(struct collect *c, const char *piece, size_t n)
{
    for (size_t at = 0, used; at < n; at += used) {
        uint32_t cp = text_peek(piece + at, &used);
        uint32_t id = cp < 0x10000 ? c->b->char_units[cp]
                                   : vocab_find(c->b->vocab, piece + at, used);
        if (id != NO_UNIT)
            add_known(c, id);
        else
            add_unknown(c, piece + at, used);
    }
}

/* With a prefix for all characters but the first, a suffix for the last. */
static void
collect_affixed(struct collect *c, struct str *text, const char *piece, size_t n)
{
    const struct bpe *b = c->b;
    for (size_t at = 0, used; at < n; at += used) {
        text_peek(piece + at, &used);
        str_clear(text);
        if (at > 0)
            str_add(text, b->prefix ? b->prefix : "", b->prefix_len);
        str_add(text, piece + at, used);
        if (at + used == n)
            str_add(text, b->suffix ? b->suffix : "", b->suffix_len);
        uint32_t id = vocab_find(b->vocab, text->data, text->len);
        if (id != NO_UNIT)
            add_known(c, id);
        else
            add_unknown(c, text->data, text->len);
    }
}

static void
collect_units(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n)
{
    struct collect c = {b, &s->units, false};
    vec_clear(&s->units);
    vec_reserve(&s->units, n + 1);
    if (b->prefix || b->suffix)
        collect_affixed(&c, &s->text, piece, n);
    else if (b->byte_level)
        collect_bytes(&c, piece, n);
    else
        collect_chars(&c, piece, n);
    if (c.unk_waits)
        vec_push(&s->units, b->unk);
}

/* ---- chunks ---- */

/* One chunk, by merging. */
static void
encode_merging(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n,
               struct ids *out)
{
    collect_units(b, s, piece, n);
    size_t count = s->units.len;
    const unsigned char *bytes = b->byte_level && count == n ? (const unsigned char *)piece : NULL;
    if (count > 0)
        bpe_merge(b, s->merger, bytes, s->units.data, count, out);
}

/* A piece while it is encoded. */
struct piece {
    const struct bpe *b;
    struct bpe_scratch *s;
    const char *text;
    size_t n;
    size_t whole; /* chunks that begin before can be read in place, padded */
    char tail[2 * CACHE_PAD]; /* what is behind */
    struct ids *out;
};

/* At least CACHE_PAD readable bytes from `at` on. */
static inline const char *
padded(const struct piece *p, size_t at)
{
    return at < p->whole ? p->text + at : p->tail + (at - p->whole);
}

/* A chunk that is too long for the short table. */
static void
encode_long(const struct piece *p, size_t at, size_t n)
{
    struct ids *out = p->out;
    size_t begin = out->len;
    if (n > LONG_KEY) {
        encode_merging(p->b, p->s, p->text + at, n, out);
        return;
    }
    struct long_key key = long_key(padded(p, at), n);
    struct long_slot *slot = long_slot(&p->s->cache, &key);
    size_t count = long_get(slot, &key, out->data + begin);
    out->len += count;
    if (count > 0)
        return;
    encode_merging(p->b, p->s, p->text + at, n, out);
    long_put(slot, &key, out->data + begin, out->len - begin);
}

/* The chunks between ends[0..count]: their cache lines are asked for together. */
static void
encode_group(const struct piece *p, const size_t *ends, size_t count)
{
    struct short_key keys[GROUP];
    struct short_set *sets[GROUP];
    struct ids *out = p->out;
    for (size_t i = 0; i < count; i++) {
        size_t begin = ends[i], n = ends[i + 1] - begin;
        if (n > SHORT_KEY)
            continue;
        keys[i] = short_key(padded(p, begin), n);
        sets[i] = short_set(&p->s->cache, &keys[i]);
        __builtin_prefetch(sets[i]);
    }
    for (size_t i = 0; i < count; i++) {
        size_t begin = ends[i], n = ends[i + 1] - begin, from = out->len;
        if (n > SHORT_KEY) {
            encode_long(p, begin, n);
            continue;
        }
        out->len += short_get(sets[i], &keys[i], out->data + from);
        if (__builtin_expect(out->len > from, 1))
            continue;
        encode_merging(p->b, p->s, p->text + begin, n, out);
        short_put(sets[i], &keys[i], out->data + from, out->len - from);
    }
}

/*
 * Cuts a piece where no merge can reach across, and encodes what is between. missed: the
 * caller's cache lacks the piece; then ours will, too, if it is an uncut ASCII word.
 */
static void
encode_chunks(const struct bpe *b, struct bpe_scratch *s, const char *text, size_t n, bool missed,
              struct ids *out)
{
    struct piece p = {.b = b, .s = s, .text = text, .n = n, .out = out};
    size_t ends[GROUP + 1];
    uint32_t found[GROUP];
    p.whole = n > CACHE_PAD ? n - CACHE_PAD : 0;
    memcpy(p.tail, text + p.whole, n - p.whole);
    for (ends[0] = 0; ends[0] < n;) {
        size_t base = ends[0], count = 1;
        found[0] = (uint32_t)n;
        if (b->joins.chars)
            count = bpe_cut(&b->joins, text + base, n - base, found, GROUP);
        if (missed && found[0] == n && (unsigned char)text[n - 1] < 0x80) {
            encode_merging(b, s, text, n, out);
            return;
        }
        for (size_t i = 0; i < count; i++)
            ends[i + 1] = base + found[i];
        vec_reserve(out, ends[count] - base + LONG_IDS);
        encode_group(&p, ends, count);
        ends[0] = ends[count];
    }
}

/* A token that merges would not make of its text, but which ignore_merges takes. */
static bool
encode_word(const struct bpe *b, const char *piece, size_t n, struct ids *out)
{
    if (n > b->longest_word)
        return false;
    uint32_t bit = word_bit(piece, n);
    if (!(b->word_filter[bit / 64] >> bit % 64 & 1))
        return false;
    uint32_t id = vocab_find(&b->words, piece, n);
    if (id != NO_UNIT)
        vec_push(out, id);
    return id != NO_UNIT;
}

void
bpe_encode_miss(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n,
                struct ids *out)
{
    if (n > 0 && !encode_word(b, piece, n, out))
        encode_chunks(b, s, piece, n, true, out);
}

void
bpe_encode(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n, struct ids *out)
{
    if (n > 0 && !encode_word(b, piece, n, out))
        encode_chunks(b, s, piece, n, false, out);
}
