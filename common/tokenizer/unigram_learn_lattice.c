#include "tokenizer/unigram_learn_lattice.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

/* ---- the trie: a hash table from (node, symbol) to the child ---- */

enum { SYMBOL_BITS = 16, NODE_BITS = 24 };

static uint64_t
slot_of(const struct symbol_trie *t, uint64_t key)
{
    return (key * 0x9E3779B97F4A7C15u) >> 24 & t->mask;
}

static uint32_t
child_of(const struct symbol_trie *t, uint32_t node, unigram_symbol symbol)
{
    uint64_t key = (uint64_t)node << SYMBOL_BITS | symbol;

    for (uint64_t i = slot_of(t, key);; i = (i + 1) & t->mask) {
        if (!t->slots[i])
            return UINT32_MAX;
        if (t->slots[i] >> NODE_BITS == key)
            return t->slots[i] & EDGE_PIECE;
    }
}

static void
add_child(struct symbol_trie *t, uint32_t node, unigram_symbol symbol, uint32_t child)
{
    uint64_t key = (uint64_t)node << SYMBOL_BITS | symbol, i = slot_of(t, key);

    while (t->slots[i])
        i = (i + 1) & t->mask;
    t->slots[i] = key << NODE_BITS | child;
}

/* Pieces by length, so that a piece's node is never there before the piece. */
static uint32_t *
by_length(const struct unigram_pieces *p)
{
    size_t first[UNIGRAM_LENGTH_MOST + 2] = {0};
    uint32_t *order = mem_array(p->strings.len, sizeof *order);

    for (size_t i = 0; i < p->strings.len; i++)
        first[p->strings.data[i].length + 1]++;
    for (size_t i = 1; i < sizeof first / sizeof *first; i++)
        first[i] += first[i - 1];
    for (size_t i = 0; i < p->strings.len; i++)
        order[first[p->strings.data[i].length]++] = (uint32_t)i;
    return order;
}

static bool
add_piece(struct symbol_trie *t, const unigram_symbol *s, uint32_t length, uint32_t piece)
{
    uint32_t node = s[0] - 1u;

    for (uint32_t i = 1; i + 1 < length; i++) {
        uint32_t child = child_of(t, node, s[i]);

        if (child == UINT32_MAX) {
            if (t->nodes > EDGE_PIECE)
                return false;
            child = t->nodes++;
            add_child(t, node, s[i], child);
        }
        node = child;
    }
    if (length > 1)
        add_child(t, node, s[length - 1], piece);
    return true;
}

bool
symbol_trie_build(struct symbol_trie *t, const struct unigram_pieces *p)
{
    uint64_t symbols = 0, size = 1024;
    uint32_t *order = by_length(p);
    bool fits = p->strings.len <= EDGE_PIECE;

    for (size_t i = 0; i < p->strings.len; i++)
        symbols += p->strings.data[i].length;
    /* Prefixes are shared: the nodes are far fewer than the symbols, but may be as many. */
    while (size < 2 * symbols && size < 4u << NODE_BITS)
        size *= 2;
    *t = (struct symbol_trie){.pieces = (uint32_t)p->strings.len, .mask = size - 1};
    t->nodes = t->pieces;
    t->slots = mem_zarray(size, sizeof *t->slots);
    for (size_t i = 0; i < p->strings.len && fits; i++) {
        const struct unigram_string *s = &p->strings.data[order[i]];

        fits = add_piece(t, p->text.data + s->start, s->length, order[i]);
        t->longest = s->length > t->longest ? s->length : t->longest;
    }
    free(order);
    if (!fits)
        symbol_trie_release(t);
    return fits;
}

void
symbol_trie_release(struct symbol_trie *t)
{
    free(t->slots);
    *t = (struct symbol_trie){0};
}

/* ---- building ---- */

enum { BLOCK_WORDS = 4096 };

struct build {
    struct lattices *l;
    const struct symbol_trie *t;
    const unigram_symbol *text;
    const struct unigram_word *words;
    size_t n;
    const uint32_t *names;
    bool owned;
};

