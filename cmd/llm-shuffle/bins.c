#include "bins.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/vec.h"

enum { NOTHING = 0 }; /* groups, fillings and uses count from 1 */

/* What bins of a group got last, and before: chains share their beginnings. */
struct filling {
    uint32_t before;
    uint32_t length, times; /* so many pieces of this length in each bin */
};

/* Bins that were filled alike. */
struct group {
    uint64_t bins;
    uint32_t filling;
    uint32_t next; /* of the groups with the same room */
};

/* Where pieces of one length go: `times` into each of `bins` bins from `first` on. */
struct use {
    uint64_t first, bins;
    uint32_t times;
    uint32_t next;
};

struct bins {
    uint32_t capacity;
    uint64_t *count;      /* [capacity + 1] pieces by length */
    uint32_t *with_room;  /* [capacity + 1] the groups by room */
    uint64_t *occupied;   /* a bit a room: are there groups? */
    VEC(struct filling) fillings;
    VEC(struct group) groups;
    VEC(struct use) uses;
    uint32_t *uses_of;    /* [capacity + 1] by length: what is left */
    uint64_t *taken;      /* [capacity + 1] pieces of uses_of[length] */
};

struct bins *
bins_new(uint32_t capacity)
{
    struct bins *b = mem_zalloc(sizeof *b);
    size_t n = (size_t)capacity + 1;
    b->capacity = capacity;
    b->count = mem_zarray(n, sizeof *b->count);
    b->with_room = mem_zarray(n, sizeof *b->with_room);
    b->occupied = mem_zarray(n / 64 + 1, sizeof *b->occupied);
    b->uses_of = mem_zarray(n, sizeof *b->uses_of);
    b->taken = mem_zarray(n, sizeof *b->taken);
    struct filling filling = {0};
    struct group group = {0};
    struct use use = {0};
    vec_push(&b->fillings, filling);
    vec_push(&b->groups, group);
    vec_push(&b->uses, use);
    return b;
}

void
bins_free(struct bins *b)
{
    if (!b)
        return;
    free(b->count);
    free(b->with_room);
    free(b->occupied);
    free(b->uses_of);
    free(b->taken);
    vec_release(&b->fillings);
    vec_release(&b->groups);
    vec_release(&b->uses);
    free(b);
}

void
bins_count(struct bins *b, uint32_t length, uint64_t pieces)
{
    b->count[length] += pieces;
}

/* The least room of at least `length` that any bin has; capacity + 1: none has. */
static uint32_t
least_room(const struct bins *b, uint32_t length)
{
    uint32_t word = length / 64, last = b->capacity / 64;
    uint64_t bits = b->occupied[word] & UINT64_MAX << length % 64;
    while (!bits && word < last)
        bits = b->occupied[++word];
    return bits ? word * 64 + (uint32_t)__builtin_ctzll(bits) : b->capacity + 1;
}

static void
link_group(struct bins *b, uint32_t group, uint32_t room)
{
    b->groups.data[group].next = b->with_room[room];
    b->with_room[room] = group;
    b->occupied[room / 64] |= UINT64_C(1) << room % 64;
}

static void
unlink_first(struct bins *b, uint32_t room)
{
    b->with_room[room] = b->groups.data[b->with_room[room]].next;
    if (b->with_room[room] == NOTHING)
        b->occupied[room / 64] &= ~(UINT64_C(1) << room % 64);
}

/* `bins` more bins: those of `before`, and `times` pieces of this length in each. */
static void
add_group(struct bins *b, uint64_t bins, uint32_t before, uint32_t room, uint32_t length,
          uint32_t times)
{
    struct filling filling = {before, length, times};
    struct group group = {.bins = bins, .filling = (uint32_t)b->fillings.len};
    vec_push(&b->fillings, filling);
    vec_push(&b->groups, group);
    link_group(b, (uint32_t)b->groups.len - 1, room - length * times);
}

/*
 * `pieces` pieces of this length into bins of one filling and room, of which there are
 * enough. A bin that still has room for another one is then the best fit for it. Returns the bins.
 */
static uint64_t
fill_alike(struct bins *b, uint64_t pieces, uint32_t before, uint32_t room, uint32_t length)
{
    uint32_t times = room / length;
    uint64_t whole = pieces / times;
    uint32_t rest = (uint32_t)(pieces % times);
    if (whole)
        add_group(b, whole, before, room, length, times);
    if (rest)
        add_group(b, 1, before, room, length, rest);
    return whole + (rest > 0);
}

static void
place_length(struct bins *b, uint32_t length)
{
    uint64_t left = b->count[length];
    while (left > 0) {
        uint32_t room = least_room(b, length);
        if (room > b->capacity) {
            fill_alike(b, left, NOTHING, b->capacity, length);
            return;
        }
        struct group *g = &b->groups.data[b->with_room[room]];
        uint64_t whole = g->bins * (room / length);
        uint64_t part = left < whole ? left : whole;
        uint32_t first = b->with_room[room], before = g->filling;
        uint64_t bins = fill_alike(b, part, before, room, length);
        g = &b->groups.data[first]; /* the array may have moved */
        g->bins -= bins;
        if (g->bins == 0)
            unlink_first(b, room);
        left -= part;
    }
}

/* Numbers the bins and lists by length where the pieces go. */
static void
list_uses(struct bins *b)
{
    uint64_t first = 0;
    for (size_t i = b->groups.len; --i > 0;) {
        const struct group *g = &b->groups.data[i];
        if (g->bins == 0)
            continue;
        for (uint32_t k = g->filling; k != NOTHING; k = b->fillings.data[k].before) {
            const struct filling *f = &b->fillings.data[k];
            struct use use = {first, g->bins, f->times, b->uses_of[f->length]};
            vec_push(&b->uses, use);
            b->uses_of[f->length] = (uint32_t)b->uses.len - 1;
        }
        first += g->bins;
    }
}

void
bins_fill(struct bins *b)
{
    for (uint32_t length = b->capacity; length > 0; length--)
        place_length(b, length);
    list_uses(b);
}

uint64_t
bins_take(struct bins *b, uint32_t length)
{
    if (length == 0)
        return 0;
    const struct use *u = &b->uses.data[b->uses_of[length]];
    uint64_t i = b->taken[length]++;
    if (i + 1 == u->bins * u->times) {
        b->uses_of[length] = u->next;
        b->taken[length] = 0;
    }
    return u->first + i / u->times;
}
