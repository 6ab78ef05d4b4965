#ifndef SHARD_INDEX_H
#define SHARD_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "shard/block.h"
#include "shard/reader.h"

/*
 * Random access to a regular file: its segments and blocks, found through the
 * tails from the end of the file, or, where foreign frames are in the way, by
 * hopping from frame to frame. Internal to common/shard.
 */
struct index_segment {
    struct shard_head head;
    uint64_t offset;       /* of HEAD */
    uint64_t end;          /* behind TAIL */
    size_t first_block;    /* in the index's blocks */
    uint64_t first_token, first_document; /* in the file */
    uint32_t *source_of;   /* its source ids to the index's */
    struct tail_fields tail; /* its rows point into payload */
    struct str payload;    /* TAIL's */
};

/* One block. Numbers are the segment's, but for the offset. */
struct index_block {
    uint64_t offset;       /* of its BLOCK frame in the file */
    uint64_t first_token;  /* in the file */
    uint64_t h;
};

struct shard_index {
    char *path;
    int fd;
    uint64_t file_bytes;
    VEC(struct index_segment) segments;
    VEC(struct index_block) blocks;
    VEC(struct shard_source) sources; /* merged by name */
    struct shard_totals totals;       /* chain: of the last segment */
};

/* 0, or -1 with nothing to release. */
int shard_index_open(struct shard_index *x, const char *path);
void shard_index_close(struct shard_index *x);

/*
 * Reads and checks block i: its table, with sources as the index numbers them, and
 * its ids. 0, or -1 with the block's place.
 */
int shard_index_read(const struct shard_index *x, size_t i, struct codec *codec,
                     struct block_buffer *out);

#endif