static void
add_places(struct lattice_block *b, const struct symbol_trie *t, const unigram_symbol *s,
           uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t node = s[i] - 1u, most = n - i < t->longest ? n - i : t->longest;

        vec_reserve(&b->edges, (size_t)most + 1);
        b->edges.data[b->edges.len++] = node | 1u << EDGE_PIECE_BITS;
        for (uint32_t length = 2; length <= most; length++) {
            node = child_of(t, node, s[i + length - 1]);
            if (node == UINT32_MAX)
                break;
            if (node < t->pieces)
                b->edges.data[b->edges.len++] = node | length << EDGE_PIECE_BITS;
        }
        b->edges.data[b->edges.len - 1] |= EDGE_LAST;
    }
}

static void
shrink(struct lattice_block *b)
{
    b->edges.cap = b->edges.len;
    b->edges.data = mem_grow_array(b->edges.data, b->edges.len + !b->edges.len,
                                   sizeof *b->edges.data);
}

static int
build_block(void *arg, size_t cell, int worker)
{
    const struct build *x = arg;
    struct lattice_block *b = &x->l->blocks[cell];
    size_t end = (cell + 1) * BLOCK_WORDS < x->n ? (cell + 1) * BLOCK_WORDS : x->n;

    (void)worker;
    for (size_t i = cell * BLOCK_WORDS; i < end; i++) {
        const struct unigram_word *w = &x->words[i];
        size_t before = b->edges.len;

        add_places(b, x->t, x->text + w->start, w->length);
        vec_push(&b->words, ((struct lattice_word){w->count, w->length,
                                                   (uint32_t)(b->edges.len - before)}));
    }
    shrink(b);
    return 0;
}

void
lattices_build(struct lattices *l, const struct symbol_trie *t, const unigram_symbol *text,
               const struct unigram_word *words, size_t n, struct threads *threads)
{
    struct build x = {.l = l, .t = t, .text = text, .words = words, .n = n};

    l->count = (n + BLOCK_WORDS - 1) / BLOCK_WORDS;
    l->blocks = mem_zarray(l->count + 1, sizeof *l->blocks);
    threads_run(threads, l->count, build_block, &x);
}

void
lattices_release(struct lattices *l)
{
    for (size_t i = 0; i < l->count; i++) {
        vec_release(&l->blocks[i].edges);
        vec_release(&l->blocks[i].words);
    }
    free(l->blocks);
    *l = (struct lattices){0};
}

/* Thins out the edges of one word, from `from` to `to`; returns how many are left. */
static uint32_t
rename_word(const uint32_t *names, const uint32_t *from, uint32_t n, uint32_t *to)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t e = from[i], name = names[e & EDGE_PIECE];

        if (name != UINT32_MAX)
            to[kept++] = name | (e & ~(uint32_t)EDGE_PIECE);
        else if (e & EDGE_LAST)
            to[kept - 1] |= EDGE_LAST; /* the character's edge at least is there */
    }
    return kept;
}

static int
rename_block(void *arg, size_t cell, int worker)
{
    const struct build *x = arg;
    struct lattice_block *b = &x->l->blocks[cell];
    const uint32_t *from = b->edges.data;
    size_t edges = 0, words = 0;

    (void)worker;
    for (size_t i = 0; i < b->words.len; i++) {
        struct lattice_word w = b->words.data[i];
        uint32_t n = w.edges, owner = x->owned ? x->names[w.count] : 0;

        if (owner != UINT32_MAX) {
            w.count = x->owned ? owner : w.count;
            w.edges = rename_word(x->names, from, n, b->edges.data + edges);
            edges += w.edges;
            b->words.data[words++] = w;
        }
        from += n;
    }
    b->edges.len = edges;
    b->words.len = words;
    if (edges < b->edges.cap / 4 * 3)
        shrink(b);
    return 0;
}

