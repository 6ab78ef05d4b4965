#ifndef SHARD_SPANS_H
#define SHARD_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "shard/frame.h"
#include "shard/reader.h"

/*
 * The span table of a BLOCK: which document, source and loss mask the ids of the
 * block belong to. Internal to common/shard.
 */

/* A block's table, taken apart. Sources are those of the segment (on disk). */
struct span_table {
    VEC(struct shard_span) spans;
    VEC(uint32_t) minhash; /* bands x rows values a document begun; spans point here */
    VEC(uint8_t) loss;     /* [tokens] with the loss mask, else empty */
};

/* Appends one span; loss NULL: all on; minhash as the head says. */
void span_encode(struct str *table, const struct shard_head *head, uint32_t tokens,
                 uint32_t source, uint8_t flags, const struct shard_span *begins,
                 const uint8_t *loss);

/* Reads b's table whole, with every check that needs no other block. 0 or -1 with the fact alone. */
int span_table_decode(const struct block_fields *b, const struct shard_head *head,
                      struct span_table *out);
void span_table_release(struct span_table *t);

#endif
