#include "shard/reader_state.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

/*
 * The frames of a stream in order, each checked against its own hash, the grammar,
 * and everything before it.
 */
typedef unsigned long long ull;

int
reader_place(const struct shard_reader *r, uint64_t block, uint64_t offset)
{
    return err_prefix("%s: block %llu: offset %llu", r->in.path, (ull)block, (ull)offset);
}

static int
fail_here(struct shard_reader *r)
{
    return reader_place(r, r->totals.blocks, r->in.offset);
}

static int
cut_short(struct shard_reader *r)
{
    err_set(STATUS_INPUT, "cut short inside a frame");
    return fail_here(r);
}

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
    struct block_fields *b = &job->buffer.fields;
    if (block_decode(payload, n, r->have_head ? r->head.width : 3, b) != 0 ||
        check_block_order(r, b) != 0 ||
        span_table_decode(b, &r->segment_head, &job->buffer.table) != 0 ||
        check_spans(r, &job->buffer.table) != 0)
        return -1;
    hide_other_minhash(r, &job->buffer.table);
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
        .span = job->buffer.table.spans.data,
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
    const struct block_fields *b = &job->buffer.fields;
    r->segment.blocks++;
    r->segment.tokens += b->tokens;
    r->segment.documents += b->documents;
    r->segment.chain = chain_next(r->segment.chain, b->h);
    r->totals.chain = chain_next(r->totals.chain, b->h);
    r->totals.blocks = r->base_blocks + r->segment.blocks;
    r->totals.tokens = r->base_tokens + r->segment.tokens;
    r->totals.documents = r->base_documents + r->segment.documents;
    for (size_t i = 0; i < job->buffer.table.spans.len; i++) {
        const struct shard_span *span = &job->buffer.table.spans.data[i];
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
    str_clear(&job->buffer.data);
    str_add(&job->buffer.data, window_data(&r->in), n);
    job->data_offset = r->in.offset;
    job->skip_ids = r->skip_ids || job->block.first_token + job->block.tokens <= r->skip_before;
    window_skip(&r->in, n);
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
    if (!t->more && head_check_end(&r->head, r->base_tokens + r->segment.tokens) != 0)
        return -1;
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
    int64_t got = window_skip(&r->in, (uint64_t)whole);
    if (got < 0)
        return STEP_FAILED;
    if (got < whole) {
        err_set(STATUS_INPUT, "cut short inside a foreign frame");
        return reader_place(r, r->totals.blocks, start);
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
    ssize_t got = window_need(&r->in, FRAME_HEADER + (size_t)size);
    if (got < 0)
        return -1;
    if ((size_t)got < FRAME_HEADER + (size_t)size)
        return cut_short(r);
    const uint8_t *payload = window_data(&r->in) + FRAME_HEADER;
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
    int step = read_frame(r, window_data(&r->in) + FRAME_HEADER, (size_t)n);
    if (step < 0)
        return fail_here(r);
    window_skip(&r->in, FRAME_HEADER + (uint64_t)size);
    return step;
}

static int
step_data(struct shard_reader *r)
{
    if (!r->have_block) {
        err_set(STATUS_INPUT, "a data frame without its block");
        return fail_here(r);
    }
    size_t n = r->next_job->buffer.fields.data_bytes;
    ssize_t got = window_need(&r->in, n);
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

int64_t
reader_check_frame(struct shard_reader *r)
{
    ssize_t visible = window_need(&r->in, FRAME_HEADER + FRAME_TAG);
    if (visible < 0)
        return -1;
    const uint8_t *p = window_data(&r->in);
    if (visible < FRAME_HEADER || !frame_is_ours(p, visible, load_u32(p + 4)))
        return 0;
    return check_frame(r, load_u32(p + 4));
}

int
reader_step(struct shard_reader *r)
{
    ssize_t visible = window_need(&r->in, FRAME_HEADER + FRAME_TAG);
    if (visible <= 0)
        return visible < 0 ? STEP_FAILED : step_end(r);
    if (visible < FRAME_HEADER)
        return cut_short(r);
    const uint8_t *p = window_data(&r->in);
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

