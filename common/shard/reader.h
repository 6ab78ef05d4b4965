#ifndef SHARD_READER_H
#define SHARD_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/format.h"

/*
 * Forward reader of a shard from a file or pipe, block by block, everything
 * checked: payload hashes, DATA hash, zstd checksum, ids hash, id < vocabulary,
 * counts, chain and the tail. Errors are STATUS_INPUT and read
 * "file: block 12: offset 345: fact". Several segments are one stream when they may
 * be joined (SHARD.md); source numbers are the reader's own, by name, across segments.
 */
struct shard_reader;

/* A part of a document that lies in one block. */
struct shard_span {
    uint32_t source;          /* index for shard_reader_source_at */
    uint32_t first, tokens;   /* within the block's ids */
    uint8_t flags;            /* enum span_flags */
    uint64_t bytes, hash;     /* when it begins its document */
    const uint32_t *minhash;  /* then too; NULL without MinHash */
};

struct shard_block {
    uint64_t number;          /* from 0 in the stream */
    uint64_t first_token;     /* in the stream */
    uint64_t first_document;
    uint32_t tokens, documents, spans; /* documents: begun here */
    const uint32_t *ids;      /* [tokens], or NULL */
    const uint8_t *packed;    /* [tokens * width] the same as they are stored, or NULL */
    const uint8_t *loss;      /* [tokens] 0/1, or NULL: all on */
    const struct shard_span *span; /* [spans] */
    uint64_t h;               /* this block's link of the chain */
    uint64_t offset;          /* of its BLOCK frame in the file or pipe */
};

/* path "-" is standard input. fd >= 0: reads that descriptor, path only names it. NULL on error. */
struct shard_reader *shard_reader_open(const char *path, int fd);

/*
 * The same for salvage: a damaged beginning is passed over up to the first whole
 * HEAD. NULL when there is none.
 */
struct shard_reader *shard_reader_open_damaged(const char *path, int fd);

/*
 * From now on blocks are read ahead and decoded by `threads` workers (1, the
 * default: nothing is read ahead). Before the first shard_reader_next. The totals
 * and sources below then run ahead of the block given, until the end.
 */
void shard_reader_threads(struct shard_reader *r, int threads);

/* The first segment's head. */
const struct shard_head *shard_reader_head(const struct shard_reader *r);

/*
 * 1: *block is the next block, valid until the next call; 0: the end, the tail
 * agreed; -1: error. `want_ids` false (see below) leaves ids and loss NULL and
 * skips decompression but not the DATA hash.
 */
int shard_reader_next(struct shard_reader *r, struct shard_block *block);
void shard_reader_skip_ids(struct shard_reader *r, bool skip);

/* From now on ids stay NULL and only `packed` is given (ids are still checked). Before the first shard_reader_next. */
void shard_reader_packed(struct shard_reader *r);

/* shard_reader_skip_ids for blocks that end at or before this position of the stream. */
void shard_reader_skip_before(struct shard_reader *r, uint64_t position);

size_t shard_reader_sources(const struct shard_reader *r);
const struct shard_source *shard_reader_source_at(const struct shard_reader *r, size_t i);

/* Totals of what was read so far; foreign frames skipped. */
const struct shard_totals *shard_reader_totals(const struct shard_reader *r);
uint64_t shard_reader_foreign(const struct shard_reader *r);

/* Continues after damage: finds the next whole block (salvage). 1 found, 0 none left, -1 I/O error. */
int shard_reader_resync(struct shard_reader *r);

void shard_reader_close(struct shard_reader *r);

/* Does the file begin with a shard's HEAD? Reads at most 16 bytes with pread; false on a pipe. */
bool shard_is_shard(int fd);

/* Would b's stream go on a's (fingerprint, vocabulary, special ids, seq_length, loss-mask flag)? 0, or -1 with STATUS_INPUT naming the field. */
int shard_head_joins(const struct shard_head *a, const struct shard_head *b);

/* Head and totals of a regular file from its tail(s), no block read. Sources are merged by name. */
struct shard_summary {
    struct shard_head head;
    struct shard_totals totals; /* chain: of the last segment */
    struct shard_source *sources;
    size_t source_count;
    uint64_t segments, file_bytes;
};
int shard_summarize(const char *path, struct shard_summary *out);
void shard_summary_release(struct shard_summary *s);

#endif
