#ifndef TOKENIZER_PIECE_COUNTS_H
#define TOKENIZER_PIECE_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"

/*
 * How often each piece occurs: the distinct pieces in order of first use, their
 * bytes in one pool, and a hash table of their numbers. {0} is empty.
 */
struct piece_count {
    uint64_t count;
    uint64_t start; /* in pool */
    uint32_t length, hash;
};
struct piece_counts {
    struct str pool;
    VEC(struct piece_count) pieces;
    uint32_t *slots; /* index + 1; 0: empty */
    size_t size;     /* of slots: a power of two, or 0 */
};

void piece_counts_release(struct piece_counts *c);
void piece_counts_add(struct piece_counts *c, const char *piece, size_t n, uint64_t count);

/* Adds all of `from`, which becomes empty. */
void piece_counts_join(struct piece_counts *c, struct piece_counts *from);

/* How often a character occurs in the pieces. */
struct character_count {
    uint64_t count;
    uint32_t point;
};

/* The counts of all code points, [CLASS_CODE_POINTS], the caller's to free. Pieces are UTF-8. */
uint64_t *piece_counts_characters(const struct piece_counts *c);

/* For qsort: the most frequent first; of equally frequent ones the smaller code point. */
int character_count_order(const void *a, const void *b);

#endif
