#include "shard/reader.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"
#include "shard/codec.h"
#include "shard/frame.h"
#include "shard/input.h"
#include "shard/ring.h"
#include "shard/spans.h"

/*
 * Frames are read and checked in order on the caller's thread, span tables and
 * counts included; the DATA of each block is hashed, decompressed and unpacked by
 * workers. With one thread nothing is read ahead.
 */

/* A block between its frames and the caller. */
struct read_job {
    struct shard_reader *reader;
    struct block_fields fields;
    struct span_table table;
    struct shard_block block;
    struct str data;       /* the DATA frame */
    uint64_t data_offset;
    uint32_t vocabulary;
    uint8_t width;
    bool skip_ids;
    uint8_t *content;
    uint32_t *ids;
    size_t room;           /* tokens that content and ids have room for */
};

enum step { STEP_FAILED = -1, STEP_END, STEP_HEAD, STEP_BLOCK, STEP_OTHER };

struct shard_reader {
    struct input in;
    struct shard_head head;          /* the first segment's */
    bool have_head, skip_ids;
    bool damaged;                    /* resynced: counts may have gaps */
    struct shard_totals totals;
    uint64_t foreign;
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

typedef unsigned long long ull;

/* "file: block 12: offset 345: " before the recorded fact. */
static int
place(const struct shard_reader *r, uint64_t block, uint64_t offset)
{
    return err_prefix("%s: block %llu: offset %llu", r->in.path, (ull)block, (ull)offset);
}

static int
fail_here(struct shard_reader *r)
{
    return place(r, r->totals.blocks, r->in.offset);
}

static int
cut_short(struct shard_reader *r)
{
    err_set(STATUS_INPUT, "cut short inside a frame");
    return fail_here(r);
}

/* ---- the DATA of one block, on a worker ------------------------------------- */

static void
make_room(struct read_job *job)
{
    size_t tokens = job->fields.tokens;
    if (job->ids && job->room >= tokens)
        return;
    free(job->content);
    free(job->ids);
    job->room = tokens < SHARD_BLOCK_TOKENS ? SHARD_BLOCK_TOKENS : tokens;
    job->content = mem_array(job->room, 3);
    job->ids = mem_array(job->room, sizeof *job->ids);
}

static int
decode_ids(struct read_job *job, struct codec *codec)
{
    const struct block_fields *b = &job->fields;
    size_t n = (size_t)b->tokens * job->width;
    make_room(job);
    if (codec_decompress(codec, job->data.data, job->data.len, job->content, n) != 0)
        return -1;
    if (hash64(job->content, n) != b->ids_hash)
        return err_set(STATUS_INPUT, "hash of the ids differs");
    uint32_t largest = ids_unpack(job->content, b->tokens, job->width, job->ids);
    if (b->tokens && largest >= job->vocabulary)
        return err_set(STATUS_INPUT, "id %u is not below the vocabulary %u", largest,
                       job->vocabulary);
    return 0;
}

static int
read_data(void *arg, int worker)
{
    struct read_job *job = arg;
    int status = 0;
    if (hash64(job->data.data, job->data.len) != job->fields.data_hash)
        status = err_set(STATUS_INPUT, "hash of the data frame differs");
    else if (!job->skip_ids)
        status = decode_ids(job, job->reader->codecs[worker]);
    if (status != 0)
        return place(job->reader, job->block.number, job->data_offset);
    job->block.ids = job->skip_ids ? NULL : job->ids;
    job->block.loss = job->skip_ids || !job->table.loss.len ? NULL : job->table.loss.data;
    return 0;
}

/* ---- frames, in order ------------------------------------------------------- */

static int
read_head(struct shard_reader *r, const uint8_t *payload, size_t n)
{
    struct shard_head head;
    if (r->in_segment && !r->damaged)
        return err_set(STATUS_INPUT, "a head before the last segment's tail");
    if (head_decode(payload, n, &head) != 0)
        return -1;
    if (r->have_head && shard_head_joins(&r->head, &head) != 0) {
        free(head.provenance);
        return -1;
    }
    if (!r->have_head)
        head_copy(&r->head, &head);
    free(r->segment_head.provenance);
    r->segment_head = head;
    r->have_head = r->in_segment = true;
    r->more = r->document_open = false;
    r->segment = (struct shard_totals){0};
    r->segment_offset = r->in.offset;
    r->segment_foreign = 0;
    r->base_blocks = r->totals.blocks;
    r->base_tokens = r->totals.tokens;
    r->base_documents = r->totals.documents;
    vec_clear(&r->numbered);
    vec_clear(&r->source_of);
    vec_clear(&r->rows);
    vec_clear(&r->foreign_before);
    return 0;
}

/* Our index of the source, by name; takes over the strings. */
static uint32_t
intern_source(struct shard_reader *r, struct shard_source *s)
{
    for (size_t i = 0; i < r->sources.len; i++) {
        if (strcmp(r->sources.data[i].name, s->name) != 0)
            continue;
        free(s->name);
        free(s->language);
        return (uint32_t)i;
    }
    vec_push(&r->sources, *s);
    return (uint32_t)(r->sources.len - 1);
}

static void
number_source(struct shard_reader *r, uint32_t index)
{
    struct tail_source row = {.id = (uint16_t)r->numbered.len};
    vec_push(&r->numbered, row);
    vec_push(&r->source_of, index);
}

/* Sources whose frames are lost get names that say so. */
static void
invent_sources(struct shard_reader *r, size_t count)
{
    while (r->damaged && r->source_of.len < count) {
        struct shard_source s = {.name = mem_printf("source-%zu", r->source_of.len),
                                 .language = mem_strdup("")};
        number_source(r, intern_source(r, &s));
    }
}

static int
read_source(struct shard_reader *r, const uint8_t *payload, size_t n)
{
    struct shard_source s;
    uint16_t id;
    if (!r->in_segment)
        return err_set(STATUS_INPUT, "a source before its segment's head");
    if (source_decode(payload, n, &id, &s) != 0)
        return -1;
    invent_sources(r, id);
    if (id != r->source_of.len) {
        free(s.name);
        free(s.language);
        return err_set(STATUS_INPUT, "source %u comes where source %zu should", id,
                       r->source_of.len);
    }
    uint32_t index = intern_source(r, &s);
    for (size_t i = 0; i < r->source_of.len; i++)
        if (r->source_of.data[i] == index)
            return err_set(STATUS_INPUT, "source %s comes twice", r->sources.data[index].name);
    number_source(r, index);
    return 0;
}

/* Documents begin, go on and end in order; sets the spans' sources to ours. */
static int
check_span(struct shard_reader *r, struct shard_span *span, bool last)
{
    bool begins = span->flags & SPAN_BEGINS, ends = span->flags & SPAN_ENDS;
    uint32_t id = span->source;
    invent_sources(r, id + 1);
    if (id >= r->source_of.len)
        return err_set(STATUS_INPUT, "source %u was not named", id);
    struct tail_source *row = &r->numbered.data[id];
    span->source = r->source_of.data[id];
    row->tokens += span->tokens;
    if (span->flags & SPAN_PADDING)
        return 0;
    if (!r->damaged && begins == r->document_open)
        return err_set(STATUS_INPUT, begins ? "a document begins inside another"
                                            : "a document goes on that did not begin");
    if (!r->damaged && !begins && id != r->document_source)
        return err_set(STATUS_INPUT, "a document changes its source");
    if (!ends && !last)
        return err_set(STATUS_INPUT, "a document is cut inside a block");
    r->document_open = !ends;
    r->document_source = id;
    if (begins) {
        row->documents++;
        row->bytes += span->bytes;
        r->segment.bytes += span->bytes;
    }
    return 0;
}

static int
check_block_order(struct shard_reader *r, const struct block_fields *b)
{
    if (!r->in_segment)
        return err_set(STATUS_INPUT, "a block before its segment's head");
    if (r->damaged && b->number >= r->segment.blocks) {
        r->segment.blocks = b->number;
        r->segment.tokens = b->first_token;
        r->segment.documents = b->first_document;
        return 0;
    }
    if (b->number != r->segment.blocks)
        return err_set(STATUS_INPUT, "block numbered %u comes where %llu should", b->number,
                       (ull)r->segment.blocks);
    if (b->first_token != r->segment.tokens || b->first_document != r->segment.documents)
        return err_set(STATUS_INPUT, "block does not go on where the last one ended");
    return 0;
}

static int
check_spans(struct shard_reader *r, struct span_table *t)
{
    size_t last = t->spans.len;
    while (last > 0 && t->spans.data[last - 1].flags & SPAN_PADDING)
        last--;
    for (size_t i = 0; i < t->spans.len; i++)
        if (check_span(r, &t->spans.data[i], i + 1 == last) != 0)
            return -1;
    return 0;
}

/* Signatures of other parameters than the first head's are not shown. */
static void
hide_other_minhash(struct shard_reader *r, struct span_table *t)
{
    if (r->head.bands == r->segment_head.bands && r->head.rows == r->segment_head.rows)
        return;
    for (size_t i = 0; i < t->spans.len; i++)
        t->spans.data[i].minhash = NULL;
}

static int
read_block(struct shard_reader *r, const uint8_t *payload, size_t n)
{
    struct read_job *job = &r->jobs[r->job_next];
    struct block_fields *b = &job->fields;
    if (block_decode(payload, n, r->have_head ? r->head.width : 3, b) != 0 ||
        check_block_order(r, b) != 0 ||
        span_table_decode(b, &r->segment_head, &job->table) != 0 ||
        check_spans(r, &job->table) != 0)
        return -1;
    hide_other_minhash(r, &job->table);
    struct tail_block row = {r->in.offset - r->segment_offset, b->first_token, b->first_document,
                             b->h};
    vec_push(&r->rows, row);
    vec_push(&r->foreign_before, r->segment_foreign);
    job->block = (struct shard_block){
        .number = r->base_blocks + b->number,
        .first_token = r->base_tokens + b->first_token,
        .first_document = r->base_documents + b->first_document,
        .tokens = b->tokens,
        .documents = b->documents,
        .spans = b->spans,
        .span = job->table.spans.data,
        .h = b->h,
        .offset = r->in.offset,
    };
    r->next_job = job;
    r->have_block = true;
    return 0;
}

/* The block is whole: it counts. */
static void
count_block(struct shard_reader *r, const struct read_job *job)
{
    const struct block_fields *b = &job->fields;
    r->segment.blocks++;
    r->segment.tokens += b->tokens;
    r->segment.documents += b->documents;
    r->segment.chain = chain_next(r->segment.chain, b->h);
    r->totals.chain = chain_next(r->totals.chain, b->h);
    r->totals.blocks = r->base_blocks + r->segment.blocks;
    r->totals.tokens = r->base_tokens + r->segment.tokens;
    r->totals.documents = r->base_documents + r->segment.documents;
    for (size_t i = 0; i < job->table.spans.len; i++) {
        const struct shard_span *span = &job->table.spans.data[i];
        struct shard_source *s = &r->sources.data[span->source];
        s->tokens += span->tokens;
        if (!(span->flags & SPAN_BEGINS))
            continue;
        s->documents++;
        s->bytes += span->bytes;
        r->totals.bytes += span->bytes;
    }
}

static int
push_data(struct shard_reader *r, size_t n)
{
    struct read_job *job = r->next_job;
    str_clear(&job->data);
    str_add(&job->data, input_data(&r->in), n);
    job->data_offset = r->in.offset;
    job->vocabulary = r->head.vocabulary;
    job->width = r->head.width;
    job->skip_ids = r->skip_ids;
    input_skip(&r->in, n);
    r->have_block = false;
    r->job_next = (r->job_next + 1) % r->job_count;
    count_block(r, job);
    ring_push(r->ring, job);
    return STEP_BLOCK;
}

static int
check_tail_rows(struct shard_reader *r, const struct tail_fields *t)
{
    for (size_t i = 0; i < r->numbered.len; i++) {
        struct tail_source a = tail_source_at(t, i), b = r->numbered.data[i];
        if (a.id != b.id || a.documents != b.documents || a.bytes != b.bytes ||
            a.tokens != b.tokens)
            return err_set(STATUS_INPUT, "tail's counts of source %zu differ", i);
    }
    for (size_t i = 0; i < r->rows.len; i++) {
        struct tail_block a = tail_block_at(t, i), b = r->rows.data[i];
        uint64_t foreign = r->foreign_before.data[i];
        if ((a.offset != b.offset && a.offset != b.offset - foreign) ||
            a.first_token != b.first_token || a.first_document != b.first_document || a.h != b.h)
            return err_set(STATUS_INPUT, "tail's entry for block %zu differs", i);
    }
    return 0;
}

/* Compares the tail with what was read. frame_bytes: of the whole TAIL frame. */
static int
check_tail(struct shard_reader *r, const struct tail_fields *t, uint64_t frame_bytes,
           const uint8_t *trailer)
{
    uint64_t segment = r->in.offset - r->segment_offset + frame_bytes;
    if (t->totals.blocks != r->segment.blocks || t->sources != r->numbered.len)
        return err_set(STATUS_INPUT, "tail counts %llu blocks, %llu are there",
                       (ull)t->totals.blocks, (ull)r->segment.blocks);
    if (t->totals.documents != r->segment.documents || t->totals.bytes != r->segment.bytes ||
        t->totals.tokens != r->segment.tokens)
        return err_set(STATUS_INPUT, "tail's counts differ from what was read");
    if (t->totals.chain != r->segment.chain)
        return err_set(STATUS_INPUT, "tail's hash chain differs");
    if (r->document_open)
        return err_set(STATUS_INPUT, "the last document does not end");
    uint64_t said = load_u64(trailer);
    if ((said != segment && said != segment - r->segment_foreign) ||
        load_u64(trailer + 8) != frame_bytes)
        return err_set(STATUS_INPUT, "tail's lengths differ");
    return check_tail_rows(r, t);
}

static int
read_tail(struct shard_reader *r, const uint8_t *payload, size_t n)
{
    struct tail_fields t;
    if (!r->in_segment)
        return err_set(STATUS_INPUT, "a tail without a head");
    if (tail_decode(payload, n, &t) != 0)
        return -1;
    const uint8_t *trailer = payload + n + FRAME_HASH;
    if (memcmp(trailer + 16, SHARD_END, 8) != 0)
        return err_set(STATUS_INPUT, "tail does not end in its mark");
    if (!r->damaged && check_tail(r, &t, n + FRAME_HEADER + FRAME_HASH + FRAME_TRAILER, trailer))
        return -1;
    r->in_segment = false;
    r->more = t.more;
    return 0;
}

static int
skip_foreign(struct shard_reader *r, uint32_t size)
{
    int64_t whole = (int64_t)FRAME_HEADER + size;
    uint64_t start = r->in.offset;
    int64_t got = input_skip(&r->in, (uint64_t)whole);
    if (got < 0)
        return STEP_FAILED;
    if (got < whole) {
        err_set(STATUS_INPUT, "cut short inside a foreign frame");
        return place(r, r->totals.blocks, start);
    }
    r->foreign++;
    r->segment_foreign += (uint64_t)whole;
    return STEP_OTHER;
}

/* The payload's bytes when the whole frame is visible and its hash agrees; else -1. */
static int64_t
check_frame(struct shard_reader *r, uint32_t size)
{
    if (size < FRAME_TAG + FRAME_HASH || size > SHARD_PAYLOAD_MAX + FRAME_HASH + FRAME_TRAILER) {
        err_set(STATUS_INPUT, "a frame of %u bytes cannot be", size);
        return fail_here(r);
    }
    ssize_t got = input_need(&r->in, FRAME_HEADER + (size_t)size);
    if (got < 0)
        return -1;
    if ((size_t)got < FRAME_HEADER + (size_t)size)
        return cut_short(r);
    const uint8_t *payload = input_data(&r->in) + FRAME_HEADER;
    size_t n = size - FRAME_HASH;
    if (memcmp(payload, SHARD_TAG_TAIL, FRAME_TAG) == 0)
        n -= n < FRAME_TAG + FRAME_TRAILER ? n - FRAME_TAG : FRAME_TRAILER;
    if (hash64(payload, n) != load_u64(payload + n)) {
        err_set(STATUS_INPUT, "hash of the %.4s frame differs", (const char *)payload);
        return fail_here(r);
    }
    return (int64_t)n;
}

/* One of our frames, of kind tag[3], which lies whole in the window. */
static int
read_frame(struct shard_reader *r, const uint8_t *payload, size_t n)
{
    if (r->have_block && !r->damaged)
        return err_set(STATUS_INPUT, "the block's data frame is missing");
    r->have_block = false;
    char kind = (char)payload[3];
    switch (kind) {
    case 'H':
        return read_head(r, payload, n) ? -1 : STEP_HEAD;
    case 'S':
        return read_source(r, payload, n) ? -1 : STEP_OTHER;
    case 'B':
        return read_block(r, payload, n) ? -1 : STEP_OTHER;
    case 'T':
        return read_tail(r, payload, n) ? -1 : STEP_OTHER;
    default:
        if (kind >= 'a' && kind <= 'z')
            return STEP_OTHER;
        return err_set(STATUS_INPUT, "frame LTS%c is not supported", kind);
    }
}

static int
step_frame(struct shard_reader *r, uint32_t size)
{
    int64_t n = check_frame(r, size);
    if (n < 0)
        return STEP_FAILED;
    int step = read_frame(r, input_data(&r->in) + FRAME_HEADER, (size_t)n);
    if (step < 0)
        return fail_here(r);
    input_skip(&r->in, FRAME_HEADER + (uint64_t)size);
    return step;
}

static int
step_data(struct shard_reader *r)
{
    if (!r->have_block) {
        err_set(STATUS_INPUT, "a data frame without its block");
        return fail_here(r);
    }
    size_t n = r->next_job->fields.data_bytes;
    ssize_t got = input_need(&r->in, n);
    if (got < 0)
        return STEP_FAILED;
    return (size_t)got < n ? cut_short(r) : push_data(r, n);
}

static int
step_end(struct shard_reader *r)
{
    if (!r->in_segment && !r->more && r->have_head)
        return STEP_END;
    if (!r->have_head)
        err_set(STATUS_INPUT, "%s", r->in.offset ? "no head: not a shard" : "empty: not a shard");
    else if (r->in_segment)
        err_set(STATUS_INPUT, "ends without a tail: cut short");
    else
        err_set(STATUS_INPUT, "ends where another segment must follow: cut short");
    return fail_here(r);
}

/* Is the frame one of ours, by its tag? Needs its header and tag in the window. */
static bool
frame_is_ours(const uint8_t *p, ssize_t visible, uint32_t size)
{
    return load_u32(p) == SHARD_MAGIC && size >= FRAME_TAG && visible >= FRAME_HEADER + FRAME_TAG &&
           memcmp(p + FRAME_HEADER, "LTS", 3) == 0;
}

/* Reads one frame. enum step. */
static int
step(struct shard_reader *r)
{
    ssize_t visible = input_need(&r->in, FRAME_HEADER + FRAME_TAG);
    if (visible <= 0)
        return visible < 0 ? STEP_FAILED : step_end(r);
    if (visible < FRAME_HEADER)
        return cut_short(r);
    const uint8_t *p = input_data(&r->in);
    uint32_t magic = load_u32(p), size = load_u32(p + 4);
    if (magic == SHARD_MAGIC_ZSTD)
        return step_data(r);
    if (frame_is_ours(p, visible, size))
        return step_frame(r, size);
    if ((magic & 0xFFFFFFF0u) == SHARD_MAGIC_SKIPPABLE)
        return skip_foreign(r, size);
    err_set(STATUS_INPUT, "%s", r->have_head ? "not a frame of a shard" : "not a shard");
    return fail_here(r);
}

/* ---- the interface ---------------------------------------------------------- */

static void
free_jobs(struct shard_reader *r)
{
    ring_free(r->ring);
    for (size_t i = 0; i < r->job_count; i++) {
        span_table_release(&r->jobs[i].table);
        str_release(&r->jobs[i].data);
        free(r->jobs[i].content);
        free(r->jobs[i].ids);
    }
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
    for (size_t i = 0; i < r->job_count; i++)
        r->jobs[i].reader = r;
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
    if (input_open(&r->in, path, fd) == 0) {
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
        if (step(r) < 0) {
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
        if (step(r) >= 0)
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
        int got = step(r);
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

/* Does a frame of ours with a good hash start at the window's start? -1: I/O error. */
static int
good_frame_here(struct shard_reader *r)
{
    const uint8_t *p = input_data(&r->in);
    ssize_t visible = input_need(&r->in, FRAME_HEADER + FRAME_TAG);
    if (visible < 0)
        return -1;
    p = input_data(&r->in);
    if (visible < FRAME_HEADER || !frame_is_ours(p, visible, load_u32(p + 4)))
        return 0;
    int64_t n = check_frame(r, load_u32(p + 4));
    if (n < 0)
        return err_status() == STATUS_INPUT ? 0 : -1;
    return 1;
}

int
shard_reader_resync(struct shard_reader *r)
{
    uint8_t magic[4];
    store_u32(magic, SHARD_MAGIC);
    if (r->frame_failed)
        input_skip(&r->in, 1);
    r->failed = r->frame_failed = r->have_block = false;
    r->damaged = true;
    for (;;) {
        ssize_t visible = input_need(&r->in, 1 << 16);
        if (visible < FRAME_HEADER + FRAME_TAG)
            return visible < 0 ? -1 : 0;
        const uint8_t *p = input_data(&r->in);
        const uint8_t *hit = memmem(p, (size_t)visible, magic, sizeof magic);
        input_skip(&r->in, hit ? (uint64_t)(hit - p) : (uint64_t)visible - 3);
        int good = hit ? good_frame_here(r) : 0;
        if (good != 0)
            return good;
        if (hit)
            input_skip(&r->in, 1);
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
    input_close(&r->in);
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
