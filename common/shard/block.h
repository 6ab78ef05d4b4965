#ifndef SHARD_BLOCK_H
#define SHARD_BLOCK_H

#include "base/str.h"
#include "shard/codec.h"
#include "shard/frame.h"
#include "shard/spans.h"

/* One block's frames and what they decode to; reused from block to block. Internal to common/shard. */
struct block_buffer {
    struct block_fields fields;
    struct span_table table;
    struct str data; /* the DATA frame */
    bool packed;     /* ids are not unpacked; set before the first use */
    uint32_t *ids;   /* [fields.tokens] */
    uint8_t *content; /* the same, width bytes each */
    size_t room;     /* tokens that ids and content have room for */
};

/*
 * Checks `data` against `fields` and unpacks the ids (codec NULL: only the DATA
 * frame's hash is checked). 0 or -1 with the fact alone.
 */
int block_buffer_decode(struct block_buffer *b, const struct shard_head *head,
                        struct codec *codec);
void block_buffer_release(struct block_buffer *b);

#endif
