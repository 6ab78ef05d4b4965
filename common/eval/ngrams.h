#ifndef EVAL_NGRAMS_H
#define EVAL_NGRAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "eval/pystr.h"

/*
 * Counting n-grams: symbols (words, characters) are numbered, so that n-grams compare as numbers.
 */

/* Numbers of words, 0, 1, 2 … in the order of their first appearance. */
struct word_numbers;
struct word_numbers *word_numbers_new(void);
void word_numbers_free(struct word_numbers *w);
uint32_t word_number(struct word_numbers *w, struct piece word); /* the bytes are copied */

/* An n-gram of at most NGRAM_MAX symbols, and how often it stands in a text. */
enum { NGRAM_MAX = 6 };
struct ngram {
    uint32_t symbols[NGRAM_MAX]; /* those behind the order are 0 */
    size_t count;
};
typedef VEC(struct ngram) ngram_counts;

/* The n-grams of `symbols`, sorted, each once: replaces *out. */
void ngrams_count(const struct ids *symbols, size_t order, ngram_counts *out);

/* The sum of all counts, and the sum of the smaller count of each n-gram that is in both. */
size_t ngrams_total(const ngram_counts *a);
size_t ngrams_common(const ngram_counts *a, const ngram_counts *b);

/* Each n-gram of `more` with the greater of both counts: *a stays sorted. */
void ngrams_maximum(ngram_counts *a, const ngram_counts *more);

/* Length of the longest common subsequence. O(|a| |b|). */
size_t common_subsequence(const struct ids *a, const struct ids *b);

#endif
