#include "tokenizer/bpe.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "text/classes.h"
#include "tokenizer/bpe_pairs.h"
#include "tokenizer/bytelevel.h"

/*
 * Encoding by Byte Pair Encoding (Sennrich et al., ACL 2016). Short pieces: an array
 * of ranks and a scan for the least, which beats any queue up to some dozens of
 * units. Long ones (a Japanese sentence, a whole text of a SentencePiece-style
 * vocabulary): a binary heap of rank and place, O(n log n). Short pieces are kept in
 * a direct-mapped cache of the thread.
 */

enum {
    SCAN_MOST = 96, /* units; more go through the heap */
    CACHE_SLOTS = 1 << 16,
    CACHE_KEY = 30, /* bytes of a piece that is kept */
    CACHE_IDS = 8
};

struct cache_slot {
    uint8_t length, count; /* length 0: empty */
    char key[CACHE_KEY];
    uint32_t ids[CACHE_IDS];
};

struct unit {
    uint32_t id;
    int32_t before, after; /* neighbours, -1 none */
};

struct bpe_scratch {
    struct cache_slot *cache;
    struct ids units;
    VEC(struct unit) chain;
    VEC(uint64_t) heap; /* rank << 32 | place */
    struct str text;
};

struct bpe_scratch *
bpe_scratch_new(void)
{
    struct bpe_scratch *s = mem_zalloc(sizeof *s);
    s->cache = mem_zarray(CACHE_SLOTS, sizeof *s->cache);
    return s;
}

void
bpe_scratch_free(struct bpe_scratch *s)
{
    if (!s)
        return;
    free(s->cache);
    vec_release(&s->units);
    vec_release(&s->chain);
    vec_release(&s->heap);
    str_release(&s->text);
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

/* ---- merging ---- */

/* Four ranks at a time, in any compiler's vector registers. */
typedef int32_t ranks4 __attribute__((vector_size(16)));
enum { LANES = 4 };

/* The place of the least rank, the leftmost of equals; ranks are padded with NO_RANK. */
static inline size_t
least(const int32_t *ranks, size_t n, int32_t *rank)
{
    ranks4 low;
    memcpy(&low, ranks, sizeof low);
    for (size_t i = LANES; i < n; i += LANES) {
        ranks4 next;
        memcpy(&next, ranks + i, sizeof next);
        ranks4 less = next < low;
        low = (next & less) | (low & ~less);
    }
    int32_t best = low[0];
    for (int i = 1; i < LANES; i++)
        best = low[i] < best ? low[i] : best;
    size_t place = 0;
    while (ranks[place] != best)
        place++;
    *rank = best;
    return place;
}

/* The rank of units i and i + 1; `bytes` are the units' bytes, or NULL when they are none. */
static inline uint32_t
first_rank(const struct bpe *b, const unsigned char *bytes, const uint32_t *ids, size_t i)
{
    if (bytes)
        return b->byte_pairs[bytes[i] << 8 | bytes[i + 1]];
    return pair_rank(b, ids[i], ids[i + 1]);
}

/* Merges ids[0..n), n <= SCAN_MOST, in place; returns how many are left. */
static size_t
merge_by_scan(const struct bpe *b, const unsigned char *bytes, uint32_t *ids, size_t n)
{
    int32_t ranks[SCAN_MOST + LANES], rank;
    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = (int32_t)first_rank(b, bytes, ids, i);
    for (size_t i = 0; i < LANES; i++)
        ranks[n - 1 + i] = NO_RANK;
    while (n > 1) {
        size_t i = least(ranks, n - 1, &rank);
        if (rank == NO_RANK)
            break;
        ids[i] = b->results[rank];
        n--;
        memmove(ids + i + 1, ids + i + 2, (n - i - 1) * sizeof *ids);
        /* the padding moves along and keeps its length */
        memmove(ranks + i, ranks + i + 1, (n - i - 1 + LANES) * sizeof *ranks);
        if (i > 0)
            ranks[i - 1] = (int32_t)pair_rank(b, ids[i - 1], ids[i]);
        if (i + 1 < n)
            ranks[i] = (int32_t)pair_rank(b, ids[i], ids[i + 1]);
    }
    return n;
}

static void
heap_sift(uint64_t *heap, size_t n, size_t i)
{
    uint64_t item = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (item <= heap[child])
            break;
        heap[i] = heap[child];
    }
    heap[i] = item;
}

