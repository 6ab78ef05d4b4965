#ifndef TOKENIZER_BPE_CELLS_H
#define TOKENIZER_BPE_CELLS_H

#include <stddef.h>
#include <stdint.h>

#include "tokenizer/piece_counts.h"

/*
 * The words that merges are learned from, in one array: a cell for each unit and a
 * border before, between and behind words. A token of one unit is its id; one of n > 1
 * has its id in the first of its cells and CELL_INSIDE | n in the second and in the
 * last, so that its neighbours on both sides are found without knowing its word.
 * Words stand in order of falling counts: the count of a place is found in a short table.
 */
enum { CELL_BORDER = 0x7FFFFFFF };
#define CELL_INSIDE 0x80000000u

struct bpe_weight {
    uint32_t end; /* places below it count so often */
    uint64_t count;
};
struct bpe_cells {
    uint32_t *cells; /* [size] */
    uint32_t size;
    VEC(struct bpe_weight) weights; /* falling counts, rising ends */
};

/*
 * The units of one piece into out[0..n), n its bytes; returns how many. CELL_BORDER
 * parts a piece into several words.
 */
typedef size_t bpe_units(const void *arg, const char *piece, size_t n, uint32_t *out);

/* The pieces are used up. 0, or -1: more than 4 G units (STATUS_FAILED). */
int
bpe_cells_init(struct bpe_cells *c, struct piece_counts *pieces, bpe_units *units, const void *arg);
void bpe_cells_release(struct bpe_cells *c);

/* The place behind the token at `place`. */
static inline uint32_t
cell_after(const uint32_t *cells, uint32_t place)
{
    uint32_t inside = cells[place + 1];
    return place + (inside & CELL_INSIDE ? inside & ~CELL_INSIDE : 1);
}

/* The place of the token before the one at `place`; of a border if there is none. */
static inline uint32_t
cell_before(const uint32_t *cells, uint32_t place)
{
    uint32_t inside = cells[place - 1];
    return place - (inside & CELL_INSIDE ? inside & ~CELL_INSIDE : 1);
}

/* Makes the tokens at `place` and at `second`, which ends before `end`, one. */
static inline void
cell_join(uint32_t *cells, uint32_t place, uint32_t second, uint32_t end, uint32_t id)
{
    cells[place] = id;
    cells[second] = CELL_INSIDE; /* no id is left inside */
    cells[place + 1] = cells[end - 1] = CELL_INSIDE | (end - place);
}

/* The count of a place; *at: the index of a group at or before it, moved there. */
static inline uint64_t
cell_count(const struct bpe_cells *c, uint32_t place, size_t *at)
{
    const struct bpe_weight *w = c->weights.data;
    if (place >= w[*at].end) {
        size_t low = *at + 1, high = c->weights.len - 1;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (place < w[middle].end)
                high = middle;
            else
                low = middle + 1;
        }
        *at = low;
    }
    return w[*at].count;
}

#endif
