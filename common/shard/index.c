#include "shard/index.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

typedef unsigned long long ull;

static int
place(const struct shard_index *x, size_t block, uint64_t offset)
{
    return err_prefix("%s: block %zu: offset %llu", x->path, block, (ull)offset);
}

/* n bytes at `offset`, all of them. 0 or -1 with the fact alone. */
static int
load(const struct shard_index *x, uint64_t offset, void *to, size_t n)
{
    ssize_t got = file_pread_full(x->fd, to, n, offset, x->path);
    if (got < 0)
        return -1;
    return (size_t)got < n ? err_set(STATUS_INPUT, "cut short inside a frame") : 0;
}

/*
 * The frame of ours at `offset` into *out (payload, hash and trailer), which must
 * carry `tag`. Returns the payload's bytes, or -1 with the fact alone.
 */
static int64_t
load_frame(const struct shard_index *x, uint64_t offset, const char *tag, struct str *out)
{
    uint8_t b[FRAME_HEADER];
    ssize_t got = file_pread_full(x->fd, b, sizeof b, offset, x->path);
    if (got < 0)
        return -1;
    uint32_t size = got == FRAME_HEADER ? load_u32(b + 4) : 0;
    uint32_t extra = FRAME_HASH + (strcmp(tag, SHARD_TAG_TAIL) == 0 ? FRAME_TRAILER : 0);
    if (load_u32(b) != SHARD_MAGIC || size < FRAME_TAG + extra || size > SHARD_PAYLOAD_MAX + extra)
        return err_set(STATUS_INPUT, "no %s frame where the tail says", tag);
    str_clear(out);
    str_reserve(out, size);
    got = file_pread_full(x->fd, out->data, size, offset + FRAME_HEADER, x->path);
    if (got < 0)
        return -1;
    out->len = size;
    if ((size_t)got < size || memcmp(out->data, tag, FRAME_TAG) != 0)
        return err_set(STATUS_INPUT, "no %s frame where the tail says", tag);
    size_t n = size - extra;
    if (hash64(out->data, n) != load_u64(out->data + n))
        return err_set(STATUS_INPUT, "hash of the %s frame differs", tag);
    return (int64_t)n;
}

static void
release_segment(struct index_segment *s)
{
    free(s->head.provenance);
    free(s->source_of);
    str_release(&s->payload);
}

static int
load_head(const struct shard_index *x, uint64_t offset, struct shard_head *head)
{
    struct str payload = {0};
    int64_t n = load_frame(x, offset, SHARD_TAG_HEAD, &payload);
    int status = n < 0 ? -1 : head_decode((const uint8_t *)payload.data, (size_t)n, head);
    str_release(&payload);
    return status;
}

static int
load_tail(const struct shard_index *x, uint64_t offset, struct index_segment *s)
{
    int64_t n = load_frame(x, offset, SHARD_TAG_TAIL, &s->payload);
    if (n < 0 || tail_decode((const uint8_t *)s->payload.data, (size_t)n, &s->tail) != 0)
        return -1;
    if (memcmp(s->payload.data + n + FRAME_HASH + 16, SHARD_END, 8) != 0)
        return err_set(STATUS_INPUT, "tail does not end in its mark");
    return 0;
}

/* ---- through the tails ------------------------------------------------------ */

/* Do the tail's rows describe blocks inside the segment, in order, with its chain? */
static bool
rows_are_sound(const struct index_segment *s, uint64_t tail_offset)
{
    uint64_t chain = 0, offset = 0, token = 0;
    for (size_t i = 0; i < s->tail.totals.blocks; i++) {
        struct tail_block row = tail_block_at(&s->tail, i);
        if (row.offset <= offset || s->offset + row.offset >= tail_offset ||
            row.first_token < token)
            return false;
        offset = row.offset;
        token = row.first_token;
        chain = chain_next(chain, row.h);
    }
    return chain == s->tail.totals.chain && token <= s->tail.totals.tokens;
}

