#include "tokenizer/piece_counts.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { SIZE_LEAST = 1 << 12 };

void
piece_counts_release(struct piece_counts *c)
{
    str_release(&c->pool);
    free(c->slots);
    *c = (struct piece_counts){0};
}

static void
grow(struct piece_counts *c)
{
    size_t size = c->size ? 2 * c->size : SIZE_LEAST;
    struct piece_count *slots = mem_zarray(size, sizeof *slots);
    for (size_t i = 0; i < c->size; i++) {
        if (!c->slots[i].count)
            continue;
        size_t to = c->slots[i].hash & (size - 1);
        while (slots[to].count)
            to = (to + 1) & (size - 1);
        slots[to] = c->slots[i];
    }
    free(c->slots);
    c->slots = slots;
    c->size = size;
}

void
piece_counts_add(struct piece_counts *c, const char *piece, size_t n, uint64_t count)
{
    if (2 * c->used >= c->size)
        grow(c);
    uint32_t hash = (uint32_t)(hash64(piece, n) >> 16);
    size_t i = hash & (c->size - 1);
    for (; c->slots[i].count; i = (i + 1) & (c->size - 1)) {
        struct piece_count *slot = &c->slots[i];
        if (slot->hash == hash && slot->length == n &&
            !memcmp(c->pool.data + slot->start, piece, n)) {
            slot->count += count;
            return;
        }
    }
    c->slots[i] = (struct piece_count){count, c->pool.len, (uint32_t)n, hash};
    str_add(&c->pool, piece, n);
    c->used++;
}

void
piece_counts_join(struct piece_counts *c, struct piece_counts *from)
{
    for (size_t i = 0; i < from->size; i++)
        if (from->slots[i].count)
            piece_counts_add(c, from->pool.data + from->slots[i].start, from->slots[i].length,
                             from->slots[i].count);
    piece_counts_release(from);
}
