#ifndef TOKENIZER_PIECE_COUNTS_H
#define TOKENIZER_PIECE_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* How often each piece occurs: a hash table over a pool of bytes. {0} is empty. */
struct piece_count {
    uint64_t count; /* 0: an empty slot */
    uint64_t start; /* in pool */
    uint32_t length, hash;
};
struct piece_counts {
    struct str pool;
    struct piece_count *slots;
    size_t size, used; /* size: a power of two, or 0 */
};

void piece_counts_release(struct piece_counts *c);
void piece_counts_add(struct piece_counts *c, const char *piece, size_t n, uint64_t count);

/* Adds all of `from`, which becomes empty. */
void piece_counts_join(struct piece_counts *c, struct piece_counts *from);

#endif