/* The segment that ends at `end`. 0; 1 when there is none to be seen there; -1 on an I/O error. */
static int
segment_before(struct shard_index *x, uint64_t end, struct index_segment *s)
{
    uint8_t b[FRAME_TRAILER];
    *s = (struct index_segment){.end = end};
    if (end < sizeof b)
        return 1;
    if (load(x, end - sizeof b, b, sizeof b) != 0)
        return -1;
    uint64_t segment = load_u64(b), tail = load_u64(b + 8);
    if (memcmp(b + 16, SHARD_END, 8) != 0 || segment > end || tail >= segment)
        return 1;
    s->offset = end - segment;
    if (load_tail(x, end - tail, s) == 0 && s->payload.len + FRAME_HEADER == tail &&
        load_head(x, s->offset, &s->head) == 0 && rows_are_sound(s, end - tail))
        return 0;
    release_segment(s);
    return err_status() == STATUS_FAILED ? -1 : 1;
}

static void
reverse(struct shard_index *x)
{
    for (size_t i = 0, k = x->segments.len; i + 1 < k--; i++) {
        struct index_segment s = x->segments.data[i];
        x->segments.data[i] = x->segments.data[k];
        x->segments.data[k] = s;
    }
}

/* 0; 1 when the way back is blocked; -1 on an I/O error. */
static int
walk_back(struct shard_index *x)
{
    uint64_t end = x->file_bytes;
    if (end == 0)
        return 1;
    while (end > 0) {
        struct index_segment s;
        int status = segment_before(x, end, &s);
        if (status != 0)
            return status;
        vec_push(&x->segments, s);
        end = s.offset;
    }
    reverse(x);
    return 0;
}

static void
list_blocks(struct shard_index *x)
{
    uint64_t tokens = 0;
    for (size_t i = 0; i < x->segments.len; i++) {
        struct index_segment *s = &x->segments.data[i];
        s->first_block = x->blocks.len;
        for (size_t k = 0; k < s->tail.totals.blocks; k++) {
            struct tail_block row = tail_block_at(&s->tail, k);
            struct index_block b = {s->offset + row.offset, tokens + row.first_token, row.h};
            vec_push(&x->blocks, b);
        }
        tokens += s->tail.totals.tokens;
    }
}

/* ---- from frame to frame ---------------------------------------------------- */

/* A walk through the frames that reads no DATA and no span table. */
struct hop {
    uint64_t offset;
    struct index_segment segment;
    bool inside;
    uint64_t tokens;     /* of the segments before */
    uint64_t data_bytes; /* of the DATA frame that must come next, or 0 */
};

static int
hop_tail(struct shard_index *x, struct hop *h, uint64_t frame)
{
    struct index_segment *s = &h->segment;
    if (!h->inside)
        return err_set(STATUS_INPUT, "a tail without a head");
    if (load_tail(x, h->offset, s) != 0)
        return -1;
    size_t count = x->blocks.len - s->first_block;
    if (s->tail.totals.blocks != count)
        return err_set(STATUS_INPUT, "tail counts %llu blocks, %zu are there",
                       (ull)s->tail.totals.blocks, count);
    for (size_t i = 0; i < count; i++) {
        struct tail_block row = tail_block_at(&s->tail, i);
        x->blocks.data[s->first_block + i].first_token = h->tokens + row.first_token;
        x->blocks.data[s->first_block + i].h = row.h;
    }
    h->tokens += s->tail.totals.tokens;
    s->end = h->offset + frame;
    vec_push(&x->segments, *s);
    *s = (struct index_segment){0};
    h->inside = false;
    return 0;
}

static int
hop_block(struct shard_index *x, struct hop *h, uint64_t frame)
{
    uint8_t b[FRAME_HASH + 12]; /* u32 bytes of DATA, u64 its hash, u64 the payload's hash */
    if (!h->inside || frame < FRAME_HEADER + sizeof b)
        return err_set(STATUS_INPUT, "a block before its segment's head");
    if (load(x, h->offset + frame - sizeof b, b, sizeof b) != 0)
        return -1;
    h->data_bytes = load_u32(b);
    struct index_block block = {.offset = h->offset};
    vec_push(&x->blocks, block);
    return 0;
}

