#include "tokenizer/vocab.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

void
vocab_release(struct vocab *v)
{
    str_release(&v->pool);
    vec_release(&v->entries);
    free(v->slots);
    v->slots = NULL;
}

bool
vocab_add(struct vocab *v, uint32_t id, const char *s, size_t n)
{
    while (v->entries.len <= id)
        vec_push(&v->entries, ((struct vocab_entry){0, VOCAB_GAP}));
    struct vocab_entry *e = &v->entries.data[id];
    if (e->length != VOCAB_GAP)
        return false;
    e->start = (uint32_t)v->pool.len;
    e->length = (uint32_t)n;
    str_add(&v->pool, s, n);
    v->count++;
    return true;
}

static uint32_t
slot_of(const struct vocab *v, const char *s, size_t n)
{
    uint32_t i = (uint32_t)hash64(s, n) & v->mask;
    for (; v->slots[i]; i = (i + 1) & v->mask) {
        const struct vocab_entry *e = &v->entries.data[v->slots[i] - 1];
        if (e->length == n && !memcmp(v->pool.data + e->start, s, n))
            break;
    }
    return i;
}

bool
vocab_index(struct vocab *v, uint32_t *first, uint32_t *second)
{
    uint32_t size = 16;
    while (size < 2 * v->count)
        size *= 2;
    free(v->slots);
    v->slots = mem_zarray(size, sizeof *v->slots);
    v->mask = size - 1;
    str_reserve(&v->pool, 1); /* never NULL, not even with empty strings alone */
    for (uint32_t id = 0; id < v->entries.len; id++) {
        const struct vocab_entry *e = &v->entries.data[id];
        if (e->length == VOCAB_GAP)
            continue;
        uint32_t i = slot_of(v, v->pool.data + e->start, e->length);
        if (v->slots[i]) {
            *first = v->slots[i] - 1;
            *second = id;
            return false;
        }
        v->slots[i] = id + 1;
    }
    return true;
}

uint32_t
vocab_find(const struct vocab *v, const char *s, size_t n)
{
    if (!v->slots)
        return UINT32_MAX;
    return v->slots[slot_of(v, s, n)] - 1; /* 0 - 1 is UINT32_MAX */
}

const char *
vocab_get(const struct vocab *v, uint32_t id, size_t *n)
{
    if (id >= v->entries.len || v->entries.data[id].length == VOCAB_GAP)
        return NULL;
    *n = v->entries.data[id].length;
    return v->pool.data + v->entries.data[id].start;
}
