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

enum { CHUNKS = 256 }; /* that are found at a time */

struct bpe_scratch {
    struct bpe_cache cache;
    struct ids units;
    struct bpe_merger *merger;
    struct str text;
};

static void *
zeroed(size_t bytes)
{
    return memset(mem_aligned(bytes), 0, bytes);
}

struct bpe_scratch *
bpe_scratch_new(void)
{
    struct bpe_scratch *s = mem_zalloc(sizeof *s);
    s->merger = bpe_merger_new();
    s->cache.sets = zeroed(SHORT_SETS * sizeof *s->cache.sets);
    s->cache.slots = zeroed(LONG_SLOTS * sizeof *s->cache.slots);
    return s;
}

void
bpe_scratch_free(struct bpe_scratch *s)
{
    if (!s)
        return;
    free(s->cache.sets);
    free(s->cache.slots);
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

/* A chunk of n bytes at text; at `padded` the same, with CACHE_PAD readable bytes. */
static void
encode_chunk(const struct bpe *b, struct bpe_scratch *s, const char *text, const char *padded,
             size_t n, struct ids *out)
{
    size_t begin = out->len;
    uint32_t *ids = out->data + begin;
    if (n <= SHORT_KEY) {
        struct short_key key = short_key(padded, n, 0);
        struct short_set *set = short_set(&s->cache, &key);
        size_t count = short_get(set, &key, ids);
        out->len += count;
        if (count > 0)
            return;
        encode_merging(b, s, text, n, out);
        short_put(set, &key, out->data + begin, out->len - begin);
    } else if (n <= LONG_KEY) {
        struct long_key key = long_key(padded, n, 0);
        struct long_slot *slot = long_slot(&s->cache, &key);
        size_t count = long_get(slot, &key, ids);
        out->len += count;
        if (count > 0)
            return;
        encode_merging(b, s, text, n, out);
        long_put(slot, &key, out->data + begin, out->len - begin);
    } else {
        encode_merging(b, s, text, n, out);
    }
}

/* Cuts a piece where no merge can reach across, and encodes what is between. */
static void
encode_chunks(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n,
              struct ids *out)
{
    uint32_t ends[CHUNKS];
    char tail[2 * CACHE_PAD] = {0};
    size_t whole = n > CACHE_PAD ? n - CACHE_PAD : 0; /* chunks up to here are read in place */
    memcpy(tail, piece + whole, n - whole);
    for (size_t begin = 0; begin < n;) {
        size_t base = begin, count = bpe_cut(&b->joins, piece + base, n - base, ends, CHUNKS);
        vec_reserve(out, n - base + LONG_IDS);
        for (size_t i = 0; i < count; i++) {
            size_t end = base + ends[i];
            const char *text = piece + begin;
            const char *padded = begin < whole ? text : tail + (begin - whole);
            encode_chunk(b, s, text, padded, end - begin, out);
            begin = end;
        }
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
    if (n == 0 || encode_word(b, piece, n, out))
        return;
    if (b->joins.chars)
        encode_chunks(b, s, piece, n, out);
    else
        encode_merging(b, s, piece, n, out);
}

void
bpe_encode(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n, struct ids *out)
{
    bpe_encode_miss(b, s, piece, n, out);
}
