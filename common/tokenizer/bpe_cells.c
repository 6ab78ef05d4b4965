#include "tokenizer/bpe_cells.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

/* Counts below it are sorted by counting, which nearly all of them are. */
enum { SMALL = 4096 };

struct order {
    uint64_t count;
    uint32_t piece;
};

static int
falling(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->piece < y->piece ? -1 : x->piece > y->piece;
}

static void
sort_large(const struct piece_counts *pieces, uint32_t *order, size_t n)
{
    struct order *large = mem_array(n + 1, sizeof *large);
    for (size_t i = 0; i < n; i++)
        large[i] = (struct order){pieces->pieces.data[order[i]].count, order[i]};
    qsort(large, n, sizeof *large, falling);
    for (size_t i = 0; i < n; i++)
        order[i] = large[i].piece;
    free(large);
}

/* 0: large, to be sorted among each other. */
static size_t
slot_of(uint64_t count)
{
    return count < SMALL ? SMALL - (size_t)count : 0;
}

/* The numbers of the pieces by falling counts. */
static uint32_t *
sort_pieces(const struct piece_counts *pieces)
{
    size_t n = pieces->pieces.len, first[SMALL + 2] = {0};
    uint32_t *order = mem_array(n + 1, sizeof *order);
    for (size_t i = 0; i < n; i++)
        first[slot_of(pieces->pieces.data[i].count) + 1]++;
    size_t large = first[1];
    for (size_t k = 1; k <= SMALL; k++)
        first[k] += first[k - 1];
    for (size_t i = 0; i < n; i++)
        order[first[slot_of(pieces->pieces.data[i].count)]++] = (uint32_t)i;
    sort_large(pieces, order, large);
    return order;
}

/* Appends a piece's words of at least two units, each behind a border. */
static void
add_words(struct bpe_cells *c, const uint32_t *units, size_t n, uint64_t count)
{
    uint32_t before = c->size;
    for (size_t i = 0, end; i < n; i = end + 1) {
        for (end = i; end < n && units[end] != CELL_BORDER; end++)
            ;
        for (size_t k = i; k < end && end - i > 1; k++)
            c->cells[c->size++] = units[k];
        if (end - i > 1)
            c->cells[c->size++] = CELL_BORDER;
    }
    if (c->size == before)
        return;
    if (c->weights.len && c->weights.data[c->weights.len - 1].count == count)
        c->weights.data[c->weights.len - 1].end = c->size;
    else
        vec_push(&c->weights, ((struct bpe_weight){c->size, count}));
}

int
bpe_cells_init(struct bpe_cells *c, struct piece_counts *pieces, bpe_units *units, const void *arg)
{
    size_t most = pieces->pool.len + pieces->pieces.len + 2, longest = 0;
    *c = (struct bpe_cells){0};
    if (most >= CELL_BORDER)
        return err_set(STATUS_FAILED, "%zu bytes of different pieces are more than can be trained "
                       "on: give a sample of the text (--sample)", pieces->pool.len);
    for (size_t i = 0; i < pieces->pieces.len; i++)
        if (pieces->pieces.data[i].length > longest)
            longest = pieces->pieces.data[i].length;
    uint32_t *order = sort_pieces(pieces), *buffer = mem_array(longest + 1, sizeof *buffer);
    free(pieces->slots);
    pieces->slots = NULL;
    c->cells = mem_array(most, sizeof *c->cells);
    c->cells[c->size++] = CELL_BORDER;
    for (size_t i = 0; i < pieces->pieces.len; i++) {
        const struct piece_count *p = &pieces->pieces.data[order[i]];
        size_t n = units(arg, pieces->pool.data + p->start, p->length, buffer);
        add_words(c, buffer, n, p->count);
    }
    c->cells[c->size] = CELL_BORDER; /* one more, to be read behind the last */
    free(order);
    free(buffer);
    piece_counts_release(pieces);
    return 0;
}

void
bpe_cells_release(struct bpe_cells *c)
{
    free(c->cells);
    vec_release(&c->weights);
    *c = (struct bpe_cells){0};
}