void
lattices_rename(struct lattices *l, const uint32_t *names, bool owned, struct threads *threads)
{
    struct build x = {.l = l, .names = names, .owned = owned};

    threads_run(threads, l->count, rename_block, &x);
}

/* ---- sums and best paths ---- */

void
lattice_scratch_release(struct lattice_scratch *s)
{
    free(s->forward);
    free(s->backward);
    free(s->share);
    free(s->from);
    free(s->shifts);
    *s = (struct lattice_scratch){0};
}

/* Room for a word of n symbols. */
static void
make_room(struct lattice_scratch *s, size_t n)
{
    if (n < s->places)
        return;
    s->places = 2 * n + 64;
    s->edges = s->places * 16;
    s->forward = mem_grow_array(s->forward, s->places, sizeof *s->forward);
    s->backward = mem_grow_array(s->backward, s->places, sizeof *s->backward);
    s->share = mem_grow_array(s->share, s->edges, sizeof *s->share);
    s->from = mem_grow_array(s->from, s->places, sizeof *s->from);
    s->shifts = mem_grow_array(s->shifts, s->places, sizeof *s->shifts);
}

static uint32_t
length_of(uint32_t edge)
{
    return edge >> EDGE_PIECE_BITS & EDGE_LENGTH;
}

/* forward[i]: the sum over all ways to i of the product of shares. Returns the edges. */
static size_t
sum_forward(const uint32_t *e, uint32_t n, const float *share, struct lattice_scratch *s)
{
    double *forward = s->forward;
    size_t k = 0;

    forward[0] = 1;
    for (uint32_t i = 1; i <= n; i++)
        forward[i] = 0;
    for (uint32_t i = 0; i < n; i++) {
        double here = forward[i];
        uint32_t edge;

        if (k + UNIGRAM_LENGTH_MOST > s->edges) {
            s->edges *= 2;
            s->share = mem_grow_array(s->share, s->edges, sizeof *s->share);
        }
        do {
            edge = e[k];
            s->share[k] = share[edge & EDGE_PIECE];
            forward[i + length_of(edge)] += here * (double)s->share[k];
            k++;
        } while (!(edge & EDGE_LAST));
    }
    return k;
}

/* The edges from the last to the first; `whole`: what the word adds up to. */
static void
sum_backward(const uint32_t *e, size_t edges, uint32_t n, double whole, struct lattice_scratch *s,
             uint64_t *expected)
{
    double *forward = s->forward, *backward = s->backward;
    uint32_t i = n - 1;
    double sum = 0, here = forward[i];

    backward[n] = whole / forward[n];
    for (size_t k = edges; k-- > 0;) {
        if (k + 1 < edges && (e[k] & EDGE_LAST)) { /* of the place before */
            backward[i] = sum;
            sum = 0;
            here = forward[--i];
        }
        double rest = (double)s->share[k] * backward[i + length_of(e[k])];

        sum += rest;
        expected[e[k] & EDGE_PIECE] += (uint64_t)(int64_t)(here * rest + 0.5);
    }
}

/*
 * The same where a product would fall below the range of a double: when all sums ahead
 * are below 2^-SHIFT they are multiplied by it, and shifts[i] says how often that was
 * done up to place i.
 */
enum { SHIFT = 200, SHIFTS_MOST = 250 };

static size_t
sum_forward_shifted(const uint32_t *e, uint32_t n, const float *share, struct lattice_scratch *s)
{
    double *forward = s->forward;
    uint8_t shifts = 0;
    size_t k = 0;

    forward[0] = 1;
    for (uint32_t i = 1; i <= n; i++)
        forward[i] = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t ahead = n - i < UNIGRAM_LENGTH_MOST ? n - i : UNIGRAM_LENGTH_MOST, edge;
        double most = 0;

        for (uint32_t j = i; forward[i] < ldexp(1, -SHIFT) && j <= i + ahead; j++)
            most = forward[j] > most ? forward[j] : most;
        if (most > 0 && most < ldexp(1, -SHIFT)) {
            for (uint32_t j = i; j <= i + ahead; j++)
                forward[j] = ldexp(forward[j], SHIFT);
            shifts++; /* wraps: only differences of near places are asked for */
        }
        s->shifts[i] = shifts;
        do {
            edge = e[k];
            forward[i + length_of(edge)] += forward[i] * (double)share[edge & EDGE_PIECE];
            k++;
        } while (!(edge & EDGE_LAST));
    }
    s->shifts[n] = shifts;
    return k;
}

