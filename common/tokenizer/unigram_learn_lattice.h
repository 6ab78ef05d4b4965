#ifndef TOKENIZER_UNIGRAM_LEARN_LATTICE_H
#define TOKENIZER_UNIGRAM_LEARN_LATTICE_H

#include "tokenizer/unigram_learn.h"

/*
 * The lattices of many words: at each place the pieces that begin there, found once and
 * then only thinned out. Four bytes an edge: piece, length, and whether it is the last
 * of its place; the first of a place is the single character, which is always there.
 */
enum {
    EDGE_PIECE_BITS = 24,
    EDGE_PIECE = (1 << EDGE_PIECE_BITS) - 1,
    EDGE_LENGTH = 127 /* after shifting by EDGE_PIECE_BITS */
};
#define EDGE_LAST 0x80000000u

struct lattice_word {
    uint64_t count; /* the word's; or the piece that the word is */
    uint32_t length, edges;
};
struct lattice_block {
    VEC(uint32_t) edges;
    VEC(struct lattice_word) words;
};
struct lattices {
    struct lattice_block *blocks;
    size_t count;
};

/* The pieces by their symbols. Names below 1 << EDGE_PIECE_BITS only. */
struct symbol_trie {
    uint64_t *slots; /* node, symbol, child */
    uint64_t mask;
    uint32_t pieces, nodes; /* nodes below `pieces` are pieces, others lie between */
    uint32_t longest;
};
/* false: too many nodes */
bool symbol_trie_build(struct symbol_trie *t, const struct unigram_pieces *p);
void symbol_trie_release(struct symbol_trie *t);

/* Finds the edges of words[0..n), cut into blocks. */
void lattices_build(struct lattices *l, const struct symbol_trie *t, const unigram_symbol *text,
                    const struct unigram_word *words, size_t n, struct threads *threads);
void lattices_release(struct lattices *l);

/*
 * Renames the pieces of edges; those that become UINT32_MAX disappear. owned: `count` of
 * a word is a piece, too, with which the word disappears.
 */
void lattices_rename(struct lattices *l, const uint32_t *names, bool owned,
                     struct threads *threads);

/* Buffers of one worker. */
struct lattice_scratch {
    double *forward, *backward; /* by place */
    float *share;               /* by edge of the word */
    uint32_t *from;             /* by place: the edge that the best path comes by */
    uint8_t *shifts;            /* by place */
    size_t places, edges;
};
void lattice_scratch_release(struct lattice_scratch *s);

/*
 * Adds how often each piece is expected, in units of 2^-bits: each word's count times the
 * share of its segmentations that go by the piece (forward and backward sums).
 */
void lattice_expect(const struct lattice_block *b, const float *share, int bits,
                    struct lattice_scratch *s, uint64_t *expected);

/* Adds the word's count to each piece of its best segmentation (sums of scores). */
void lattice_best(const struct lattice_block *b, const float *score, struct lattice_scratch *s,
                  uint64_t *counts);

/*
 * Of one word, whose edges begin at e: its best segmentation without the edge that
 * spans it, in path[0..*n) from the last piece to the first. path has room for
 * `length` pieces. Returns its score; -INFINITY and *n 0: there is none.
 */
double lattice_second(const uint32_t *e, uint32_t length, const float *score,
                      struct lattice_scratch *s, uint32_t *path, uint32_t *n);

#endif
