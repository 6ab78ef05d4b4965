#include "shard/reader.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "shard/reader_state.h"

/*
 * Frames are read and checked in order on the caller's thread, span tables and
 * counts included; the DATA of each block is hashed, decompressed and unpacked by
 * workers. With one thread nothing is read ahead.
 */

static int
read_data(void *arg, int worker)
{
    struct read_job *job = arg;
    const struct shard_reader *r = job->reader;
    struct block_buffer *b = &job->buffer;
    if (block_buffer_decode(b, &r->head, job->skip_ids ? NULL : r->codecs[worker]) != 0)
        return reader_place(r, job->block.number, job->data_offset);
    job->block.ids = job->skip_ids ? NULL : b->ids;
    job->block.packed = job->skip_ids ? NULL : b->content;
    job->block.loss = job->skip_ids || !b->table.loss.len ? NULL : b->table.loss.data;
    return 0;
}

static void
free_jobs(struct shard_reader *r)
{
    ring_free(r->ring);
    for (size_t i = 0; i < r->job_count; i++)
        block_buffer_release(&r->jobs[i].buffer);
    free(r->jobs);
    for (int i = 0; i < r->threads; i++)
        codec_free(r->codecs[i]);
    free(r->codecs);
}

/* A job the caller looks at, one under way for each slot, one being filled. */
static void
make_jobs(struct shard_reader *r, int threads)
{
    size_t slots = threads < 2 ? 1 : (size_t)threads + 1;
    r->threads = threads;
    r->job_count = slots + 1;
    r->job_next = 0;
    r->jobs = mem_zarray(r->job_count, sizeof *r->jobs);
    for (size_t i = 0; i < r->job_count; i++) {
        r->jobs[i].reader = r;
        r->jobs[i].buffer.packed = r->packed;
    }
    r->codecs = mem_zarray((size_t)threads, sizeof *r->codecs);
    for (int i = 0; i < threads; i++)
        r->codecs[i] = codec_new();
    r->ring = ring_new(threads, slots, read_data);
}

void
shard_reader_threads(struct shard_reader *r, int threads)
{
    free_jobs(r);
    make_jobs(r, threads);
}

static struct shard_reader *
reader_new(const char *path, int fd)
{
    struct shard_reader *r = mem_zalloc(sizeof *r);
    r->in.fd = -1;
    if (window_open(&r->in, path, fd) == 0) {
        make_jobs(r, 1);
        return r;
    }
    free(r);
    return NULL;
}

struct shard_reader *
shard_reader_open(const char *path, int fd)
{
    struct shard_reader *r = reader_new(path, fd);
    while (r && !r->have_head)
        if (reader_step(r) < 0) {
            shard_reader_close(r);
            return NULL;
        }
    return r;
}

struct shard_reader *
shard_reader_open_damaged(const char *path, int fd)
{
    struct shard_reader *r = reader_new(path, fd);
    while (r && !r->have_head) {
        if (reader_step(r) >= 0)
            continue;
        r->frame_failed = true;
        if (err_status() == STATUS_INPUT && shard_reader_resync(r) > 0)
            continue;
        shard_reader_close(r);
        return NULL;
    }
    return r;
}

/* Reads frames until the ring is full or something ends it. */
static void
read_ahead(struct shard_reader *r)
{
    while (!r->ended && !r->failed && ring_pending(r->ring) < ring_slots(r->ring)) {
        int got = reader_step(r);
        if (got == STEP_END)
            r->ended = true;
        if (got >= 0)
            continue;
        r->failed = r->frame_failed = true;
        err_take(&r->error);
    }
}

int
shard_reader_next(struct shard_reader *r, struct shard_block *block)
{
    int status;
    read_ahead(r);
    struct read_job *job = ring_pop(r->ring, &status);
    if (job && status == 0) {
        *block = job->block;
        return 1;
    }
    if (job)
        return -1;
    if (r->failed) {
        err_give(&r->error);
        return -1;
    }
    return 0;
}

/* Is there a whole frame of ours with a good hash at the window's start? -1: I/O error. */
static int
good_frame_here(struct shard_reader *r)
{
    int64_t n = reader_check_frame(r);
    return n >= 0 ? n > 0 : err_status() == STATUS_INPUT ? 0 : -1;
}

int
shard_reader_resync(struct shard_reader *r)
{
    uint8_t magic[4];
    store_u32(magic, SHARD_MAGIC);
    if (r->frame_failed)
        window_skip(&r->in, 1);
    r->failed = r->frame_failed = r->have_block = false;
    r->damaged = true;
    for (;;) {
        ssize_t visible = window_need(&r->in, 1 << 16);
        if (visible < FRAME_HEADER + FRAME_TAG)
            return visible < 0 ? -1 : 0;
        const uint8_t *p = window_data(&r->in);
        const uint8_t *hit = memmem(p, (size_t)visible, magic, sizeof magic);
        window_skip(&r->in, hit ? (uint64_t)(hit - p) : (uint64_t)visible - 3);
        int good = hit ? good_frame_here(r) : 0;
        if (good != 0)
            return good;
        if (hit)
            window_skip(&r->in, 1);
    }
}

void
shard_reader_close(struct shard_reader *r)
{
    if (!r)
        return;
    free_jobs(r);
    for (size_t i = 0; i < r->sources.len; i++) {
        free(r->sources.data[i].name);
        free(r->sources.data[i].language);
    }
    vec_release(&r->sources);
    vec_release(&r->numbered);
    vec_release(&r->source_of);
    vec_release(&r->rows);
    vec_release(&r->foreign_before);
    free(r->head.provenance);
    free(r->segment_head.provenance);
    window_close(&r->in);
    free(r);
}

const struct shard_head *
shard_reader_head(const struct shard_reader *r)
{
    return &r->head;
}

void
shard_reader_skip_ids(struct shard_reader *r, bool skip)
{
    r->skip_ids = skip;
}

void
shard_reader_packed(struct shard_reader *r)
{
    r->packed = true;
    for (size_t i = 0; i < r->job_count; i++)
        r->jobs[i].buffer.packed = true;
}

void
shard_reader_skip_before(struct shard_reader *r, uint64_t position)
{
    r->skip_before = position;
}

size_t
shard_reader_sources(const struct shard_reader *r)
{
    return r->sources.len;
}

const struct shard_source *
shard_reader_source_at(const struct shard_reader *r, size_t i)
{
    return &r->sources.data[i];
}

const struct shard_totals *
shard_reader_totals(const struct shard_reader *r)
{
    return &r->totals;
}

uint64_t
shard_reader_foreign(const struct shard_reader *r)
{
    return r->foreign;
}

bool
shard_is_shard(int fd)
{
    uint8_t b[FRAME_HEADER + FRAME_TAG];
    return pread(fd, b, sizeof b, 0) == (ssize_t)sizeof b && load_u32(b) == SHARD_MAGIC &&
           memcmp(b + FRAME_HEADER, SHARD_TAG_HEAD, FRAME_TAG) == 0;
}
