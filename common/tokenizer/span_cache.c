#include "tokenizer/span_cache.h"

#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

enum {
    HUGE_PAGE = 2 << 20,
    SLOT_BYTES = 2 * sizeof(struct span_slot) << SPAN_LINE_BITS,
    LINE_BYTES = sizeof(struct span_line) << SPAN_LONG_BITS
};
_Static_assert(sizeof(struct span_slot) == 32 && sizeof(struct span_line) == 128, "cache lines");

/* Look-ups jump all over the tables: large pages, asked for before the first touch, spare TLB. */
void
span_cache_init(struct span_cache *c)
{
    *c = (struct span_cache){.memory = mem_zalloc(SLOT_BYTES + LINE_BYTES + HUGE_PAGE)};
    uintptr_t begin = ((uintptr_t)c->memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    c->slots = (struct span_slot *)begin;
    madvise(c->slots, SLOT_BYTES + LINE_BYTES, MADV_HUGEPAGE); /* a wish: may fail */
    c->lines = (struct span_line *)(begin + SLOT_BYTES);
}

void
span_cache_release(struct span_cache *c)
{
    free(c->memory);
    *c = (struct span_cache){0};
}

const struct span_line *
span_cache_long(const struct span_cache *c, uint32_t line, const char *piece, size_t n)
{
    const struct span_line *l = &c->lines[line];
    return l->length == n && !memcmp(l->key, piece, n) ? l : NULL;
}

static void
put_short(struct span_cache *c, const char *piece, size_t n, const uint32_t *ids, size_t count)
{
    char bytes[TEXT_KEY_READ] = {0};
    uint32_t ends[2] = {0, (uint32_t)n};
    struct text_keys key;
    memcpy(bytes, piece, n);
    text_ref.keys(bytes, ends, 1, &key);
    uint32_t first = span_slot_of(key.hash[0]), way = 0;
    while (way < SPAN_WAYS && c->slots[first ^ way].high)
        way++;
    struct span_slot *slot = &c->slots[first ^ (way < SPAN_WAYS ? way : c->turn++ % SPAN_WAYS)];
    slot->low = key.low[0];
    slot->high = key.high[0] | (uint64_t)count << 60;
    memcpy(slot->ids, ids, count * sizeof *ids);
}

static void
put_long(struct span_cache *c, const char *piece, size_t n, const uint32_t *ids, size_t count)
{
    struct span_line *line = &c->lines[span_line_of(piece, n)];
    line->length = (uint8_t)n;
    line->count = (uint8_t)count;
    memcpy(line->key, piece, n);
    memcpy(line->ids, ids, count * sizeof *ids);
}

void
span_cache_put(struct span_cache *c, const char *piece, size_t n, const uint32_t *ids, size_t count)
{
    if (n <= SPAN_SHORT && count <= SPAN_SHORT_IDS)
        put_short(c, piece, n, ids, count);
    else if (n <= SPAN_LONG && count <= SPAN_LONG_IDS)
        put_long(c, piece, n, ids, count);
}
