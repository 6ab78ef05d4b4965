#include "tokenizer/bpe_learn.h"

#include <stdbool.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

/*
 * Every distinct piece is a word: its tokens, kept in place as they merge. Every pair
 * knows its count and the words it may stand in. A heap holds counts that may be out
 * of date: an entry is checked against the pair's count when it comes up. One merge
 * visits only the words of its pair.
 */

struct word {
    uint64_t start; /* in tokens */
    uint32_t length;
    uint64_t count;
};

struct pair {
    uint32_t left, right;
    int64_t count;
    uint32_t *words;
    uint32_t words_len, words_cap;
    bool merged;  /* is a merge already */
    bool touched; /* grew in the merge at hand */
};

struct candidate {
    int64_t count;
    uint32_t left, right, pair;
};

struct learner {
    const struct bpe_learn_options *o;
    struct bpe_learned *out;
    uint32_t *tokens;
    VEC(struct word) words;
    VEC(struct pair) pairs;
    uint32_t *slots; /* pair index + 1 */
    uint32_t mask;
    VEC(struct candidate) heap;
    struct ids touched; /* pairs */
    uint32_t *by_text;  /* token id + 1 by the hash of its bytes */
    uint32_t text_mask;
    struct str text;
};

/* ---- heap: greatest count first, then the smaller pair ---- */

static bool
before(const struct candidate *a, const struct candidate *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static void
heap_push(struct learner *l, struct candidate item)
{
    vec_push(&l->heap, item);
    struct candidate *heap = l->heap.data;
    size_t i = l->heap.len - 1;
    for (; i > 0 && before(&item, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = item;
}

static struct candidate
heap_pop(struct learner *l)
{
    struct candidate *heap = l->heap.data, top = heap[0], item = heap[--l->heap.len];
    size_t n = l->heap.len, i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &item))
            break;
        heap[i] = heap[child];
    }
    heap[i] = item;
    return top;
}

static void
push_pair(struct learner *l, uint32_t index)
{
    const struct pair *p = &l->pairs.data[index];
    if (p->count > 0)
        heap_push(l, (struct candidate){p->count, p->left, p->right, index});
}

/* ---- pairs ---- */

static uint32_t
pair_slot(const struct learner *l, uint32_t left, uint32_t right)
{
    uint32_t i = (uint32_t)hash_mix((uint64_t)left << 32 | right) & l->mask;
    for (; l->slots[i]; i = (i + 1) & l->mask) {
        const struct pair *p = &l->pairs.data[l->slots[i] - 1];
        if (p->left == left && p->right == right)
            break;
    }
    return i;
}

static void
grow_slots(struct learner *l)
{
    uint32_t size = l->slots ? 2 * (l->mask + 1) : 1 << 17;
    free(l->slots);
    l->slots = mem_zarray(size, sizeof *l->slots);
    l->mask = size - 1;
    for (uint32_t i = 0; i < l->pairs.len; i++)
        l->slots[pair_slot(l, l->pairs.data[i].left, l->pairs.data[i].right)] = i + 1;
}

static uint32_t
pair_index(struct learner *l, uint32_t left, uint32_t right)
{
    uint32_t slot = pair_slot(l, left, right);
    if (l->slots[slot])
        return l->slots[slot] - 1;
    uint32_t index = (uint32_t)l->pairs.len;
    vec_push(&l->pairs, ((struct pair){.left = left, .right = right}));
    l->slots[slot] = index + 1;
    if (2 * l->pairs.len > l->mask)
        grow_slots(l);
    return index;
}

static void
add_word(struct pair *p, uint32_t word)
{
    if (p->words_len && p->words[p->words_len - 1] == word)
        return;
    if (p->words_len == p->words_cap) {
        p->words_cap = p->words_cap ? 2 * p->words_cap : 4;
        p->words = mem_grow_array(p->words, p->words_cap, sizeof *p->words);
    }
    p->words[p->words_len++] = word;
}

static uint32_t
token_length(const struct learner *l, uint32_t id)
{
    return l->out->tokens.entries.data[id].length;
}

