#include "tokenizer/bpe_merge.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tokenizer/bpe_pairs.h"

/*
 * Short rows: an array of ranks and a scan for the least, which beats any queue up to
 * some dozens of units.
 *
 * Long rows are merged in windows that overlap. What makes this exact: a row of tokens
 * is the encoding of its units if and only if each two neighbours u, v are the encoding
 * of the units of u and v alone. (Merges inside uv, up to the first that crosses a
 * border, are the same ones in the same order whether uv stands alone or not, because
 * the lowest rank of all is the lowest of its part, too. So were there a first crossing
 * merge, at the border of u and v, it would happen in uv alone; and if there is none in
 * the whole, there is none in uv.) All neighbours in a window's result have this
 * property. Each window begins with a token of the window before; when it finds the same
 * token there, the results may be joined. When it does not, the end of the window before
 * came too close: that one is merged again, twice as long.
 */

enum {
    SCAN_MOST = 128, /* units; more go through the heap */
    PLACE_BITS = 7,
    WINDOW = 128,
    MARGIN = 32, /* units at the end of a window whose tokens are not taken */
    RETRIES = 32, /* windows that came too close, and as many for each so many windows */
    MEMO_LOG = 6,
    MEMO_UNITS = 4096 /* in a window that is kept */
};
_Static_assert(NO_RANK <= INT32_MAX >> PLACE_BITS && SCAN_MOST <= 1 << PLACE_BITS, "keys fit");

struct unit {
    uint32_t id;
    int32_t before, after; /* neighbours, -1 none */
};

/* A token of a window's result: its id and where its units end. */
struct token {
    uint32_t id, end;
};
struct tokens VEC_BODY(struct token);

/* A window to be merged: where it begins, how many ids stand before it, its first token. */
struct stage {
    size_t at, out;
    struct token first; /* from the window before */
};

/* The last windows and their results: runs and other periodic texts repeat them. */
struct memo {
    struct ids units;
    struct tokens tokens;
};

struct bpe_merger {
    VEC(struct unit) chain;
    VEC(uint64_t) heap; /* rank << 32 | place */
    struct tokens tokens;
    VEC(struct stage) stages; /* the windows before */
    struct memo memos[1 << MEMO_LOG];
};

struct bpe_merger *
bpe_merger_new(void)
{
    return mem_zalloc(sizeof(struct bpe_merger));
}

void
bpe_merger_free(struct bpe_merger *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < 1 << MEMO_LOG; i++) {
        vec_release(&m->memos[i].units);
        vec_release(&m->memos[i].tokens);
    }
    vec_release(&m->chain);
    vec_release(&m->heap);
    vec_release(&m->tokens);
    vec_release(&m->stages);
    free(m);
}

/* The rank of units i and i + 1. */
static inline uint32_t
first_rank(const struct bpe *b, const unsigned char *bytes, const uint32_t *units, size_t i)
{
    if (bytes)
        return b->byte_pairs[bytes[i] << 8 | bytes[i + 1]];
    return pair_rank(b, units[i], units[i + 1]);
}

/* ---- short rows ---- */

/* Four keys at a time, in any compiler's vector registers. */
typedef int32_t keys4 __attribute__((vector_size(16)));
enum { LANES = 4 };

/* keys[0..n), padded with NO_KEY to whole vectors. */
static inline int32_t
least(const int32_t *keys, size_t n)
{
    keys4 low;
    memcpy(&low, keys, sizeof low);
    for (size_t i = LANES; i < n; i += LANES) {
        keys4 next;
        memcpy(&next, keys + i, sizeof next);
        keys4 less = next < low;
        low = (next & less) | (low & ~less);
    }
    int32_t a = low[0] < low[1] ? low[0] : low[1], b = low[2] < low[3] ? low[2] : low[3];
    return a < b ? a : b;
}

enum { NO_KEY = INT32_MAX, LEAST_NO_KEY = NO_RANK << PLACE_BITS };

static inline int32_t
key_of(uint32_t rank, size_t place)
{
    return (int32_t)(rank << PLACE_BITS | (uint32_t)place);
}

/*
 * A place holds the token that begins there and the key of its merge with the next one:
 * rank << PLACE_BITS | place, so that the least key is the merge to be done.
 */
struct row {
    int32_t keys[SCAN_MOST + LANES];
    uint32_t ids[SCAN_MOST + 1];
    uint8_t before[SCAN_MOST + 1], after[SCAN_MOST + 1];
};

