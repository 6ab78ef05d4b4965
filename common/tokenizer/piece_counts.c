#include "tokenizer/piece_counts.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "text/classes.h"

enum { SIZE_LEAST = 1 << 12 };

void
piece_counts_release(struct piece_counts *c)
{
    str_release(&c->pool);
    vec_release(&c->pieces);
    free(c->slots);
    *c = (struct piece_counts){0};
}

static void
grow(struct piece_counts *c)
{
    c->size = c->size ? 2 * c->size : SIZE_LEAST;
    free(c->slots);
    c->slots = mem_zarray(c->size, sizeof *c->slots);
    for (size_t i = 0; i < c->pieces.len; i++) {
        size_t to = c->pieces.data[i].hash & (c->size - 1);
        while (c->slots[to])
            to = (to + 1) & (c->size - 1);
        c->slots[to] = (uint32_t)(i + 1);
    }
}

static void
add_hashed(struct piece_counts *c, const char *piece, size_t n, uint64_t count, uint32_t hash)
{
    if (3 * c->pieces.len >= 2 * c->size)
        grow(c);
    size_t i = hash & (c->size - 1);
    for (; c->slots[i]; i = (i + 1) & (c->size - 1)) {
        struct piece_count *p = &c->pieces.data[c->slots[i] - 1];
        if (p->hash == hash && p->length == n && !memcmp(c->pool.data + p->start, piece, n)) {
            p->count += count;
            return;
        }
    }
    vec_push(&c->pieces, ((struct piece_count){count, c->pool.len, (uint32_t)n, hash}));
    c->slots[i] = (uint32_t)c->pieces.len;
    str_add(&c->pool, piece, n);
}

void
piece_counts_add(struct piece_counts *c, const char *piece, size_t n, uint64_t count)
{
    add_hashed(c, piece, n, count, (uint32_t)(hash64(piece, n) >> 16));
}

void
piece_counts_join(struct piece_counts *c, struct piece_counts *from)
{
    for (size_t i = 0; i < from->pieces.len; i++) {
        const struct piece_count *p = &from->pieces.data[i];
        add_hashed(c, from->pool.data + p->start, p->length, p->count, p->hash);
    }
    piece_counts_release(from);
}

uint64_t *
piece_counts_characters(const struct piece_counts *c)
{
    uint64_t *counts = mem_zarray(CLASS_CODE_POINTS, sizeof *counts);
    for (size_t i = 0; i < c->pieces.len; i++) {
        const struct piece_count *p = &c->pieces.data[i];
        const char *s = c->pool.data + p->start;
        for (size_t at = 0, used; at < p->length; at += used)
            counts[text_peek(s + at, &used)] += p->count;
    }
    return counts;
}

int
character_count_order(const void *a, const void *b)
{
    const struct character_count *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->point < y->point ? -1 : x->point > y->point;
}