static bool
too_long(const struct learner *l, uint32_t left, uint32_t right)
{
    return l->o->max_piece_bytes &&
           token_length(l, left) + (size_t)token_length(l, right) > l->o->max_piece_bytes;
}

static void
lose(struct learner *l, uint32_t left, uint32_t right, uint64_t count)
{
    uint32_t slot = pair_slot(l, left, right);
    if (l->slots[slot])
        l->pairs.data[l->slots[slot] - 1].count -= (int64_t)count;
}

static void
gain(struct learner *l, uint32_t left, uint32_t right, uint64_t count, uint32_t word)
{
    if (too_long(l, left, right))
        return;
    uint32_t index = pair_index(l, left, right);
    struct pair *p = &l->pairs.data[index];
    p->count += (int64_t)count;
    add_word(p, word);
    if (!p->touched)
        vec_push(&l->touched, index);
    p->touched = true;
}

/* ---- words ---- */

static void
take_words(struct learner *l, struct piece_counts *pieces)
{
    l->tokens = mem_array(pieces->pool.len ? pieces->pool.len : 1, sizeof *l->tokens);
    for (size_t i = 0; i < pieces->pool.len; i++)
        l->tokens[i] = l->o->byte_ids[(unsigned char)pieces->pool.data[i]];
    vec_reserve(&l->words, pieces->pieces.len + 1);
    for (size_t i = 0; i < pieces->pieces.len; i++) {
        const struct piece_count *p = &pieces->pieces.data[i];
        if (p->length > 1)
            vec_push(&l->words, ((struct word){p->start, p->length, p->count}));
    }
    piece_counts_release(pieces);
}

/* Counts all pairs of bytes; their lists of words get exactly the room they need. */
static void
count_pairs(struct learner *l)
{
    enum { BYTE_PAIRS = 65536 };
    struct first {
        int64_t count;
        uint32_t words, last; /* last: word + 1 */
    } *first = mem_zarray(BYTE_PAIRS, sizeof *first);
    for (int fill = 0; fill < 2; fill++) {
        for (uint32_t w = 0; w < l->words.len; w++) {
            const uint32_t *t = l->tokens + l->words.data[w].start;
            for (uint32_t i = 0; i + 1 < l->words.data[w].length; i++) {
                struct first *f = &first[t[i] << 8 | t[i + 1]];
                if (fill) {
                    add_word(&l->pairs.data[f->words], w);
                    continue;
                }
                f->count += (int64_t)l->words.data[w].count;
                f->words += f->last != w + 1;
                f->last = w + 1;
            }
        }
        for (uint32_t i = 0; !fill && i < BYTE_PAIRS; i++) {
            if (!first[i].count)
                continue;
            uint32_t index = pair_index(l, i >> 8, i & 255);
            struct pair *p = &l->pairs.data[index];
            p->count = too_long(l, i >> 8, i & 255) ? 0 : first[i].count;
            p->words = mem_array(first[i].words, sizeof *p->words);
            p->words_cap = first[i].words;
            first[i].words = index;
        }
    }
    free(first);
    for (uint32_t i = 0; i < l->pairs.len; i++)
        push_pair(l, i);
}

/* Merges the pair in one word, in place. */
static void
merge_word(struct learner *l, uint32_t w, uint32_t left, uint32_t right, uint32_t result)
{
    struct word *word = &l->words.data[w];
    uint32_t *t = l->tokens + word->start, n = word->length, kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (t[i] != left || i + 1 >= n || t[i + 1] != right) {
            t[kept++] = t[i];
            continue;
        }
        if (kept > 0) {
            lose(l, t[kept - 1], left, word->count);
            gain(l, t[kept - 1], result, word->count, w);
        }
        if (i + 2 < n) {
            lose(l, right, t[i + 2], word->count);
            gain(l, result, t[i + 2], word->count, w);
        }
        t[kept++] = result;
        i++;
    }
    word->length = kept;
}

/* ---- tokens ---- */

static uint32_t
text_slot(const struct learner *l, const char *s, size_t n)
{
    uint32_t i = (uint32_t)hash64(s, n) & l->text_mask;
    for (; l->by_text[i]; i = (i + 1) & l->text_mask) {
        size_t length = 0;
        const char *text = vocab_get(&l->out->tokens, l->by_text[i] - 1, &length);
        if (length == n && !memcmp(text, s, n))
            break;
    }
    return i;
}

