#ifndef SHARD_WRITER_H
#define SHARD_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "shard/format.h"

/*
 * Writes one shard to a file or pipe without ever seeking. Blocks are compressed
 * on the writer's own worker threads and written in order; the bytes do not depend
 * on their number. Memory: a few blocks.
 */
struct shard_writer;

/* One document, or with `padding` ids that belong to none. */
struct shard_document {
    uint32_t source;            /* from shard_writer_source */
    const uint32_t *ids;
    size_t tokens;              /* 0 is allowed */
    uint64_t bytes;             /* of its UTF-8 text */
    uint64_t hash;              /* XXH3-64 of that text */
    const uint32_t *minhash;    /* bands x rows values, or NULL */
    const uint8_t *loss;        /* per token 0/1, or NULL: all on; needs SHARD_LOSS_MASK when not all on */
    int padding;                /* nonzero: a padding span; bytes, hash, minhash unused */
};

/*
 * Takes over `out` (open; the caller still commits or abandons it) and copies
 * `head`, whose width is set from its vocabulary. level: zstd's (3 is the
 * format's habit; 0 stores without compression). threads >= 1. NULL on error.
 */
struct shard_writer *shard_writer_open(struct outfile *out, const struct shard_head *head, int level, int threads);

/*
 * Other limits than the format's, before the first document: smaller blocks and
 * segments let tests see every border. Readers take both.
 */
void shard_writer_limits(struct shard_writer *w, uint32_t block_tokens, uint32_t segment_blocks);

/* The number of the source `name` in this shard, new or known. Lowest free number first. */
uint32_t shard_writer_source(struct shard_writer *w, const char *name, const char *language);

/* Appends a document; an id >= vocabulary is an error. 0 or -1. */
int shard_writer_add(struct shard_writer *w, const struct shard_document *d);

/*
 * The same in pieces, for documents that do not fit in memory: begin, any number
 * of ids, end. bytes, hash and minhash are given at the beginning.
 */
int shard_writer_begin(struct shard_writer *w, const struct shard_document *d);
int shard_writer_ids(struct shard_writer *w, const uint32_t *ids, const uint8_t *loss, size_t n);
int shard_writer_end(struct shard_writer *w);

/* shard_writer_ids for ids in the shard's width that the caller vouches for: a reader of the same vocabulary gave them. */
int shard_writer_packed(struct shard_writer *w, const uint8_t *packed, const uint8_t *loss, size_t n);

/* Writes the last block and the tail; *totals may be NULL. Frees w always. 0 or -1. */
int shard_writer_close(struct shard_writer *w, struct shard_totals *totals);

/* Frees w without finishing the stream. */
void shard_writer_abandon(struct shard_writer *w);

#endif