static int
hop_head(struct shard_index *x, struct hop *h)
{
    if (h->inside)
        return err_set(STATUS_INPUT, "a head before the last segment's tail");
    h->segment = (struct index_segment){.offset = h->offset, .first_block = x->blocks.len};
    if (load_head(x, h->offset, &h->segment.head) != 0)
        return -1;
    h->inside = true;
    return 0;
}

/* Over one frame. 0 or -1 with the fact alone. */
static int
hop_frame(struct shard_index *x, struct hop *h)
{
    uint8_t b[FRAME_HEADER + FRAME_TAG] = {0};
    ssize_t got = file_pread_full(x->fd, b, sizeof b, h->offset, x->path);
    if (got < 0)
        return -1;
    uint32_t magic = load_u32(b);
    uint64_t frame = FRAME_HEADER + (uint64_t)load_u32(b + 4);
    int status = 0;
    if (magic == SHARD_MAGIC_ZSTD && h->data_bytes) {
        frame = h->data_bytes;
        h->data_bytes = 0;
    } else if ((magic & 0xFFFFFFF0u) != SHARD_MAGIC_SKIPPABLE) {
        return err_set(STATUS_INPUT, h->offset ? "not a frame of a shard" : "not a shard");
    } else if (magic == SHARD_MAGIC && memcmp(b + FRAME_HEADER, "LTS", 3) == 0) {
        if (h->data_bytes)
            return err_set(STATUS_INPUT, "the block's data frame is missing");
        switch (b[FRAME_HEADER + 3]) {
        case 'H':
            status = hop_head(x, h);
            break;
        case 'B':
            status = hop_block(x, h, frame);
            break;
        case 'T':
            status = hop_tail(x, h, frame);
            break;
        }
    }
    if (status == 0 && frame > x->file_bytes - h->offset)
        return err_set(STATUS_INPUT, "cut short inside a frame");
    h->offset += frame;
    return status;
}

static int
hop_through(struct shard_index *x)
{
    struct hop h = {0};
    int status = 0;
    while (status == 0 && h.offset < x->file_bytes)
        status = hop_frame(x, &h);
    if (status == 0 && (h.inside || x->segments.len == 0))
        status = err_set(STATUS_INPUT, x->segments.len || h.inside
                                           ? "ends without a tail: cut short"
                                       : x->file_bytes ? "no head: not a shard"
                                                       : "empty: not a shard");
    if (status != 0 && err_status() == STATUS_INPUT)
        place(x, x->blocks.len, h.offset);
    if (h.inside)
        release_segment(&h.segment);
    return status;
}

/* ---- names and totals ------------------------------------------------------- */

static uint32_t
intern_source(struct shard_index *x, struct shard_source *s)
{
    for (size_t i = 0; i < x->sources.len; i++) {
        if (strcmp(x->sources.data[i].name, s->name) != 0)
            continue;
        free(s->name);
        free(s->language);
        return (uint32_t)i;
    }
    vec_push(&x->sources, *s);
    return (uint32_t)(x->sources.len - 1);
}

/* The SOURCE frames in [offset, end), the first `found` of the segment being known. */
static int
read_names(struct shard_index *x, struct index_segment *s, uint64_t offset, uint64_t end,
           uint32_t *found)
{
    struct str payload = {0};
    int status = 0;
    while (status == 0 && offset < end && *found < s->tail.sources) {
        uint8_t b[FRAME_HEADER + FRAME_TAG];
        if (load(x, offset, b, sizeof b) != 0) {
            status = -1;
            break;
        }
        if (load_u32(b) == SHARD_MAGIC && memcmp(b + FRAME_HEADER, SHARD_TAG_SOURCE, 4) == 0) {
            struct shard_source source;
            uint16_t id;
            int64_t n = load_frame(x, offset, SHARD_TAG_SOURCE, &payload);
            status = n < 0 ? -1 : source_decode((const uint8_t *)payload.data, (size_t)n, &id,
                                                &source);
            if (status == 0)
                s->source_of[(*found)++] = intern_source(x, &source);
        }
        offset += FRAME_HEADER + (uint64_t)load_u32(b + 4);
    }
    str_release(&payload);
    return status;
}

