#ifndef LLM_SHUFFLE_PAIR_H
#define LLM_SHUFFLE_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "shard/writer.h"

/* A document that is a pair (SHARD_PAIRS) while it comes. */
struct pair {
    struct shard_document document; /* source, bytes, hash */
    unsigned width;
    uint64_t most;        /* ids that two sequences hold; what is beyond is not kept */
    struct str ids, loss; /* [n][width], [n] */
    bool too_long;
};

struct pair *pair_new(uint64_t length, unsigned width); /* length: ids a sequence */
void pair_free(struct pair *p);
void pair_begin(struct pair *p, const struct shard_document *d);
void pair_add(struct pair *p, const uint8_t *packed, const uint8_t *loss, size_t n);

#endif
