#include "tokenizer/sp_bpe.h"

#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "text/classes.h"
#include "tokenizer/sp_model.h"

/* A part of the text; of length 0 once it is part of the one before. */
struct symbol {
    uint32_t begin, length;
    int32_t before, after; /* neighbours; -1: none */
    bool frozen;
};

/* Two neighbours that may be merged. */
struct pair {
    uint64_t key;    /* order << 32 | index of the left symbol */
    uint32_t length; /* of both together: another one means that the pair is no more */
};

/* What an UNUSED piece would be made of: where it begins, and the lengths. */
struct halves {
    uint32_t id, begin, left, right;
};

struct span {
    uint32_t begin, length;
};

struct sp_bpe_scratch {
    VEC(struct symbol) symbols;
    VEC(struct pair) heap;
    VEC(struct halves) halves;
    VEC(uint32_t) last; /* by id: its last halves, index + 1; 0: none */
    VEC(struct span) stack;
};

struct sp_bpe_scratch *
sp_bpe_scratch_new(void)
{
    return mem_zalloc(sizeof(struct sp_bpe_scratch));
}

void
sp_bpe_scratch_free(struct sp_bpe_scratch *s)
{
    if (!s)
        return;
    vec_release(&s->symbols);
    vec_release(&s->heap);
    vec_release(&s->halves);
    vec_release(&s->last);
    vec_release(&s->stack);
    free(s);
}

/* ---- building ---- */

/* Floats in an order of unsigned numbers, the highest first. */
static uint32_t
order_of(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 equals 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~(bits | UINT32_C(1) << 31);
}

void
sp_bpe_build(struct sp_bpe *b, const float *scores)
{
    size_t n = b->vocab->entries.len;
    b->order = mem_array(n ? n : 1, sizeof *b->order);
    b->longest = 0;
    b->unused = false;
    for (size_t id = 0; id < n; id++) {
        uint32_t length = b->vocab->entries.data[id].length;
        b->order[id] = order_of(scores[id]);
        b->unused |= b->kinds[id] == SP_UNUSED;
        if (length != VOCAB_GAP && length > b->longest)
            b->longest = length;
    }
}

void
sp_bpe_release(struct sp_bpe *b)
{
    free(b->order);
    b->order = NULL;
}

/* ---- the queue ---- */

static void
push(struct sp_bpe_scratch *s, struct pair pair)
{
    vec_push(&s->heap, pair);
    struct pair *heap = s->heap.data;
    size_t i = s->heap.len - 1;
    for (; i > 0 && heap[(i - 1) / 2].key > pair.key; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = pair;
}

static struct pair
pop(struct sp_bpe_scratch *s)
{
    struct pair *heap = s->heap.data, top = heap[0];
    size_t n = --s->heap.len, i = 0;
    struct pair last = heap[n];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1].key < heap[child].key)
            child++;
        if (last.key <= heap[child].key)
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

/* ---- encoding ---- */

/* The piece, of a kind that stands in texts, of that text; UINT32_MAX: none. */
static uint32_t
find(const struct sp_bpe *b, const char *text, size_t n)
{
    uint32_t id = n > b->longest ? UINT32_MAX : vocab_find(b->vocab, text, n);
    if (id == UINT32_MAX)
        return id;
    uint8_t kind = b->kinds[id];
    return kind == SP_NORMAL || kind == SP_USER_DEFINED || kind == SP_UNUSED ? id : UINT32_MAX;
}

/* Queues symbols `left` and the one behind it if their text is a piece. */
static void
consider(const struct sp_bpe *b, struct sp_bpe_scratch *s, const char *text, int32_t left)
{
    const struct symbol *l = left < 0 ? NULL : &s->symbols.data[left];
    if (!l || l->after < 0 || l->frozen || s->symbols.data[l->after].frozen)
        return;
    uint32_t length = l->length + s->symbols.data[l->after].length;
    uint32_t id = find(b, text + l->begin, length);
    if (id == UINT32_MAX)
        return;
    push(s, (struct pair){(uint64_t)b->order[id] << 32 | (uint32_t)left, length});
    if (b->kinds[id] == SP_UNUSED) {
        vec_push(&s->halves, ((struct halves){id, l->begin, l->length, length - l->length}));
        s->last.data[id] = (uint32_t)s->halves.len;
    }
}

/* Forgets the halves of the text before. */
static void
forget(const struct sp_bpe *b, struct sp_bpe_scratch *s)
{
    for (size_t i = 0; i < s->halves.len; i++)
        s->last.data[s->halves.data[i].id] = 0;
    vec_clear(&s->halves);
    while (b->unused && s->last.len < b->vocab->entries.len)
        vec_push(&s->last, 0);
}

static void
split(const struct sp_bpe *b, struct sp_bpe_scratch *s, const char *text, size_t n)
{
    vec_clear(&s->symbols);
    for (size_t at = 0, used; at < n; at += used) {
        int32_t i = (int32_t)s->symbols.len;
        used = sp_symbol(b->symbols, text + at, n - at);
        bool frozen = used > 0;
        if (!frozen)
            text_peek(text + at, &used);
        vec_push(&s->symbols, ((struct symbol){(uint32_t)at, (uint32_t)used, i - 1,
                                               at + used < n ? i + 1 : -1, frozen}));
    }
}

static void
merge(const struct sp_bpe *b, struct sp_bpe_scratch *s, const char *text, struct pair pair)
{
    int32_t left = (int32_t)(uint32_t)pair.key;
    struct symbol *l = &s->symbols.data[left];
    if (l->length == 0 || l->after < 0)
        return;
    struct symbol *r = &s->symbols.data[l->after];
    if (l->length + r->length != pair.length)
        return;
    l->length = pair.length;
    l->after = r->after;
    r->length = 0;
    if (l->after >= 0)
        s->symbols.data[l->after].before = left;
    consider(b, s, text, l->before);
    consider(b, s, text, left);
}

/* A symbol's pieces: UNUSED ones are taken apart, the left half first. */
static void
give(const struct sp_bpe *b, struct sp_bpe_scratch *s, const char *text, struct span whole,
     void (*piece)(void *arg, const char *text, size_t n), void *arg)
{
    if (!b->unused) {
        piece(arg, text + whole.begin, whole.length);
        return;
    }
    vec_clear(&s->stack);
    vec_push(&s->stack, whole);
    while (s->stack.len > 0) {
        struct span span = s->stack.data[--s->stack.len];
        uint32_t id = find(b, text + span.begin, span.length);
        uint32_t last = id == UINT32_MAX ? 0 : s->last.data[id];
        if (last == 0) {
            piece(arg, text + span.begin, span.length);
            continue;
        }
        const struct halves *h = &s->halves.data[last - 1];
        vec_push(&s->stack, ((struct span){h->begin + h->left, h->right}));
        vec_push(&s->stack, ((struct span){h->begin, h->left}));
    }
}

void
sp_bpe_encode(const struct sp_bpe *b, struct sp_bpe_scratch *s, const char *text, size_t n,
              void (*piece)(void *arg, const char *text, size_t n), void *arg)
{
    if (n == 0)
        return;
    split(b, s, text, n);
    vec_clear(&s->heap);
    forget(b, s);
    for (int32_t i = 0; i + 1 < (int32_t)s->symbols.len; i++)
        consider(b, s, text, i);
    while (s->heap.len > 0)
        merge(b, s, text, pop(s));
    for (int32_t i = 0; i >= 0; i = s->symbols.data[i].after) {
        struct symbol symbol = s->symbols.data[i];
        give(b, s, text, (struct span){symbol.begin, symbol.length}, piece, arg);
    }
}
