#ifndef TOKENIZER_BPE_ALPHABET_H
#define TOKENIZER_BPE_ALPHABET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "tokenizer/piece_counts.h"

/* The characters that get tokens of their own. */
struct bpe_alphabet {
    struct ids points; /* code points by falling counts, of equal ones the smaller first */
    uint32_t *units;   /* by code point: index into points; CELL_BORDER: none */
};

/*
 * Chooses the most frequent characters of the pieces that make up the share `coverage`
 * of the text, at most `limit` (0: no limit). ▁ is one in any case, NUL never. skip (may be
 * NULL) says which characters are left out and do not count.
 */
void bpe_alphabet_choose(struct bpe_alphabet *a, const struct piece_counts *pieces,
                         double coverage, uint64_t limit,
                         bool (*skip)(const void *arg, uint32_t point), const void *arg);
void bpe_alphabet_release(struct bpe_alphabet *a);

/* Units of a piece (bpe_cells.h); arg: the alphabet. */
size_t bpe_alphabet_units(const void *arg, const char *piece, size_t n, uint32_t *out);

#endif