/* Merges units[0..n), 1 < n <= SCAN_MOST; r->after leads from place to place, up to n. */
static void
merge_by_scan(const struct bpe *b, struct row *r, const unsigned char *bytes,
              const uint32_t *units, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        uint32_t rank = first_rank(b, bytes, units, i);
        __builtin_prefetch(&b->results[rank]); /* a wish: NO_RANK is beyond the end */
        r->keys[i] = key_of(rank, i);
    }
    for (size_t i = 0; i <= LANES; i++)
        r->keys[n - 1 + i] = NO_KEY;
    for (size_t i = 0; i < n; i++) {
        r->ids[i] = units[i];
        r->after[i] = (uint8_t)(i + 1);
        r->before[i + 1] = (uint8_t)i;
    }
    r->before[0] = 0;
    r->ids[n] = 0;
    for (int32_t key; (key = least(r->keys, n - 1)) < LEAST_NO_KEY;) {
        size_t i = (uint32_t)key & ((1 << PLACE_BITS) - 1), gone = r->after[i];
        size_t next = r->after[gone];
        uint32_t id = b->results[key >> PLACE_BITS];
        r->ids[i] = id;
        r->keys[gone] = NO_KEY;
        r->after[i] = (uint8_t)next;
        r->before[next] = (uint8_t)i;
        size_t before = r->before[i];
        uint64_t left = pair_mix(b, r->ids[before], id), right = pair_mix(b, id, r->ids[next]);
        pair_prefetch(b, left);
        pair_prefetch(b, right);
        uint32_t rank = next < n ? pair_rank_at(b, right) : NO_RANK;
        __builtin_prefetch(&b->results[rank]);
        r->keys[i] = key_of(rank, i);
        if (i > 0) {
            rank = pair_rank_at(b, left);
            __builtin_prefetch(&b->results[rank]);
            r->keys[before] = key_of(rank, before);
        }
    }
}