/* Where the DATA of block i ends: the next SOURCE frames can only stand there. */
static int
end_of_block(const struct shard_index *x, size_t i, uint64_t *end)
{
    uint8_t b[FRAME_HASH + 12];
    uint64_t offset = x->blocks.data[i].offset;
    if (load(x, offset, b, FRAME_HEADER) != 0)
        return -1;
    uint64_t frame = FRAME_HEADER + (uint64_t)load_u32(b + 4);
    if (frame < FRAME_HEADER + sizeof b)
        return err_set(STATUS_INPUT, "block frame has the wrong length");
    if (load(x, offset + frame - sizeof b, b, sizeof b) != 0)
        return -1;
    *end = offset + frame + load_u32(b);
    return 0;
}

/* Sources stand before the first block that uses them: reads on until all are known. */
static int
name_sources(struct shard_index *x, struct index_segment *s)
{
    uint32_t found = 0;
    uint64_t from;
    s->source_of = mem_zarray((size_t)s->tail.sources + 1, sizeof *s->source_of);
    uint8_t b[FRAME_HEADER];
    if (load(x, s->offset, b, sizeof b) != 0)
        return -1;
    from = s->offset + FRAME_HEADER + load_u32(b + 4);
    for (size_t i = 0; i < s->tail.totals.blocks && found < s->tail.sources; i++) {
        size_t block = s->first_block + i;
        if (read_names(x, s, from, x->blocks.data[block].offset, &found) != 0)
            return -1;
        if (found < s->tail.sources && end_of_block(x, block, &from) != 0)
            return -1;
    }
    if (found == s->tail.sources)
        return 0;
    return err_set(STATUS_INPUT, "%u sources are named, the tail counts %u", found,
                   s->tail.sources);
}

static int
sum_up(struct shard_index *x)
{
    for (size_t i = 0; i < x->segments.len; i++) {
        struct index_segment *s = &x->segments.data[i];
        if ((i && shard_head_joins(&x->segments.data[0].head, &s->head) != 0) ||
            name_sources(x, s) != 0)
            return err_status() == STATUS_INPUT ? place(x, s->first_block, s->offset) : -1;
        s->first_token = x->totals.tokens;
        s->first_document = x->totals.documents;
        x->totals.blocks += s->tail.totals.blocks;
        x->totals.documents += s->tail.totals.documents;
        x->totals.bytes += s->tail.totals.bytes;
        x->totals.tokens += s->tail.totals.tokens;
        x->totals.chain = s->tail.totals.chain;
        for (uint32_t k = 0; k < s->tail.sources; k++) {
            struct tail_source row = tail_source_at(&s->tail, k);
            struct shard_source *source = &x->sources.data[s->source_of[k]];
            source->documents += row.documents;
            source->bytes += row.bytes;
            source->tokens += row.tokens;
        }
    }
    if (!x->segments.data[x->segments.len - 1].tail.more)
        return head_check_end(&x->segments.data[0].head, x->totals.tokens) == 0
                   ? 0
                   : place(x, x->blocks.len, x->file_bytes);
    err_set(STATUS_INPUT, "ends where another segment must follow: cut short");
    return place(x, x->blocks.len, x->file_bytes);
}

static void
drop_segments(struct shard_index *x)
{
    for (size_t i = 0; i < x->segments.len; i++)
        release_segment(&x->segments.data[i]);
    x->segments.len = x->blocks.len = 0;
}

