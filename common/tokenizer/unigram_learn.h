#ifndef TOKENIZER_UNIGRAM_LEARN_H
#define TOKENIZER_UNIGRAM_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/threads.h"
#include "base/vec.h"
#include "tokenizer/piece_counts.h"

/*
 * What the files of the Unigram trainer share: counted words over a numbered alphabet,
 * and the steps from them to a vocabulary. All results depend on the words and counts
 * alone: weights are integers, and sums of probabilities are kept in fixed point, so
 * that neither the order of the words nor the threads change a bit.
 */

/* A character's number from 1; 0 ends a word. Number 1 is the space, written ▁. */
typedef uint16_t unigram_symbol;
enum { UNIGRAM_SPACE = 1, UNIGRAM_SYMBOLS_MOST = 65000, UNIGRAM_LENGTH_MOST = 127,
       UNIGRAM_PIECES_MOST = 1 << 23 };

struct unigram_word {
    uint64_t count;
    uint32_t start, length; /* in text; an end (0) follows */
};

struct unigram_corpus {
    VEC(unigram_symbol) text; /* four more zeros behind it */
    VEC(struct unigram_word) words;
    uint32_t symbols;   /* numbers 1 … symbols are in use */
    uint32_t *points;   /* [symbols + 1]: the code point of each */
    uint64_t *counts;   /* [symbols + 1]: how often it occurs */
    uint64_t weight;    /* characters, each as often as its word */
};

struct unigram_alphabet_options {
    double coverage;       /* the most frequent characters up to this share of the text */
    uint64_t limit;        /* at most so many; 0: no limit */
    const char *always;    /* characters taken in any case */
};

/*
 * Numbers the characters and turns the pieces, which are used up, into words; these are
 * cut where a character has no number, which is left out. 0, or -1: more words than
 * 32-bit positions hold (STATUS_FAILED).
 */
int unigram_corpus_build(struct unigram_corpus *c, struct piece_counts *pieces,
                         const struct unigram_alphabet_options *o);
void unigram_corpus_release(struct unigram_corpus *c);

/* A string of the corpus, or a piece: symbols text[start .. start + length). */
struct unigram_string {
    uint64_t weight; /* a seed's: occurrences × length */
    uint32_t start;
    uint32_t length;
};
struct unigram_strings VEC_BODY(struct unigram_string);

struct unigram_seed_options {
    size_t most;      /* strings */
    uint64_t least;   /* occurrences of each */
    uint32_t longest; /* symbols, ≤ UNIGRAM_LENGTH_MOST */
    bool spaces_inside; /* a space may stand within a piece, not at its end */
    void (*progress)(const char *phase, uint64_t done, uint64_t all);
};

/*
 * The strings of two symbols or more that are worth most (occurrences × length), best
 * first: those that stand between different things, the end of a word differing from
 * all (maximal repeats).
 */
void unigram_seed(const struct unigram_corpus *c, const struct unigram_seed_options *o,
                  struct threads *threads, struct unigram_strings *out);

/* A vocabulary while it is learned: the characters come first, piece s - 1 is symbol s. */
struct unigram_pieces {
    VEC(unigram_symbol) text;
    VEC(struct unigram_string) strings;
    float *score; /* natural logarithms */
    float *share; /* their exponentials; 0: the piece has been dropped */
    uint8_t *dropped;
    uint32_t characters; /* of the pieces, the first so many */
};
void unigram_pieces_release(struct unigram_pieces *p);

struct unigram_learn_options {
    size_t target;        /* pieces to end with, all characters among them */
    size_t stop;          /* rounds end when so many are left */
    double shrink;        /* what a round keeps */
    int sub_iterations;
    struct unigram_seed_options seed;
};

struct unigram_learned_piece {
    uint32_t string; /* index */
    float score;
};
struct unigram_learned {
    struct unigram_pieces pieces;
    VEC(struct unigram_learned_piece) ranked; /* best first */
};

/*
 * Learns by expectation maximization (Kudo, ACL 2018). 0, or -1: the seeds do not fit
 * the tables (STATUS_USAGE). The corpus' text and words are released on the way.
 */
int unigram_learn(struct unigram_corpus *c, const struct unigram_learn_options *o,
                  struct threads *threads, struct unigram_learned *out);
void unigram_learned_release(struct unigram_learned *l);

#endif
