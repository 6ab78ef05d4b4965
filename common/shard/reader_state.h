#ifndef SHARD_READER_STATE_H
#define SHARD_READER_STATE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/vec.h"
#include "shard/block.h"
#include "shard/frame.h"
#include "shard/reader.h"
#include "shard/ring.h"
#include "shard/window.h"

/* What reader.c (the interface) and reader_frames.c (the frames, in order) share. */

/* A block between its frames and the caller. */
struct read_job {
    struct shard_reader *reader;
    struct block_buffer buffer;
    struct shard_block block;
    uint64_t data_offset;
    bool skip_ids;
};

/* What reader_step met. */
enum step { STEP_FAILED = -1, STEP_END, STEP_HEAD, STEP_BLOCK, STEP_OTHER };

struct shard_reader {
    struct window in;
    struct shard_head head;          /* the first segment's */
    bool have_head, skip_ids, packed;
    bool damaged;                    /* resynced: counts may have gaps */
    struct shard_totals totals;
    uint64_t foreign, skip_before;
    VEC(struct shard_source) sources;

    /* The segment under way. */
    bool in_segment, more;
    struct shard_head segment_head;
    struct shard_totals segment;
    uint64_t segment_offset, segment_foreign, base_blocks, base_tokens, base_documents;
    VEC(struct tail_source) numbered; /* totals by the segment's source ids */
    VEC(uint32_t) source_of;          /* the segment's ids to ours */
    VEC(struct tail_block) rows;
    VEC(uint64_t) foreign_before;     /* bytes of foreign frames before each block */
    bool document_open;
    uint32_t document_source;

    bool have_block;                  /* a BLOCK was read, its DATA comes next */
    struct read_job *next_job;        /* the one it is in */
    bool frame_failed;                /* the frame at the window's start is bad */
    bool ended, failed;
    struct err error;                 /* met while reading ahead */
    struct ring *ring;
    struct read_job *jobs;
    size_t job_count, job_next;
    struct codec **codecs;
    int threads;
};

/* Reads one frame, checks it against all before, and pushes the DATA of blocks. */
int reader_step(struct shard_reader *r);

/*
 * The payload's bytes of our frame at the window's start, when the frame is whole
 * and its hash agrees; 0 when it is not one of ours; -1 with the error's place.
 */
int64_t reader_check_frame(struct shard_reader *r);

/* Puts "file: block 12: offset 345: " before the recorded fact. Returns -1. */
int reader_place(const struct shard_reader *r, uint64_t block, uint64_t offset);

#endif
