#ifndef TOKENIZER_UNIGRAM_INTERNAL_H
#define TOKENIZER_UNIGRAM_INTERNAL_H

#include "tokenizer/char_trie.h"
#include "tokenizer/unigram.h"

/* What the files of the Unigram model share; nobody else includes this. */

struct unigram_tables {
    struct char_trie trie; /* of the tokens that are found in text */
    double *scores;        /* by id; behind them, minus infinity for the trie's other nodes */
    float *singles;        /* the same in float */
    double unk_score;      /* of a character that is no token */
    double largest;        /* absolute value of all of them */

    /*
     * A bit for each pair of codes that some token has side by side: of two common
     * characters at its own place, behind them by hash (a set bit may be another pair's).
     */
    uint64_t *pairs;
    uint32_t pair_shift; /* of the hash */
};
enum { COMMON_CODES = 512 };

/* The best path to a place of a text: its score, its last token and where that begins. */
struct place {
    double score, second; /* second: the next best path's; only unigram_estimate's */
    uint64_t from;        /* start << 32 | id; see place_from */
};

static inline uint64_t
place_from(size_t start, uint32_t id)
{
    return (uint64_t)start << 32 | id;
}

struct path_token {
    uint32_t start, end, id; /* characters start..end of the text */
};

struct places VEC_BODY(struct place);
struct path VEC_BODY(struct path_token);

/*
 * The best path of a text of n characters, given by their codes, whose score begins at
 * *score (which moves on to its end), in the peer's arithmetic. *path: its tokens, last
 * first. 0, or -1: an unknown character and no unknown token.
 */
int unigram_best(const struct unigram *u, struct places *places, const uint16_t *codes, size_t n,
                 double *score, struct path *path);

/*
 * The same in real numbers, as far as double can tell: *path, and in *limit how far from
 * zero a score may be when the text begins so that the peer's rounding cannot lead to
 * another path (below zero: never).
 */
int unigram_estimate(const struct unigram *u, struct places *places, const uint16_t *codes,
                     size_t n, struct path *path, double *limit);

/* SentencePiece begins sums anew, at zero, that are further from it than this. */
#define UNIGRAM_RESET 100000.0

/* Records that a character has no token and that there is no unknown one. Returns -1. */
int unigram_no_unk(void);

/* One token more: the sum as the peer has it. */
static inline double
add_score(double sum, double score, bool single)
{
    return single ? (double)((float)sum + (float)score) : sum + score;
}

static inline double
token_score(const struct unigram_tables *t, uint32_t id, bool single)
{
    return single ? (double)t->singles[id] : t->scores[id];
}

#endif
