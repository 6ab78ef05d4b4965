#include "checkpoint/held.h"

/* Lists of what a rank has or wants, from the blocks of its part. */

/* Is extent e of a block among the rows that this rank counts? */
static bool
is_counted(const struct params *part, const struct param_block *b)
{
    return part->param[b->param].whole.run[b->run].counted;
}

void
held_add_blocks(struct held_list *l, const struct params *part, int64_t first, int64_t last,
                const float *const array[CHECKPOINT_ARRAYS])
{
    for (int64_t i = first; i < last; i++) {
        struct extent e[BLOCK_EXTENTS];
        struct param_block b;
        params_block(part, i, &b);
        if (!is_counted(part, &b))
            continue;
        int n = params_block_extents(part, i, e);
        for (int k = 0; k < n; k++) {
            struct held h = {.at = e[k]};
            for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
                h.array[a] = array[a] ? array[a] + e[k].local : NULL;
            vec_push(l, h);
        }
    }
}

void
wanted_add_blocks(struct wanted_list *l, const struct params *part, int64_t first, int64_t last,
                  float *const array[CHECKPOINT_ARRAYS])
{
    for (int64_t i = first; i < last; i++) {
        struct extent e[BLOCK_EXTENTS];
        int n = params_block_extents(part, i, e);
        for (int k = 0; k < n; k++) {
            struct wanted w = {.at = e[k]};
            for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
                w.array[a] = array[a] ? array[a] + e[k].local : NULL;
            vec_push(l, w);
        }
    }
}