/* ---- rows of any length ---- */

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
heap_push(struct bpe_merger *m, uint32_t rank, int32_t place)
{
    uint64_t item = (uint64_t)rank << 32 | (uint32_t)place;
    vec_push(&m->heap, item);
    size_t i = m->heap.len - 1;
    while (i > 0 && m->heap.data[(i - 1) / 2] > item) {
        m->heap.data[i] = m->heap.data[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap.data[i] = item;
}

static uint64_t
heap_pop(struct bpe_merger *m)
{
    uint64_t top = m->heap.data[0];
    m->heap.data[0] = m->heap.data[--m->heap.len];
    if (m->heap.len > 0)
        heap_sift(m->heap.data, m->heap.len, 0);
    return top;
}

/* Merges at `place` the unit behind it; queues the pairs this makes. */
static void
merge_at(const struct bpe *b, struct bpe_merger *m, int32_t place, uint32_t result)
{
    struct unit *units = m->chain.data;
    int32_t gone = units[place].after, after = units[gone].after, before = units[place].before;
    units[place].id = result;
    units[place].after = after;
    units[gone].id = NO_UNIT;
    if (after >= 0) {
        units[after].before = place;
        uint32_t rank = pair_rank(b, result, units[after].id);
        if (rank != NO_RANK)
            heap_push(m, rank, place);
    }
    if (before >= 0) {
        uint32_t rank = pair_rank(b, units[before].id, result);
        if (rank != NO_RANK)
            heap_push(m, rank, before);
    }
}

/* Leaves the result in m->chain, from place 0 on. */
static void
merge_by_heap(const struct bpe *b, struct bpe_merger *m, const unsigned char *bytes,
              const uint32_t *units, size_t n)
{
    vec_clear(&m->chain);
    vec_clear(&m->heap);
    vec_reserve(&m->chain, n);
    for (size_t i = 0; i < n; i++) {
        int32_t place = (int32_t)i;
        vec_push(&m->chain, ((struct unit){units[i], place - 1, i + 1 < n ? place + 1 : -1}));
        uint32_t rank = i + 1 < n ? first_rank(b, bytes, units, i) : NO_RANK;
        if (rank != NO_RANK)
            vec_push(&m->heap, (uint64_t)rank << 32 | i);
    }
    for (size_t i = m->heap.len / 2; i-- > 0;)
        heap_sift(m->heap.data, m->heap.len, i);
    while (m->heap.len > 0) {
        uint64_t top = heap_pop(m);
        int32_t place = (int32_t)(uint32_t)top;
        uint32_t rank = (uint32_t)(top >> 32);
        const struct unit *u = &m->chain.data[place];
        /* outdated when either side has changed since */
        if (u->id == NO_UNIT || u->after < 0 ||
            pair_rank(b, u->id, m->chain.data[u->after].id) != rank)
            continue;
        merge_at(b, m, place, b->results[rank]);
    }
}

/* ---- windows ---- */

/* The tokens of units[0..n). */
static void
merge_window(const struct bpe *b, struct bpe_merger *m, const unsigned char *bytes,
             const uint32_t *units, size_t n, struct tokens *tokens)
{
    vec_clear(tokens);
    if (n > SCAN_MOST) {
        merge_by_heap(b, m, bytes, units, n);
        for (int32_t i = 0, next; i >= 0; i = next) {
            next = m->chain.data[i].after;
            uint32_t end = next < 0 ? (uint32_t)n : (uint32_t)next;
            vec_push(tokens, ((struct token){m->chain.data[i].id, end}));
        }
        return;
    }
    struct row r;
    r.ids[0] = units[0];
    r.after[0] = 1;
    if (n > 1)
        merge_by_scan(b, &r, bytes, units, n);
    for (size_t i = 0; i < n; i = r.after[i])
        vec_push(tokens, ((struct token){r.ids[i], r.after[i]}));
}

/* The same, which lasts until the next call. */
static const struct tokens *
look_window(const struct bpe *b, struct bpe_merger *m, const unsigned char *bytes,
            const uint32_t *units, size_t n)
{
    if (n > MEMO_UNITS) {
        merge_window(b, m, bytes, units, n, &m->tokens);
        return &m->tokens;
    }
    struct memo *memo = &m->memos[hash64(units, n * sizeof *units) >> (64 - MEMO_LOG)];
    if (memo->units.len == n && !memcmp(memo->units.data, units, n * sizeof *units))
        return &memo->tokens;
    merge_window(b, m, bytes, units, n, &memo->tokens);
    vec_clear(&memo->units);
    vec_reserve(&memo->units, n);
    memcpy(memo->units.data, units, n * sizeof *units);
    memo->units.len = n;
    return &memo->tokens;
}

/* Index of the token at which the next window is to begin; 0: too few are sure. */
static size_t
next_start(const struct tokens *t, size_t n)
{
    size_t sure = 0;
    while (sure + 1 < t->len && t->data[sure + 1].end + MARGIN <= n)
        sure++;
    return sure;
}

static void
take(struct ids *out, const struct tokens *t, size_t count)
{
    vec_reserve(out, count);
    for (size_t i = 0; i < count; i++)
        out->data[out->len++] = t->data[i].id;
}

/* The whole row in one. */
static void
merge_whole(const struct bpe *b, struct bpe_merger *m, const unsigned char *bytes,
            const uint32_t *units, size_t n, struct ids *out)
{
    merge_window(b, m, bytes, units, n, &m->tokens);
    take(out, &m->tokens, m->tokens.len);
}

static void
merge_in_windows(const struct bpe *b, struct bpe_merger *m, const unsigned char *bytes,
                 const uint32_t *units, size_t n, struct ids *out)
{
    struct stage now = {0, out->len, {NO_UNIT, 0}};
    /* behind the farthest trouble windows have their usual width again */
    size_t width = WINDOW, usual = WINDOW, trouble = 0, retries = 0;
    vec_clear(&m->stages);
    for (;;) {
        size_t here = n - now.at < width ? n - now.at : width;
        const struct tokens *t =
            look_window(b, m, bytes ? bytes + now.at : NULL, units + now.at, here);
        struct token first = t->data[0];
        if (m->stages.len > 0 && (first.id != now.first.id || first.end != now.first.end)) {
            if (retries++ > RETRIES + n / (RETRIES * WINDOW))
                break;
            trouble = now.at > trouble ? now.at : trouble;
            now = m->stages.data[--m->stages.len];
            out->len = now.out;
            width = usual *= 2;
            continue;
        }
        if (here == n - now.at) {
            take(out, t, t->len);
            return;
        }
        size_t sure = next_start(t, here);
        if (sure == 0) {
            width *= 2;
            continue;
        }
        vec_push(&m->stages, now);
        take(out, t, sure);
        if (now.at > trouble)
            usual = WINDOW;
        width = usual;
        uint32_t end = t->data[sure - 1].end;
        now = (struct stage){now.at + end, out->len, {t->data[sure].id, t->data[sure].end - end}};
    }
    out->len = m->stages.data[0].out;
    merge_whole(b, m, bytes, units, n, out);
}

void
bpe_merge(const struct bpe *b, struct bpe_merger *m, const unsigned char *bytes,
          const uint32_t *units, size_t n, struct ids *out)
{
    if (n > SCAN_MOST) {
        merge_in_windows(b, m, bytes, units, n, out);
        return;
    }
    if (n == 1) {
        vec_push(out, units[0]);
        return;
    }
    struct row r;
    merge_by_scan(b, &r, bytes, units, n);
    vec_reserve(out, n);
    for (size_t i = 0; i < n; i = r.after[i])
        out->data[out->len++] = r.ids[i];
}
