#include "checkpoint/hashes.h"

#include <string.h>

#include "base/mem.h"

enum { GATHERED_BLOCKS = 32768 }; /* 768 KiB for the three arrays */

/* Copies what a run has of blocks [first, first + count). */
static void
copy_run(const struct hash_run *r, int64_t first, int64_t count, uint64_t *out)
{
    int64_t from = r->first > first ? r->first : first;
    int64_t to = r->first + r->count < first + count ? r->first + r->count : first + count;
    if (from < to)
        memcpy(out + (from - first), r->hash + (from - r->first),
               (size_t)(to - from) * sizeof *out);
}

int
hashes_gather(struct comm *comm, const struct hash_run *run, size_t runs, int64_t blocks,
              hashes_sink sink, void *arg)
{
    uint64_t *all = mem_array((size_t)CHECKPOINT_ARRAYS * GATHERED_BLOCKS, sizeof *all);
    int result = 0;
    for (int64_t first = 0, n; first < blocks && result == 0; first += n) {
        const uint64_t *hash[CHECKPOINT_ARRAYS];
        n = blocks - first < GATHERED_BLOCKS ? blocks - first : GATHERED_BLOCKS;
        memset(all, 0, (size_t)(CHECKPOINT_ARRAYS * n) * sizeof *all);
        for (size_t i = 0; i < runs; i++)
            copy_run(&run[i], first, n, all + run[i].array * n);
        for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
            hash[a] = all + a * n;
        result = comm_all_reduce(comm, all, (size_t)(CHECKPOINT_ARRAYS * n), COMM_U64, COMM_SUM);
        if (result == 0)
            sink(arg, first, n, hash);
    }
    free(all);
    return result;
}

void
state_hash_add(struct hasher *h, int64_t count, const uint64_t *const hash[CHECKPOINT_ARRAYS])
{
    for (int64_t i = 0; i < count; i++)
        for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
            hasher_add_u64(h, hash[a][i]);
}

struct hash128
state_hash_end(struct hasher *h, int64_t step, uint64_t position)
{
    hasher_add_u64(h, (uint64_t)step);
    hasher_add_u64(h, position);
    struct hash128 out = hasher_128(h);
    hasher_free(h);
    return out;
}