static int
find_blocks(struct shard_index *x)
{
    struct stat st;
    if (fstat(x->fd, &st) != 0)
        return err_sys("%s", x->path);
    if (!S_ISREG(st.st_mode))
        return err_set(STATUS_FAILED, "%s: not a regular file", x->path);
    x->file_bytes = (uint64_t)st.st_size;
    int status = walk_back(x);
    if (status < 0)
        return -1;
    if (status == 0) {
        list_blocks(x);
        return sum_up(x);
    }
    drop_segments(x);
    return hop_through(x) != 0 ? -1 : sum_up(x);
}

int
shard_index_open(struct shard_index *x, const char *path)
{
    *x = (struct shard_index){.fd = file_open_read(path)};
    if (x->fd < 0)
        return -1;
    x->path = mem_strdup(path);
    if (find_blocks(x) == 0)
        return 0;
    shard_index_close(x);
    return -1;
}

void
shard_index_close(struct shard_index *x)
{
    drop_segments(x);
    vec_release(&x->segments);
    vec_release(&x->blocks);
    for (size_t i = 0; i < x->sources.len; i++) {
        free(x->sources.data[i].name);
        free(x->sources.data[i].language);
    }
    vec_release(&x->sources);
    free(x->path);
    if (x->fd >= 0)
        close(x->fd);
}

/* ---- one block -------------------------------------------------------------- */

static const struct index_segment *
segment_of(const struct shard_index *x, size_t block)
{
    size_t low = 0, high = x->segments.len;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (x->segments.data[mid].first_block <= block)
            low = mid;
        else
            high = mid;
    }
    return &x->segments.data[low];
}

/* The DATA frame at `offset`, past foreign frames. */
static int
load_data(const struct shard_index *x, uint64_t offset, struct block_buffer *out)
{
    size_t n = out->fields.data_bytes;
    for (;;) {
        uint8_t b[FRAME_HEADER] = {0};
        if (load(x, offset, b, sizeof b) != 0)
            return -1;
        if (load_u32(b) == SHARD_MAGIC_ZSTD ||
            (load_u32(b) & 0xFFFFFFF0u) != SHARD_MAGIC_SKIPPABLE)
            break;
        offset += FRAME_HEADER + (uint64_t)load_u32(b + 4);
    }
    str_clear(&out->data);
    str_reserve(&out->data, n);
    out->data.len = n;
    return load(x, offset, out->data.data, n);
}

static int
decode_block(const struct shard_index *x, size_t i, struct codec *codec, struct str *payload,
             struct block_buffer *out)
{
    const struct index_segment *s = segment_of(x, i);
    const struct index_block *row = &x->blocks.data[i];
    int64_t n = load_frame(x, row->offset, SHARD_TAG_BLOCK, payload);
    if (n < 0 || block_decode((const uint8_t *)payload->data, (size_t)n, s->head.width,
                              &out->fields) != 0)
        return -1;
    if (out->fields.h != row->h || out->fields.number != i - s->first_block ||
        out->fields.first_token != row->first_token - s->first_token)
        return err_set(STATUS_INPUT, "the block is not the one that the tail lists");
    if (span_table_decode(&out->fields, &s->head, &out->table) != 0 ||
        load_data(x, row->offset + payload->len + FRAME_HEADER, out) != 0)
        return -1;
    for (size_t k = 0; k < out->table.spans.len; k++) {
        struct shard_span *span = &out->table.spans.data[k];
        if (span->source >= s->tail.sources)
            return err_set(STATUS_INPUT, "source %u was not named", span->source);
        span->source = s->source_of[span->source];
    }
    return block_buffer_decode(out, &s->head, codec);
}

int
shard_index_read(const struct shard_index *x, size_t i, struct codec *codec,
                 struct block_buffer *out)
{
    struct str payload = {0};
    int status = decode_block(x, i, codec, &payload, out);
    if (status != 0 && err_status() == STATUS_INPUT)
        place(x, i, x->blocks.data[i].offset);
    str_release(&payload);
    return status;
}
