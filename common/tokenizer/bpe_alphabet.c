#include "tokenizer/bpe_alphabet.h"

#include <stdlib.h>

#include "base/mem.h"
#include "text/classes.h"
#include "tokenizer/bpe_cells.h"

enum { MARK_POINT = 0x2581 };

static void
add_unit(struct bpe_alphabet *a, uint32_t point)
{
    if (a->units[point] != CELL_BORDER)
        return;
    a->units[point] = (uint32_t)a->points.len;
    vec_push(&a->points, point);
}

void
bpe_alphabet_choose(struct bpe_alphabet *a, const struct piece_counts *pieces, double coverage,
                    uint64_t limit, bool (*skip)(const void *arg, uint32_t point), const void *arg)
{
    uint64_t *counts = piece_counts_characters(pieces), all = 0, sum = 0;
    VEC(struct character_count) found = {0};
    for (uint32_t c = 1; c < CLASS_CODE_POINTS; c++)
        if (counts[c] && !(skip && skip(arg, c))) {
            vec_push(&found, ((struct character_count){counts[c], c}));
            all += counts[c];
        }
    free(counts);
    if (found.len)
        qsort(found.data, found.len, sizeof *found.data, character_count_order);
    a->units = mem_array(CLASS_CODE_POINTS, sizeof *a->units);
    for (uint32_t c = 0; c < CLASS_CODE_POINTS; c++)
        a->units[c] = CELL_BORDER;
    if (!(skip && skip(arg, MARK_POINT)))
        add_unit(a, MARK_POINT);
    for (size_t i = 0; i < found.len; i++) {
        if ((double)sum >= coverage * (double)all || (limit && a->points.len >= limit))
            break;
        add_unit(a, found.data[i].point);
        sum += found.data[i].count;
    }
    vec_release(&found);
}

void
bpe_alphabet_release(struct bpe_alphabet *a)
{
    vec_release(&a->points);
    free(a->units);
    *a = (struct bpe_alphabet){0};
}

size_t
bpe_alphabet_units(const void *arg, const char *piece, size_t n, uint32_t *out)
{
    const struct bpe_alphabet *a = arg;
    size_t count = 0;
    for (size_t at = 0, used; at < n; at += used)
        out[count++] = a->units[text_peek(piece + at, &used)];
    return count;
}