static void
heap_push(struct bpe_scratch *s, uint32_t rank, int32_t place)
{
    uint64_t item = (uint64_t)rank << 32 | (uint32_t)place;
    vec_push(&s->heap, item);
    size_t i = s->heap.len - 1;
    while (i > 0 && s->heap.data[(i - 1) / 2] > item) {
        s->heap.data[i] = s->heap.data[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap.data[i] = item;
}

static uint64_t
heap_pop(struct bpe_scratch *s)
{
    uint64_t top = s->heap.data[0];
    s->heap.data[0] = s->heap.data[--s->heap.len];
    if (s->heap.len > 0)
        heap_sift(s->heap.data, s->heap.len, 0);
    return top;
}

/* Merges at `place` the unit behind it; queues the pairs this makes. */
static void
merge_at(const struct bpe *b, struct bpe_scratch *s, int32_t place, uint32_t result)
{
    struct unit *units = s->chain.data;
    int32_t gone = units[place].after, after = units[gone].after, before = units[place].before;
    units[place].id = result;
    units[place].after = after;
    units[gone].id = NO_UNIT;
    if (after >= 0) {
        units[after].before = place;
        uint32_t rank = pair_rank(b, result, units[after].id);
        if (rank != NO_RANK)
            heap_push(s, rank, place);
    }
    if (before >= 0) {
        uint32_t rank = pair_rank(b, units[before].id, result);
        if (rank != NO_RANK)
            heap_push(s, rank, before);
    }
}

static void
merge_by_heap(const struct bpe *b, struct bpe_scratch *s, const unsigned char *bytes,
              const uint32_t *ids, size_t n, struct ids *out)
{
    vec_clear(&s->chain);
    vec_clear(&s->heap);
    vec_reserve(&s->chain, n);
    for (size_t i = 0; i < n; i++) {
        int32_t place = (int32_t)i;
        vec_push(&s->chain, ((struct unit){ids[i], place - 1, i + 1 < n ? place + 1 : -1}));
        uint32_t rank = i + 1 < n ? first_rank(b, bytes, ids, i) : NO_RANK;
        if (rank != NO_RANK)
            vec_push(&s->heap, (uint64_t)rank << 32 | i);
    }
    for (size_t i = s->heap.len / 2; i-- > 0;)
        heap_sift(s->heap.data, s->heap.len, i);
    while (s->heap.len > 0) {
        uint64_t top = heap_pop(s);
        int32_t place = (int32_t)(uint32_t)top;
        uint32_t rank = (uint32_t)(top >> 32);
        const struct unit *u = &s->chain.data[place];
        /* outdated when either side has changed since */
        if (u->id == NO_UNIT || u->after < 0 ||
            pair_rank(b, u->id, s->chain.data[u->after].id) != rank)
            continue;
        merge_at(b, s, place, b->results[rank]);
    }
    for (int32_t i = 0; i >= 0; i = s->chain.data[i].after)
        vec_push(out, s->chain.data[i].id);
}

static void
encode_merging(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n,
               struct ids *out)
{
    collect_units(b, s, piece, n);
    size_t count = s->units.len;
    const unsigned char *bytes = b->byte_level && count == n ? (const unsigned char *)piece : NULL;
    if (count > SCAN_MOST) {
        merge_by_heap(b, s, bytes, s->units.data, count, out);
        return;
    }
    if (count > 1)
        count = merge_by_scan(b, bytes, s->units.data, count);
    vec_reserve(out, count);
    memcpy(out->data + out->len, s->units.data, count * sizeof *out->data);
    out->len += count;
}

void
bpe_encode_miss(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n,
                struct ids *out)
{
    if (n == 0)
        return;
    if (b->ignore_merges) {
        uint32_t id = vocab_find(b->byte_level ? &b->words : b->vocab, piece, n);
        if (id != NO_UNIT) {
            vec_push(out, id);
            return;
        }
    }
    encode_merging(b, s, piece, n, out);
}

static void
encode_cached(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n,
              struct ids *out)
{
    if (n > CACHE_KEY) {
        bpe_encode_miss(b, s, piece, n, out);
        return;
    }
    struct cache_slot *slot = &s->cache[hash64(piece, n) & (CACHE_SLOTS - 1)];
    if (slot->length == n && !memcmp(slot->key, piece, n)) {
        vec_reserve(out, slot->count);
        for (unsigned i = 0; i < slot->count; i++)
            out->data[out->len++] = slot->ids[i];
        return;
    }
    size_t begin = out->len;
    bpe_encode_miss(b, s, piece, n, out);
    size_t count = out->len - begin;
    if (count > CACHE_IDS)
        return;
    slot->length = (uint8_t)n;
    slot->count = (uint8_t)count;
    memcpy(slot->key, piece, n);
    memcpy(slot->ids, out->data + begin, count * sizeof *slot->ids);
}

void
bpe_encode(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n, struct ids *out)
{
    if (n == 0)
        return;
    if (!b->cut_before_mark) {
        encode_cached(b, s, piece, n, out);
        return;
    }
    /* cut before each ▁ that stands behind something else, and around what stands alone */
    size_t begin = 0;
    bool other = false;
    for (size_t at = 0; at < n;) {
        unsigned char c = (unsigned char)piece[at];
        bool is_mark = c == 0xE2 && n - at >= MARK_LEN && !memcmp(piece + at, MARK, MARK_LEN);
        bool alone = c < 0x80 && b->alone[c] != NO_UNIT;
        if (((is_mark && other) || alone) && at > begin) {
            encode_cached(b, s, piece + begin, at - begin, out);
            begin = at;
        }
        if (alone) {
            vec_push(out, b->alone[c]);
            begin = at + 1;
        }
        other = !is_mark && !alone;
        at += is_mark ? MARK_LEN : 1;
    }
    if (begin < n)
        encode_cached(b, s, piece + begin, n - begin, out);
}
