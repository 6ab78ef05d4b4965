#include "tokenizer/bpe_candidates.h"

#include "base/hash.h"
#include "base/mem.h"

/* ---- by tokens ---- */

static uint32_t
find_slot(const struct bpe_candidates *c, uint32_t left, uint32_t right)
{
    uint32_t i = (uint32_t)hash_mix((uint64_t)left << 32 | right) & c->mask;
    for (; c->slots[i]; i = (i + 1) & c->mask) {
        const struct bpe_pair *p = &c->pairs.data[c->slots[i] - 1];
        if (p->left == left && p->right == right)
            break;
    }
    return i;
}

static void
grow_slots(struct bpe_candidates *c)
{
    uint32_t size = c->slots ? 2 * (c->mask + 1) : 1 << 17;
    free(c->slots);
    c->slots = mem_zarray(size, sizeof *c->slots);
    c->mask = size - 1;
    for (uint32_t i = 0; i < c->pairs.len; i++)
        c->slots[find_slot(c, c->pairs.data[i].left, c->pairs.data[i].right)] = i + 1;
}

void
bpe_candidates_init(struct bpe_candidates *c)
{
    *c = (struct bpe_candidates){0};
    grow_slots(c);
}

void
bpe_candidates_release(struct bpe_candidates *c)
{
    for (size_t i = 0; i < c->pairs.len; i++)
        free(c->pairs.data[i].places);
    vec_release(&c->pairs);
    vec_release(&c->heap);
    free(c->slots);
    *c = (struct bpe_candidates){0};
}

uint32_t
bpe_pair_find(const struct bpe_candidates *c, uint32_t left, uint32_t right)
{
    return c->slots[find_slot(c, left, right)] - 1;
}

uint32_t
bpe_pair_index(struct bpe_candidates *c, uint32_t left, uint32_t right)
{
    uint32_t slot = find_slot(c, left, right);
    if (c->slots[slot])
        return c->slots[slot] - 1;
    uint32_t index = (uint32_t)c->pairs.len;
    vec_push(&c->pairs, ((struct bpe_pair){.left = left, .right = right}));
    c->slots[slot] = index + 1;
    if (2 * c->pairs.len > c->mask)
        grow_slots(c);
    return index;
}

/* ---- by count ---- */

static bool
before(const struct bpe_candidates *c, struct bpe_candidate a, struct bpe_candidate b)
{
    if (a.count != b.count)
        return a.count > b.count;
    const struct bpe_pair *x = &c->pairs.data[a.pair], *y = &c->pairs.data[b.pair];
    return x->left != y->left ? x->left < y->left : x->right < y->right;
}

void
bpe_pair_push(struct bpe_candidates *c, uint32_t index)
{
    struct bpe_candidate item = {c->pairs.data[index].count, index};
    if (item.count <= 0)
        return;
    vec_push(&c->heap, item);
    struct bpe_candidate *heap = c->heap.data;
    size_t i = c->heap.len - 1;
    for (; i > 0 && before(c, item, heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = item;
}

static struct bpe_candidate
heap_pop(struct bpe_candidates *c)
{
    struct bpe_candidate *heap = c->heap.data, top = heap[0], item = heap[--c->heap.len];
    size_t n = c->heap.len, i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(c, heap[child + 1], heap[child]))
            child++;
        if (!before(c, heap[child], item))
            break;
        heap[i] = heap[child];
    }
    heap[i] = item;
    return top;
}

uint32_t
bpe_pair_pop(struct bpe_candidates *c)
{
    while (c->heap.len > 0) {
        struct bpe_candidate top = heap_pop(c);
        if (top.count == c->pairs.data[top.pair].count)
            return top.pair;
        bpe_pair_push(c, top.pair); /* out of date */
    }
    return UINT32_MAX;
}
