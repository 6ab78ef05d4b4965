#include "tokenizer/unigram_learn.h"

#include <string.h>

#include "base/mem.h"

/*
 * The seeds: maximal repeats, inner nodes of the suffix tree of all words, found without
 * building it.
 * Pieces have a greatest length, so suffixes are sorted by so many symbols only, those
 * of each first symbol apart (the unit of parallel work), four symbols at a time: a
 * group that shares a prefix is sorted by the next four, packed into 64 bits, and split
 * where they differ. Of each group occurrences × greatest length bounds what is below
 * it: hopeless ones are left early.
 */

enum { STEP = 4, RANK = 32 };

struct suffix {
    uint64_t key; /* the next four symbols, zeros behind an end */
    uint32_t at, weight; /* the weight of its word, at most UINT32_MAX: it only ranks seeds */
};

struct worker {
    struct unigram_strings found;
    uint64_t least; /* what is worth less is not among the best */
    struct suffix *suffixes;
    size_t room;
};

struct seeker {
    const struct unigram_corpus *c;
    const struct unigram_seed_options *o;
    uint32_t *at;      /* positions, those of one first symbol together */
    size_t *first;     /* [symbols + 2]: where a symbol's begin */
    uint32_t *order;   /* symbols, those that occur most first */
    uint32_t *rank;    /* of every RANKth position: the word */
    struct worker *workers;
    size_t done;
};

/* ---- the best ---- */

static int
compare_text(const unigram_symbol *text, const struct unigram_string *a,
             const struct unigram_string *b)
{
    for (uint32_t i = 0; i < a->length && i < b->length; i++)
        if (text[a->start + i] != text[b->start + i])
            return text[a->start + i] < text[b->start + i] ? -1 : 1;
    return a->length == b->length ? 0 : a->length < b->length ? -1 : 1;
}

static bool
is_better(const unigram_symbol *text, const struct unigram_string *a,
          const struct unigram_string *b)
{
    return a->weight != b->weight ? a->weight > b->weight : compare_text(text, a, b) < 0;
}

static void
swap(struct unigram_string *a, struct unigram_string *b)
{
    struct unigram_string t = *a;

    *a = *b;
    *b = t;
}

/* Moves the `most` best to the front (Hoare's selection); the strings all differ. */
static void
select_best(const unigram_symbol *text, struct unigram_string *s, size_t n, size_t most)
{
    size_t low = 0, high = n;

    while (high - low > 1) {
        struct unigram_string pivot = s[low + (high - low) / 2];
        size_t i = low, j = high - 1;

        for (;; i++, j--) {
            while (is_better(text, &s[i], &pivot))
                i++;
            while (is_better(text, &pivot, &s[j]))
                j--;
            if (i >= j)
                break;
            swap(&s[i], &s[j]);
        }
        /* s[low..i) are better than or equal to the pivot, s[i..high) not better. */
        if (i == low)
            i++;
        if (most < i)
            high = i;
        else
            low = i;
    }
}

static void
keep_best(const struct seeker *s, struct unigram_strings *found, uint64_t *least)
{
    size_t most = s->o->most;

    if (found->len <= most)
        return;
    select_best(s->c->text.data, found->data, found->len, most);
    found->len = most;
    *least = UINT64_MAX;
    for (size_t i = 0; i < most; i++)
        *least = found->data[i].weight < *least ? found->data[i].weight : *least;
}

/* Spaces stand at the beginning, or make up the whole string. */
static bool
has_place(const struct seeker *s, uint32_t at, uint32_t length)
{
    const unigram_symbol *text = s->c->text.data + at;
    uint32_t spaces = 0;

    for (uint32_t i = 0; i < length; i++)
        spaces += text[i] == UNIGRAM_SPACE;
    if (spaces == length)
        return true;
    if (s->o->spaces_inside)
        return text[length - 1] != UNIGRAM_SPACE;
    return spaces == (text[0] == UNIGRAM_SPACE);
}

static void
take(const struct seeker *s, struct worker *w, uint32_t at, uint32_t length, uint64_t weight)
{
    if (length < 2 || weight < s->o->least || weight * length < w->least ||
        !has_place(s, at, length))
        return;
    vec_push(&w->found, ((struct unigram_string){weight * length, at, length}));
    if (w->found.len >= 2 * s->o->most + 1024)
        keep_best(s, &w->found, &w->least);
}

/* ---- sorting ---- */

