#include "tokenizer/bpe_cache.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/mem.h"

void *
bpe_table_new(size_t bytes)
{
    enum { HUGE_PAGE = 2 << 20 };
    if (bytes < HUGE_PAGE)
        return mem_aligned(bytes);
    size_t whole = (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    void *table = aligned_alloc(HUGE_PAGE, whole);
    if (!table)
        return mem_aligned(bytes);
    madvise(table, whole, MADV_HUGEPAGE); /* a wish: may fail */
    return table;
}

static void *
zeroed(size_t bytes)
{
    return memset(bpe_table_new(bytes), 0, bytes);
}

void
bpe_cache_init(struct bpe_cache *c)
{
    c->sets = zeroed(SHORT_SETS * sizeof *c->sets);
    c->slots = zeroed(LONG_SLOTS * sizeof *c->slots);
}

void
bpe_cache_release(struct bpe_cache *c)
{
    free(c->sets);
    free(c->slots);
}