static void
add_token(struct learner *l, const char *s, size_t n)
{
    uint32_t id = (uint32_t)l->out->tokens.entries.len, slot = text_slot(l, s, n);
    vocab_add(&l->out->tokens, id, s, n);
    l->by_text[slot] = id + 1;
}

static void
start_tokens(struct learner *l)
{
    char bytes[256];
    uint32_t size = 1024;
    while (size < 2 * l->o->tokens)
        size *= 2;
    l->by_text = mem_zarray(size, sizeof *l->by_text);
    l->text_mask = size - 1;
    for (unsigned i = 0; i < 256; i++)
        bytes[l->o->byte_ids[i]] = (char)i;
    for (unsigned i = 0; i < 256; i++)
        add_token(l, &bytes[i], 1);
}

/* The token of two; a new one unless its text is there already. UINT32_MAX: taken. */
static uint32_t
joined_token(struct learner *l, uint32_t left, uint32_t right)
{
    size_t n = 0;
    str_clear(&l->text);
    const char *s = vocab_get(&l->out->tokens, left, &n);
    str_add(&l->text, s, n);
    s = vocab_get(&l->out->tokens, right, &n);
    str_add(&l->text, s, n);
    if (l->o->taken && vocab_find(l->o->taken, l->text.data, l->text.len) != UINT32_MAX)
        return UINT32_MAX;
    uint32_t slot = text_slot(l, l->text.data, l->text.len);
    if (!l->by_text[slot])
        add_token(l, l->text.data, l->text.len);
    return l->by_text[slot] - 1;
}

/* ---- the loop ---- */

static void
merge_pair(struct learner *l, uint32_t index, uint32_t result)
{
    struct pair p = l->pairs.data[index];
    l->pairs.data[index].words = NULL;
    l->pairs.data[index].words_len = l->pairs.data[index].words_cap = 0;
    l->pairs.data[index].count = 0;
    vec_clear(&l->touched);
    for (uint32_t i = 0; i < p.words_len; i++)
        merge_word(l, p.words[i], p.left, p.right, result);
    free(p.words);
    for (size_t i = 0; i < l->touched.len; i++) {
        l->pairs.data[l->touched.data[i]].touched = false;
        push_pair(l, l->touched.data[i]);
    }
}

static void
learn(struct learner *l)
{
    uint32_t all = l->o->tokens > 256 ? l->o->tokens - 256 : 0;
    while (l->out->tokens.entries.len < l->o->tokens && l->heap.len > 0) {
        struct candidate top = heap_pop(l);
        struct pair *p = &l->pairs.data[top.pair];
        if (top.count != p->count) {
            push_pair(l, top.pair); /* out of date */
            continue;
        }
        if ((uint64_t)top.count < l->o->min_frequency)
            break;
        uint32_t result = joined_token(l, top.left, top.right);
        if (result == UINT32_MAX) {
            p->count = 0;
            continue;
        }
        if (!p->merged)
            vec_push(&l->out->merges, ((struct bpe_merge){top.left, top.right, result,
                                                            (uint32_t)l->out->merges.len}));
        p->merged = true;
        merge_pair(l, top.pair, result);
        if (l->o->progress)
            l->o->progress((uint32_t)l->out->tokens.entries.len - 256, all);
    }
}

void
bpe_learn(struct piece_counts *pieces, const struct bpe_learn_options *o, struct bpe_learned *out)
{
    struct learner l = {.o = o, .out = out};
    start_tokens(&l);
    grow_slots(&l);
    take_words(&l, pieces);
    count_pairs(&l);
    learn(&l);
    for (size_t i = 0; i < l.pairs.len; i++)
        free(l.pairs.data[i].words);
    vec_release(&l.pairs);
    vec_release(&l.words);
    vec_release(&l.heap);
    vec_release(&l.touched);
    str_release(&l.text);
    free(l.tokens);
    free(l.slots);
    free(l.by_text);
}

void
bpe_learned_release(struct bpe_learned *l)
{
    vocab_release(&l->tokens);
    vec_release(&l->merges);
}