static void
sort_few(struct suffix *g, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct suffix x = g[i];
        size_t j = i;

        for (; j > 0 && g[j - 1].key > x.key; j--)
            g[j] = g[j - 1];
        g[j] = x;
    }
}

static uint64_t
middle(uint64_t a, uint64_t b, uint64_t c)
{
    if (a > b) {
        uint64_t t = a;
        a = b;
        b = t;
    }
    return c <= a ? a : c >= b ? b : c;
}

/* Quicksort in three parts: many keys are equal. */
static void
sort_by_key(struct suffix *g, size_t n)
{
    while (n > 24) {
        uint64_t pivot = middle(g[n / 4].key, g[n / 2].key, g[n / 4 * 3].key);
        size_t low = 0, i = 0, high = n;

        while (i < high) {
            struct suffix x = g[i];

            if (x.key < pivot) {
                g[i++] = g[low];
                g[low++] = x;
            } else if (x.key > pivot) {
                g[i] = g[--high];
                g[high] = x;
            } else {
                i++;
            }
        }
        if (low < n - high) {
            sort_by_key(g, low);
            g += high;
            n -= high;
        } else {
            sort_by_key(g + high, n - high);
            n = low;
        }
    }
    sort_few(g, n);
}

/* ---- the tree ---- */

static uint64_t
key_at(const unigram_symbol *text)
{
    uint64_t key = 0;

    for (int i = 0; i < STEP && text[i]; i++)
        key |= (uint64_t)text[i] << (48 - 16 * i);
    return key;
}

static unsigned
symbol_of(const struct suffix *s, unsigned k)
{
    return (unsigned)(s->key >> (48 - 16 * k)) & 0xFFFF;
}

static void
walk(const struct seeker *s, struct worker *w, struct suffix *g, size_t n, uint32_t depth);

/* What stands before a suffix; 0: it is the whole word. */
static unsigned
before(const struct seeker *s, const struct suffix *g)
{
    return g->at ? s->c->text.data[g->at - 1] : 0;
}

/* What always stands behind the same symbol is worth less than with it. */
static bool
differ_before(const struct seeker *s, const struct suffix *g, size_t n)
{
    unsigned first = before(s, g);

    for (size_t i = 1; i < n && first; i++)
        if (before(s, &g[i]) != first)
            return true;
    return !first;
}

/* A suffix that has no equal: the whole of a word, when that is short enough. */
static void
walk_one(const struct seeker *s, struct worker *w, const struct suffix *g, uint32_t depth)
{
    const unigram_symbol *text = s->c->text.data + g->at;

    while (depth <= s->o->longest && text[depth])
        depth++;
    if (depth <= s->o->longest && !before(s, g))
        take(s, w, g->at, depth, g->weight);
}

/* g[0..n) share depth + k symbols and are sorted by their keys, the symbols from depth on. */
static void
branch(const struct seeker *s, struct worker *w, struct suffix *g, size_t n, uint32_t depth,
       unsigned k)
{
    uint32_t length = depth + k, longest = s->o->longest;
    uint64_t weight = 0;
    size_t i = 0, j;

    if (n == 1) {
        walk_one(s, w, g, length);
        return;
    }
    for (i = 0; i < n; i++)
        weight += g[i].weight;
    if (weight < s->o->least || weight * longest < w->least || length > longest)
        return;
    if ((!symbol_of(&g[0], k) || symbol_of(&g[0], k) != symbol_of(&g[n - 1], k)) &&
        differ_before(s, g, n))
        take(s, w, g->at, length, weight);
    for (i = 0; i < n && !symbol_of(&g[i], k); i++)
        ;
    for (; i < n; i = j) {
        unsigned symbol = symbol_of(&g[i], k);

        for (j = i + 1; j < n && symbol_of(&g[j], k) == symbol; j++)
            ;
        if (k + 1 < STEP)
            branch(s, w, g + i, j - i, depth, k + 1);
        else
            walk(s, w, g + i, j - i, depth + STEP);
    }
}

/* g[0..n) share `depth` symbols. */
static void
walk(const struct seeker *s, struct worker *w, struct suffix *g, size_t n, uint32_t depth)
{
    if (depth > s->o->longest)
        return;
    if (n == 1) {
        walk_one(s, w, g, depth);
        return;
    }
    for (size_t i = 0; i < n; i++)
        g[i].key = key_at(s->c->text.data + g[i].at + depth);
    sort_by_key(g, n);
    branch(s, w, g, n, depth, 0);
}

