#ifndef CHECKPOINT_HASHES_H
#define CHECKPOINT_HASHES_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/vec.h"
#include "checkpoint/slices.h"
#include "comm/comm.h"

/*
 * The hashes of a state's blocks, made by many ranks, brought together a range of blocks at a
 * time: no rank ever has the list of all.
 */

/* The hashes of blocks [first, first + count) of one array, made by this rank. */
struct hash_run {
    enum checkpoint_array array;
    int64_t first, count;
    const uint64_t *hash;
};

struct hash_runs VEC_BODY(struct hash_run);

/* Takes the hashes of blocks [first, first + count) of each array; ascending. */
typedef void (*hashes_sink)(void *arg, int64_t first, int64_t count,
                            const uint64_t *const hash[CHECKPOINT_ARRAYS]);

/*
 * Every block of every array must be in exactly one rank's runs; each rank's sink gets all of them.
 * Collective. 0, or -1: communication failed.
 */
int hashes_gather(struct comm *comm, const struct hash_run *run, size_t runs, int64_t blocks,
                  hashes_sink sink, void *arg);

/*
 * XXH3-128 over, for each block of the table in order, the XXH3-64 of its master weights, first and
 * second moments, then u64 step, u64 position; all little endian. The end frees the hasher.
 */
void state_hash_add(struct hasher *h, int64_t count, const uint64_t *const hash[CHECKPOINT_ARRAYS]);
struct hash128 state_hash_end(struct hasher *h, int64_t step, uint64_t position);

#endif