static void
sum_backward_shifted(const uint32_t *e, size_t edges, uint32_t n, const float *share, double whole,
                     struct lattice_scratch *s, uint64_t *expected)
{
    double *forward = s->forward, *backward = s->backward;
    uint32_t i = n;

    for (uint32_t j = 0; j < n; j++)
        backward[j] = 0;
    backward[n] = whole / forward[n];
    for (size_t k = edges; k-- > 0;) {
        if (e[k] & EDGE_LAST)
            i--;
        uint32_t to = i + length_of(e[k]);
        uint8_t shifts = (uint8_t)(s->shifts[to] - s->shifts[i]);
        double rest = ldexp((double)share[e[k] & EDGE_PIECE], SHIFT * shifts) * backward[to];

        backward[i] += rest;
        expected[e[k] & EDGE_PIECE] += (uint64_t)(int64_t)(forward[i] * rest + 0.5);
    }
}

void
lattice_expect(const struct lattice_block *b, const float *share, int bits,
               struct lattice_scratch *s, uint64_t *expected)
{
    const uint32_t *e = b->edges.data;

    for (size_t w = 0; w < b->words.len; w++) {
        uint32_t n = b->words.data[w].length;
        double whole = ldexp((double)b->words.data[w].count, bits);

        make_room(s, n + UNIGRAM_LENGTH_MOST);
        size_t edges = sum_forward(e, n, share, s);
        if (s->forward[n] > 1e-100) {
            sum_backward(e, edges, n, whole, s, expected);
        } else {
            sum_forward_shifted(e, n, share, s);
            sum_backward_shifted(e, edges, n, share, whole, s, expected);
        }
        e += edges;
    }
}

/* The best way to each place; s->from has the edge it comes by. Returns the edges. */
static size_t
best_ways(const uint32_t *e, uint32_t n, bool whole, const float *score,
          struct lattice_scratch *s)
{
    double *best = s->forward;
    size_t k = 0;

    best[0] = 0;
    for (uint32_t i = 1; i <= n; i++)
        best[i] = -HUGE_VAL;
    for (uint32_t i = 0; i < n; i++) {
        double here = best[i];
        uint32_t edge;

        do {
            edge = e[k++];
            uint32_t to = i + length_of(edge);
            double sum = here + (double)score[edge & EDGE_PIECE];

            if (sum > best[to] && (whole || length_of(edge) < n)) {
                best[to] = sum;
                s->from[to] = edge;
            }
        } while (!(edge & EDGE_LAST));
    }
    return k;
}

void
lattice_best(const struct lattice_block *b, const float *score, struct lattice_scratch *s,
             uint64_t *counts)
{
    const uint32_t *e = b->edges.data;

    for (size_t w = 0; w < b->words.len; w++) {
        uint32_t n = b->words.data[w].length;

        make_room(s, n);
        e += best_ways(e, n, true, score, s);
        for (uint32_t at = n; at > 0; at -= length_of(s->from[at]))
            counts[s->from[at] & EDGE_PIECE] += b->words.data[w].count;
    }
}

double
lattice_second(const uint32_t *e, uint32_t length, const float *score, struct lattice_scratch *s,
               uint32_t *path, uint32_t *n)
{
    make_room(s, length);
    best_ways(e, length, false, score, s);
    *n = 0;
    if (s->forward[length] > -HUGE_VAL)
        for (uint32_t at = length; at > 0; at -= length_of(s->from[at]))
            path[(*n)++] = s->from[at] & EDGE_PIECE;
    return s->forward[length];
}