static uint32_t
weight_at(const struct seeker *s, uint32_t at)
{
    const struct unigram_word *words = s->c->words.data;
    uint32_t word = s->rank[at / RANK];

    while (words[word].start + words[word].length <= at)
        word++;
    return words[word].count < UINT32_MAX ? (uint32_t)words[word].count : UINT32_MAX;
}

static int
walk_symbol(void *arg, size_t cell, int worker)
{
    struct seeker *s = arg;
    struct worker *w = &s->workers[worker];
    uint32_t symbol = s->order[cell];
    const uint32_t *at = s->at + s->first[symbol];
    size_t n = s->first[symbol + 1] - s->first[symbol];

    if (n > w->room) {
        free(w->suffixes);
        w->room = n;
        w->suffixes = mem_array(n, sizeof *w->suffixes);
    }
    for (size_t i = 0; i < n; i++)
        w->suffixes[i] = (struct suffix){0, at[i], weight_at(s, at[i])};
    if (n)
        walk(s, w, w->suffixes, n, 1);
    size_t done = __atomic_add_fetch(&s->done, n, __ATOMIC_RELAXED);
    if (worker == 0 && s->o->progress)
        s->o->progress("seed", done, s->first[s->c->symbols + 1]);
    return 0;
}

/* ---- all of it ---- */

static void
group_positions(struct seeker *s)
{
    const struct unigram_corpus *c = s->c;
    size_t *next = mem_zarray(c->symbols + 2, sizeof *next);

    s->first = mem_zarray(c->symbols + 2, sizeof *s->first);
    for (size_t i = 0; i < c->text.len; i++)
        if (c->text.data[i])
            s->first[c->text.data[i] + 1]++;
    for (uint32_t i = 1; i < c->symbols + 2; i++)
        s->first[i] += s->first[i - 1];
    memcpy(next, s->first, (c->symbols + 2) * sizeof *next);
    s->at = mem_array(s->first[c->symbols + 1] + 1, sizeof *s->at);
    for (size_t i = 0; i < c->text.len; i++)
        if (c->text.data[i])
            s->at[next[c->text.data[i]]++] = (uint32_t)i;
    free(next);
}

static void
rank_words(struct seeker *s)
{
    const struct unigram_corpus *c = s->c;
    uint32_t word = 0;

    s->rank = mem_array(c->text.len / RANK + 1, sizeof *s->rank);
    for (size_t at = 0; at < c->text.len; at += RANK) {
        while (word + 1 < c->words.len &&
               c->words.data[word].start + c->words.data[word].length <= at)
            word++;
        s->rank[at / RANK] = word;
    }
}

static int
compare_symbols(const void *a, const void *b, void *arg)
{
    const struct seeker *s = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    size_t m = s->first[x + 1] - s->first[x];
    size_t n = s->first[y + 1] - s->first[y];

    return m != n ? (m < n ? 1 : -1) : x < y ? -1 : x > y;
}

static int
compare_found(const void *a, const void *b, void *arg)
{
    const unigram_symbol *text = arg;

    return is_better(text, a, b) ? -1 : is_better(text, b, a);
}

void
unigram_seed(const struct unigram_corpus *c, const struct unigram_seed_options *o,
             struct threads *threads, struct unigram_strings *out)
{
    struct seeker s = {.c = c, .o = o};
    int workers = threads_count(threads);
    uint64_t least = 0;

    s.workers = mem_zarray((size_t)workers, sizeof *s.workers);
    s.order = mem_array(c->symbols + 1, sizeof *s.order);
    for (uint32_t i = 0; i < c->symbols; i++)
        s.order[i] = i + 1;
    group_positions(&s);
    rank_words(&s);
    qsort_r(s.order, c->symbols, sizeof *s.order, compare_symbols, &s);
    threads_run(threads, c->symbols, walk_symbol, &s);
    for (int i = 0; i < workers; i++) {
        struct worker *w = &s.workers[i];

        for (size_t k = 0; k < w->found.len; k++)
            vec_push(out, w->found.data[k]);
        vec_release(&w->found);
        free(w->suffixes);
    }
    keep_best(&s, out, &least);
    if (out->len)
        qsort_r(out->data, out->len, sizeof *out->data, compare_found, c->text.data);
    free(s.workers);
    free(s.order);
    free(s.first);
    free(s.at);
    free(s.rank);
}
