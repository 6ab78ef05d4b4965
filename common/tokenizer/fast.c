#include "tokenizer/fast.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "tokenizer/cut.h"
#include "tokenizer/span_cache.h"

/*
 * The pieces of a batch are taken in groups: the keys of one group are made, and its
 * cache lines asked for, while the ids of the group before are copied.
 */

enum { BATCH = 2048, GROUP = TEXT_KEYS };

struct group {
    struct text_keys keys;
    uint32_t line[GROUP]; /* of a longer piece */
};

struct fast_scratch {
    struct span_cache cache;
    uint32_t ends[1 + BATCH]; /* ends[0]: where the first piece begins */
    struct group groups[2];
};

struct fast_scratch *
fast_scratch_new(void)
{
    struct fast_scratch *s = mem_zalloc(sizeof *s);
    span_cache_init(&s->cache);
    return s;
}

void
fast_scratch_free(struct fast_scratch *s)
{
    if (!s)
        return;
    span_cache_release(&s->cache);
    free(s);
}

/* What every look-up needs. */
struct run {
    const struct text_kernels *kernels;
    struct span_cache *cache;
    const struct bpe *bpe;
    struct bpe_scratch *misses;
    const char *text;
    size_t n;
    struct ids *out;
};

/* The keys of pieces so near the end of the text that a key's bytes are not all there. */
static void
make_last_keys(const struct run *r, const uint32_t *ends, size_t count, struct text_keys *keys,
               size_t i)
{
    for (; i < count; i++) {
        char bytes[TEXT_KEY_READ] = {0};
        uint32_t length = ends[i + 1] - ends[i], piece[2] = {0, length};
        struct text_keys key;
        memcpy(bytes, r->text + ends[i], length < sizeof bytes ? length : sizeof bytes);
        text_ref.keys(bytes, piece, 1, &key);
        keys->low[i] = key.low[0];
        keys->high[i] = key.high[0];
        keys->hash[i] = key.hash[0];
    }
}

/* Where the longer pieces, few in most languages, would stand. */
static void
find_lines(const struct run *r, const uint32_t *ends, size_t count, struct group *g)
{
    for (size_t i = 0; i < count; i++) {
        size_t n = ends[i + 1] - ends[i];
        if (n <= SPAN_SHORT || n > SPAN_LONG)
            continue;
        g->line[i] = span_line_of(r->text + ends[i], n);
        __builtin_prefetch(&r->cache->lines[g->line[i]]);
    }
}

static void
make_keys(const struct run *r, const uint32_t *ends, size_t count, struct group *g)
{
    size_t inner = count, longer = 0;
    while (inner > 0 && r->n - ends[inner - 1] < TEXT_KEY_READ)
        inner--;
    r->kernels->keys(r->text, ends, inner, &g->keys);
    if (inner < count)
        make_last_keys(r, ends, count, &g->keys, inner);
    for (size_t i = 0; i < count; i++) {
        longer += g->keys.high[i] == UINT64_MAX;
        __builtin_prefetch(&r->cache->slots[span_slot_of(g->keys.hash[i])]);
    }
    if (longer)
        find_lines(r, ends, count, g);
}

/* What has no slot: a longer piece, whose line is known, a short one of many ids, a new one. */
static __attribute__((noinline)) void
encode_miss(const struct run *r, const char *piece, size_t n, uint32_t line)
{
    struct ids *out = r->out;
    const struct span_line *found = NULL;
    if (n <= SPAN_LONG)
        found = span_cache_long(r->cache, n > SPAN_SHORT ? line : span_line_of(piece, n), piece, n);
    if (found) {
        vec_reserve(out, found->count);
        memcpy(out->data + out->len, found->ids, found->count * sizeof *out->data);
        out->len += found->count;
        return;
    }
    size_t begin = out->len;
    bpe_encode_miss(r->bpe, r->misses, piece, n, out);
    span_cache_put(r->cache, piece, n, out->data + begin, out->len - begin);
}

/* Takes the ids of one of two slots that begin at `slot`, if one is the key's. */
static inline bool
take_ids(const struct span_slot *slot, uint64_t low, uint64_t high, uint32_t **to)
{
    slot += span_differs(slot, low, high) != 0;
    if (span_differs(slot, low, high))
        return false;
    memcpy(*to, slot->ids, sizeof slot->ids);
    *to += span_count(slot);
    return true;
}

static void
copy_ids(const struct run *r, const uint32_t *ends, size_t count, const struct group *g)
{
    const struct text_keys *keys = &g->keys;
    struct ids *out = r->out;
    const struct span_slot *slots = r->cache->slots;
    vec_reserve(out, SPAN_SHORT_IDS * GROUP);
    uint32_t *to = out->data + out->len;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = span_slot_of(keys->hash[i]);
        if (__builtin_expect(take_ids(slots + slot, keys->low[i], keys->high[i], &to), 1) ||
            take_ids(slots + (slot ^ 2), keys->low[i], keys->high[i], &to))
            continue;
        out->len = (size_t)(to - out->data);
        encode_miss(r, r->text + ends[i], ends[i + 1] - ends[i], g->line[i]);
        vec_reserve(out, SPAN_SHORT_IDS * GROUP);
        to = out->data + out->len;
    }
    out->len = (size_t)(to - out->data);
}

/* The ids of the `count` pieces between ends[0..count]. */
static void
look_up(const struct run *r, struct group groups[2], const uint32_t *ends, size_t count)
{
    size_t before = 0, now = count < GROUP ? count : GROUP;
    make_keys(r, ends, now, &groups[0]);
    for (size_t i = 0; before < count; i++) {
        size_t next = count - now < GROUP ? count - now : GROUP;
        make_keys(r, ends + now, next, &groups[(i + 1) % 2]);
        copy_ids(r, ends + before, now - before, &groups[i % 2]);
        before = now;
        now += next;
    }
}

void
fast_encode(const struct pattern *p, const struct text_kernels *k, const uint16_t *classes,
            const struct bpe *b, struct bpe_scratch *misses, struct fast_scratch *s,
            const char *text, size_t n, struct ids *out)
{
    struct run r = {k, &s->cache, b, misses, text, n, out};
    for (size_t at = 0; at < n; at = s->ends[0]) {
        s->ends[0] = (uint32_t)at;
        size_t count = cut_pieces(p, k, classes, text, at, n, s->ends + 1, BATCH);
        look_up(&r, s->groups, s->ends, count);
        s->ends[0] = s->ends[count];
    }
}
