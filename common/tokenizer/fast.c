#include "tokenizer/fast.h"

#include "base/mem.h"
#include "tokenizer/cut.h"
#include "tokenizer/span_cache.h"

/*
 * The pieces of a batch are taken in groups: the keys of one group are made, and its
 * cache lines asked for, while the ids of the group before are copied.
 */

enum { BATCH = 4096, GROUP = 64 };

struct group {
    struct span_key key[GROUP];
    uint32_t slot[GROUP];
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
    struct span_cache *cache;
    const struct bpe *bpe;
    struct bpe_scratch *misses;
    const char *text;
    size_t n;
    struct ids *out;
};

static void
make_keys(const struct run *r, const uint32_t *ends, size_t count, struct group *g)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t begin = ends[i];
        g->key[i] = span_key(r->text + begin, ends[i + 1] - begin, r->n - begin);
        g->slot[i] = span_line_of(g->key[i]);
        __builtin_prefetch(&r->cache->slots[g->slot[i]]);
    }
}

static __attribute__((noinline)) void
encode_miss(const struct run *r, const char *piece, size_t n)
{
    struct ids *out = r->out;
    const struct span_line *line = NULL;
    if (n <= SPAN_LONG)
        line = span_cache_long(r->cache, piece, n);
    if (line) {
        vec_reserve(out, line->count);
        memcpy(out->data + out->len, line->ids, line->count * sizeof *out->data);
        out->len += line->count;
        return;
    }
    size_t begin = out->len;
    bpe_encode_miss(r->bpe, r->misses, piece, n, out);
    span_cache_put(r->cache, piece, n, out->data + begin, out->len - begin);
}

static void
copy_ids(const struct run *r, const uint32_t *ends, size_t count, const struct group *g)
{
    struct ids *out = r->out;
    vec_reserve(out, SPAN_SHORT_IDS * GROUP);
    uint32_t *to = out->data + out->len;
    for (size_t i = 0; i < count; i++) {
        const struct span_slot *slot = &r->cache->slots[g->slot[i]];
        slot += span_differs(slot, g->key[i]) != 0;
        if (__builtin_expect(!span_differs(slot, g->key[i]), 1)) {
            memcpy(to, slot->ids, sizeof slot->ids);
            to += span_count(slot);
            continue;
        }
        slot = &r->cache->slots[g->slot[i] ^ 2];
        slot += span_differs(slot, g->key[i]) != 0;
        if (!span_differs(slot, g->key[i])) {
            memcpy(to, slot->ids, sizeof slot->ids);
            to += span_count(slot);
            continue;
        }
        out->len = (size_t)(to - out->data);
        encode_miss(r, r->text + ends[i], ends[i + 1] - ends[i]);
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
    struct run r = {&s->cache, b, misses, text, n, out};
    for (size_t at = 0; at < n; at = s->ends[0]) {
        s->ends[0] = (uint32_t)at;
        size_t count = cut_pieces(p, k, classes, text, at, n, s->ends + 1, BATCH);
        look_up(&r, s->groups, s->ends, count);
        s->ends[0] = s->ends[count];
    }
}
