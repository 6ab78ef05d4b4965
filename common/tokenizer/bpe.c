#include "tokenizer/bpe.h"

#include <string.h>

#include "base/mem.h"
#include "text/classes.h"
#include "tokenizer/bpe_cache.h"
#include "tokenizer/bpe_joins.h"
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
    CHUNKS = 256    /* that are found at a time */
};

struct unit {
    uint32_t id;
    int32_t before, after; /* neighbours, -1 none */
};

struct bpe_scratch {
    struct bpe_cache cache;
    struct ids units;
    VEC(struct unit) chain;
    VEC(uint64_t) heap; /* rank << 32 | place */
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

/* One chunk, by merging. */
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

/* ---- chunks ---- */

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
