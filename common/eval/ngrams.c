#include "eval/ngrams.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct word_numbers {
    uint32_t *slots;   /* number + 1, 0: free */
    size_t size;       /* a power of two */
    VEC(char *) bytes; /* of each word */
    piece_list words;  /* the same, with lengths */
};

struct word_numbers *
word_numbers_new(void)
{
    struct word_numbers *w = mem_zalloc(sizeof *w);
    w->size = 64;
    w->slots = mem_zarray(w->size, sizeof *w->slots);
    return w;
}

void
word_numbers_free(struct word_numbers *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->bytes.len; i++)
        free(w->bytes.data[i]);
    vec_release(&w->bytes);
    vec_release(&w->words);
    free(w->slots);
    free(w);
}

/* Where the word is, or where it belongs. */
static size_t
slot(const struct word_numbers *w, struct piece word)
{
    size_t at = hash64(word.data, word.n) & (w->size - 1);
    while (w->slots[at] && !piece_equal(w->words.data[w->slots[at] - 1], word))
        at = (at + 1) & (w->size - 1);
    return at;
}

static void
grow(struct word_numbers *w)
{
    w->size *= 2;
    free(w->slots);
    w->slots = mem_zarray(w->size, sizeof *w->slots);
    for (size_t i = 0; i < w->words.len; i++)
        w->slots[slot(w, w->words.data[i])] = (uint32_t)i + 1;
}

uint32_t
word_number(struct word_numbers *w, struct piece word)
{
    size_t at = slot(w, word);
    if (w->slots[at])
        return w->slots[at] - 1;
    char *bytes = mem_strndup(word.data, word.n);
    vec_push(&w->bytes, bytes);
    vec_push(&w->words, ((struct piece){bytes, word.n}));
    w->slots[at] = (uint32_t)w->words.len;
    uint32_t number = w->slots[at] - 1;
    if (w->words.len * 2 > w->size)
        grow(w);
    return number;
}

static int
compare(const void *a, const void *b)
{
    const struct ngram *x = a, *y = b;
    for (int i = 0; i < NGRAM_MAX; i++)
        if (x->symbols[i] != y->symbols[i])
            return x->symbols[i] < y->symbols[i] ? -1 : 1;
    return 0;
}

void
ngrams_count(const struct ids *symbols, size_t order, ngram_counts *out)
{
    size_t kept = 0;
    vec_clear(out);
    for (size_t i = 0; i + order <= symbols->len; i++) {
        struct ngram n = {.count = 1};
        memcpy(n.symbols, symbols->data + i, order * sizeof *n.symbols);
        vec_push(out, n);
    }
    if (!out->len)
        return;
    qsort(out->data, out->len, sizeof *out->data, compare);
    for (size_t i = 1; i < out->len; i++) {
        if (compare(&out->data[i], &out->data[kept]) == 0)
            out->data[kept].count++;
        else
            out->data[++kept] = out->data[i];
    }
    out->len = kept + 1;
}

size_t
ngrams_total(const ngram_counts *a)
{
    size_t total = 0;
    for (size_t i = 0; i < a->len; i++)
        total += a->data[i].count;
    return total;
}

size_t
ngrams_common(const ngram_counts *a, const ngram_counts *b)
{
    size_t common = 0;
    for (size_t i = 0, j = 0; i < a->len && j < b->len;) {
        int order = compare(&a->data[i], &b->data[j]);
        if (order == 0)
            common += a->data[i].count < b->data[j].count ? a->data[i].count : b->data[j].count;
        i += order <= 0;
        j += order >= 0;
    }
    return common;
}

void
ngrams_maximum(ngram_counts *a, const ngram_counts *more)
{
    ngram_counts merged = {0};
    for (size_t i = 0, j = 0; i < a->len || j < more->len;) {
        int order = i == a->len ? 1 : j == more->len ? -1 : compare(&a->data[i], &more->data[j]);
        struct ngram n = order <= 0 ? a->data[i] : more->data[j];
        if (order == 0 && more->data[j].count > n.count)
            n.count = more->data[j].count;
        vec_push(&merged, n);
        i += order <= 0;
        j += order >= 0;
    }
    vec_release(a);
    *a = merged;
}

size_t
common_subsequence(const struct ids *a, const struct ids *b)
{
    size_t *row = mem_zarray(b->len + 1, sizeof *row);
    for (size_t i = 0; i < a->len; i++) {
        size_t corner = 0;
        for (size_t j = 0; j < b->len; j++) {
            size_t above = row[j + 1];
            if (a->data[i] == b->data[j])
                row[j + 1] = corner + 1;
            else if (row[j] > above)
                row[j + 1] = row[j];
            corner = above;
        }
    }
    size_t length = row[b->len];
    free(row);
    return length;
}
