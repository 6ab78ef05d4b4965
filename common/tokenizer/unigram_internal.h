#ifndef TOKENIZER_UNIGRAM_INTERNAL_H
#define TOKENIZER_UNIGRAM_INTERNAL_H

#include "tokenizer/unigram.h"

/* What the files of the Unigram model share; nobody else includes this. */

struct unigram_tables {
    double *scores;   /* by id; single: floats' values */
    double unk_score; /* of a character that is no token */

    /* Pairs of characters that some token has side by side. */
    uint64_t ascii_pairs[128][2]; /* exact: of two ASCII characters */
    uint64_t *pairs;              /* of others: a bit by hash; a set bit may be another pair's */
    uint32_t pair_shift;          /* of the hash */
};

/* The best path to a place of a text: its score, its last token and where that begins. */
struct place {
    double score, second; /* second: the next best path's; only unigram_estimate's */
    uint32_t start, id;
};

struct path_token {
    uint32_t start, end, id; /* text[start..end) */
};

struct places VEC_BODY(struct place);
struct path VEC_BODY(struct path_token);

/*
 * The best path of text[0..n), whose score begins at *score (which moves on to its end),
 * in the peer's arithmetic. *path: its tokens, last first. 0, or -1: an unknown
 * character and no unknown token.
 */
int unigram_best(const struct unigram *u, struct places *places, const char *text, size_t n,
                 double *score, struct path *path);

/*
 * The same in real numbers, as far as double can tell: *path, and in *limit how far from
 * zero a score may be when the text begins so that the peer's rounding cannot lead to
 * another path (below zero: never).
 */
int unigram_estimate(const struct unigram *u, struct places *places, const char *text, size_t n,
                     struct path *path, double *limit);

/* SentencePiece begins sums anew, at zero, that are further from it than this. */
#define UNIGRAM_RESET 100000.0

#define UNIGRAM_NO_UNK_ERROR \
    "a character that is not in the vocabulary, which has no unknown token"

static inline size_t
char_length(unsigned char c)
{
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* One token more: the sum as the peer has it. */
static inline double
add_score(double sum, double score, bool single)
{
    return single ? (double)((float)sum + (float)score) : sum + score;
}

#endif
