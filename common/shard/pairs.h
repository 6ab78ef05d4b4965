#ifndef SHARD_PAIRS_H
#define SHARD_PAIRS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Where the second text of a pair (SHARD_PAIRS) begins, by the document's loss mask [n]: it is off,
 * on, off, on, and the first run that is on ends the first text. 0: the mask is not that of a pair.
 */
size_t shard_pair_second(const uint8_t *loss, size_t n);

#endif
