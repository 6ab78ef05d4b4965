#include "shard/writer.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"
#include "shard/codec.h"
#include "shard/frame.h"
#include "shard/ring.h"
#include "shard/spans.h"

/*
 * Documents are cut into spans as they come and fill the block under way; a full
 * block goes to the workers, which pack, hash and compress its ids; the frames are
 * written in order by the caller's thread. Everything the bytes depend on is
 * decided on the caller's thread.
 */

/* A block under way, then being compressed, then waiting to be written. */
struct block_job {
    struct shard_writer *writer;
    struct block_fields fields;
    uint8_t *content;   /* [block_tokens * width] the ids */
    uint8_t *loss;      /* [block_tokens] with the loss mask */
    struct str table;
    struct str sources; /* SOURCE frames that stand before the block */
    struct str data;    /* the DATA frame */
};

struct writer_source {
    struct shard_source source; /* totals: of the segment */
    bool numbered;              /* has an id in this segment */
    uint16_t id;
};

struct shard_writer {
    struct outfile *out;
    struct shard_head head;
    int level;
    uint32_t block_tokens, segment_blocks;
    struct ring *ring;
    struct block_job *jobs;
    size_t job_count, job_next;
    struct block_job *cur;
    struct codec **codecs;
    int threads;
    VEC(struct writer_source) sources;
    VEC(uint32_t) numbered;          /* sources in the order of their ids in the segment */
    VEC(struct tail_block) blocks;   /* written, of the segment */
    struct shard_totals segment;     /* blocks: handed to the workers */
    struct shard_totals all;
    uint64_t written;                /* bytes of the segment */
    struct shard_document doc;       /* the open one; ids unused */
    VEC(uint32_t) minhash;           /* its copy */
    bool open, begins;               /* begins: its next span is its first */
    uint32_t span_first;
    struct str scratch;
};

static int
compress_job(void *arg, int worker)
{
    struct block_job *job = arg;
    struct shard_writer *w = job->writer;
    struct block_fields *b = &job->fields;
    size_t n = (size_t)b->tokens * w->head.width;
    b->ids_hash = hash64(job->content, n);
    if (codec_compress(w->codecs[worker], w->level, job->content, n, &job->data) != 0)
        return -1;
    b->data_bytes = (uint32_t)job->data.len;
    b->data_hash = hash64(job->data.data, job->data.len);
    return 0;
}

static int
put(struct shard_writer *w, const struct str *s)
{
    w->written += s->len;
    return s->len ? outfile_write(w->out, s->data, s->len) : 0;
}

/* Waits for the oldest block and writes its frames. */
static int
write_oldest(struct shard_writer *w)
{
    int status;
    struct block_job *job = ring_pop(w->ring, &status);
    if (status != 0)
        return -1;
    struct block_fields *b = &job->fields;
    b->table = (const uint8_t *)job->table.data;
    b->table_bytes = (uint32_t)job->table.len;
    struct tail_block row = {w->written + job->sources.len, b->first_token, b->first_document, 0};
    block_encode(b, &job->sources);
    row.h = b->h;
    vec_push(&w->blocks, row);
    w->segment.chain = chain_next(w->segment.chain, b->h);
    return put(w, &job->sources) || put(w, &job->data) ? -1 : 0;
}

/* Makes the next free job the block under way. */
static void
start_block(struct shard_writer *w)
{
    w->cur = &w->jobs[w->job_next];
    w->job_next = (w->job_next + 1) % w->job_count;
    str_clear(&w->cur->table);
    str_clear(&w->cur->sources);
    w->cur->fields = (struct block_fields){
        .first_token = w->segment.tokens,
        .first_document = w->segment.documents,
    };
    w->span_first = 0;
}

static int
flush_block(struct shard_writer *w)
{
    if (ring_pending(w->ring) == ring_slots(w->ring) && write_oldest(w) != 0)
        return -1;
    w->cur->fields.number = (uint32_t)w->segment.blocks++;
    ring_push(w->ring, w->cur);
    start_block(w);
    return 0;
}

/* Counts and keeps the span that ends here; its encoding is in w->scratch. */
static void
commit_span(struct shard_writer *w, uint8_t flags)
{
    struct block_job *job = w->cur;
    struct writer_source *s = &w->sources.data[w->doc.source];
    if (!s->numbered) {
        s->numbered = true;
        s->id = (uint16_t)w->numbered.len;
        vec_push(&w->numbered, w->doc.source);
        source_encode(s->id, &s->source, &job->sources);
    }
    uint32_t tokens = job->fields.tokens - w->span_first;
    str_add(&job->table, w->scratch.data, w->scratch.len);
    job->fields.spans++;
    w->segment.tokens += tokens;
    s->source.tokens += tokens;
    if (flags & SPAN_BEGINS) {
        job->fields.documents++;
        w->segment.documents++;
        s->source.documents++;
        w->segment.bytes += w->doc.bytes;
        s->source.bytes += w->doc.bytes;
    }
    w->begins = false;
    w->span_first = job->fields.tokens;
}

/* Ends the block before the open span, which moves into a new one. */
static int
move_span(struct shard_writer *w)
{
    struct block_job *old = w->cur;
    uint32_t first = w->span_first;
    uint32_t moved = old->fields.tokens - first;
    struct block_job *next = &w->jobs[w->job_next];
    if (ring_pending(w->ring) == ring_slots(w->ring) && write_oldest(w) != 0)
        return -1;
    size_t width = w->head.width;
    memcpy(next->content, old->content + first * width, moved * width);
    if (w->head.flags & SHARD_LOSS_MASK)
        memcpy(next->loss, old->loss + first, moved);
    old->fields.tokens = first;
    if (flush_block(w) != 0)
        return -1;
    w->cur->fields.tokens = moved;
    return 0;
}

static uint8_t
encode_span(struct shard_writer *w, bool ends)
{
    const struct writer_source *s = &w->sources.data[w->doc.source];
    uint32_t id = s->numbered ? s->id : (uint32_t)w->numbered.len;
    uint8_t flags = w->doc.padding ? SPAN_PADDING
                                   : (uint8_t)((w->begins ? SPAN_BEGINS : 0) | (ends ? SPAN_ENDS : 0));
    struct shard_span begins = {
        .bytes = w->doc.bytes, .hash = w->doc.hash, .minhash = w->minhash.data};
    const uint8_t *loss = w->head.flags & SHARD_LOSS_MASK ? w->cur->loss + w->span_first : NULL;
    str_clear(&w->scratch);
    span_encode(&w->scratch, &w->head, w->cur->fields.tokens - w->span_first, id, flags, &begins,
                loss);
    return flags;
}

static bool
table_is_full(const struct shard_writer *w)
{
    return w->cur->fields.spans > 0 &&
           w->cur->table.len + w->scratch.len > SHARD_SPAN_TABLE_MAX;
}

/* Cuts the open document at the end of a full block. */
static int
cut_document(struct shard_writer *w)
{
    uint8_t flags = encode_span(w, false);
    if (table_is_full(w))
        return move_span(w);
    commit_span(w, flags);
    return flush_block(w);
}

static int
end_segment(struct shard_writer *w, bool more)
{
    if (w->cur->fields.spans && flush_block(w) != 0)
        return -1;
    while (ring_pending(w->ring))
        if (write_oldest(w) != 0)
            return -1;
    struct tail_source *rows = mem_zarray(w->numbered.len + 1, sizeof *rows);
    for (size_t i = 0; i < w->numbered.len; i++) {
        struct writer_source *s = &w->sources.data[w->numbered.data[i]];
        rows[i] = (struct tail_source){s->id, s->source.documents, s->source.bytes,
                                       s->source.tokens};
        s->numbered = false;
        s->source.documents = s->source.bytes = s->source.tokens = 0;
    }
    str_clear(&w->scratch);
    int status = tail_encode(&w->segment, more, rows, (uint32_t)w->numbered.len, w->blocks.data,
                             w->written, &w->scratch);
    free(rows);
    if (status != 0 || put(w, &w->scratch) != 0)
        return -1;
    w->all.blocks += w->segment.blocks;
    w->all.documents += w->segment.documents;
    w->all.bytes += w->segment.bytes;
    w->all.tokens += w->segment.tokens;
    w->all.chain = w->segment.chain;
    return 0;
}

static int
begin_segment(struct shard_writer *w)
{
    w->segment = (struct shard_totals){0};
    w->written = 0;
    vec_clear(&w->numbered);
    vec_clear(&w->blocks);
    str_clear(&w->scratch);
    head_encode(&w->head, &w->scratch);
    w->cur->fields.first_token = w->cur->fields.first_document = 0;
    return put(w, &w->scratch);
}

/* Jobs and their rooms, for blocks of w->block_tokens. */
static void
make_jobs(struct shard_writer *w)
{
    w->job_count = w->threads < 2 ? 2 : (size_t)w->threads + 3;
    w->jobs = mem_zarray(w->job_count, sizeof *w->jobs);
    for (size_t i = 0; i < w->job_count; i++) {
        struct block_job *job = &w->jobs[i];
        job->writer = w;
        job->content = mem_array(w->block_tokens, w->head.width);
        if (w->head.flags & SHARD_LOSS_MASK)
            job->loss = mem_alloc(w->block_tokens);
    }
    w->codecs = mem_zarray((size_t)w->threads, sizeof *w->codecs);
    for (int i = 0; i < w->threads; i++)
        w->codecs[i] = codec_new();
    w->ring = ring_new(w->threads, w->job_count - 1, compress_job);
    start_block(w);
}

static void
free_jobs(struct shard_writer *w)
{
    ring_free(w->ring);
    for (size_t i = 0; i < w->job_count; i++) {
        struct block_job *job = &w->jobs[i];
        free(job->loss);
        free(job->content);
        str_release(&job->table);
        str_release(&job->sources);
        str_release(&job->data);
    }
    free(w->jobs);
    for (int i = 0; i < w->threads; i++)
        codec_free(w->codecs[i]);
    free(w->codecs);
}

struct shard_writer *
shard_writer_open(struct outfile *out, const struct shard_head *head, int level, int threads)
{
    struct shard_head h = *head;
    h.width = width_of_vocabulary(h.vocabulary);
    size_t text = h.provenance ? strlen(h.provenance) : 0;
    if (text > SHARD_PROVENANCE_MAX) {
        err_set(STATUS_INPUT, "provenance of %zu bytes is too long", text);
        return NULL;
    }
    if (head_check(&h) != 0)
        return NULL;
    struct shard_writer *w = mem_zalloc(sizeof *w);
    head_copy(&w->head, &h);
    w->out = out;
    w->level = level;
    w->threads = threads;
    w->block_tokens = SHARD_BLOCK_TOKENS;
    w->segment_blocks = SHARD_SEGMENT_BLOCKS;
    make_jobs(w);
    if (begin_segment(w) == 0)
        return w;
    shard_writer_abandon(w);
    return NULL;
}

void
shard_writer_limits(struct shard_writer *w, uint32_t block_tokens, uint32_t segment_blocks)
{
    free_jobs(w);
    w->job_next = 0;
    w->block_tokens = block_tokens;
    w->segment_blocks = segment_blocks;
    make_jobs(w);
}

uint32_t
shard_writer_source(struct shard_writer *w, const char *name, const char *language)
{
    for (size_t i = 0; i < w->sources.len; i++)
        if (strcmp(w->sources.data[i].source.name, name) == 0)
            return (uint32_t)i;
    struct writer_source s = {.source = {.name = mem_strdup(name),
                                         .language = mem_strdup(language ? language : "")}};
    vec_push(&w->sources, s);
    return (uint32_t)(w->sources.len - 1);
}

static int
check_document(const struct shard_writer *w, const struct shard_document *d)
{
    if (w->open)
        return err_set(STATUS_FAILED, "a document begins inside another");
    if (d->source >= w->sources.len || w->sources.len > 65536)
        return err_set(STATUS_INPUT, "more than 65536 sources");
    const struct shard_source *s = &w->sources.data[d->source].source;
    if (strlen(s->name) > UINT16_MAX || strlen(s->language) > UINT8_MAX)
        return err_set(STATUS_INPUT, "a source's name or language is too long");
    if (w->head.flags & SHARD_MINHASH && !d->minhash && !d->padding)
        return err_set(STATUS_INPUT, "a document without MinHash signature");
    return 0;
}

int
shard_writer_begin(struct shard_writer *w, const struct shard_document *d)
{
    if (check_document(w, d) != 0)
        return -1;
    if (w->cur->fields.tokens == w->block_tokens && flush_block(w) != 0)
        return -1;
    if (w->segment.blocks >= w->segment_blocks &&
        (end_segment(w, true) != 0 || begin_segment(w) != 0))
        return -1;
    w->doc = *d;
    vec_clear(&w->minhash);
    if (w->head.flags & SHARD_MINHASH && d->minhash)
        for (uint32_t i = 0; i < (uint32_t)w->head.bands * w->head.rows; i++)
            vec_push(&w->minhash, d->minhash[i]);
    w->open = w->begins = true;
    w->span_first = w->cur->fields.tokens;
    return 0;
}

static int
check_ids(const struct shard_writer *w, const uint32_t *ids, const uint8_t *loss, size_t n)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = ids[i] > largest ? ids[i] : largest;
    if (n && largest >= w->head.vocabulary)
        return err_set(STATUS_INPUT, "id %u is not below the vocabulary %u", largest,
                       w->head.vocabulary);
    if (loss && !(w->head.flags & SHARD_LOSS_MASK) && memchr(loss, 0, n))
        return err_set(STATUS_INPUT, "a loss mask in a shard without one");
    return 0;
}

/* Appends n ids, packed or not. */
static int
append(struct shard_writer *w, const uint32_t *ids, const uint8_t *packed, const uint8_t *loss,
       size_t n)
{
    size_t width = w->head.width;
    while (n > 0) {
        struct block_job *job = w->cur;
        uint32_t used = job->fields.tokens;
        if (used == w->block_tokens) {
            if (cut_document(w) != 0)
                return -1;
            continue;
        }
        size_t part = n < w->block_tokens - used ? n : w->block_tokens - used;
        if (ids)
            ids_pack(ids, part, w->head.width, job->content + used * width);
        else
            memcpy(job->content + used * width, packed, part * width);
        if (job->loss && loss)
            memcpy(job->loss + used, loss, part);
        else if (job->loss)
            memset(job->loss + used, 1, part);
        job->fields.tokens += (uint32_t)part;
        ids = ids ? ids + part : NULL;
        packed = packed ? packed + part * width : NULL;
        loss = loss ? loss + part : NULL;
        n -= part;
    }
    return 0;
}

int
shard_writer_ids(struct shard_writer *w, const uint32_t *ids, const uint8_t *loss, size_t n)
{
    return check_ids(w, ids, loss, n) ? -1 : append(w, ids, NULL, loss, n);
}

int
shard_writer_packed(struct shard_writer *w, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    return append(w, NULL, packed, loss, n);
}

int
shard_writer_end(struct shard_writer *w)
{
    uint8_t flags = encode_span(w, true);
    if (table_is_full(w)) {
        if (move_span(w) != 0)
            return -1;
        flags = encode_span(w, true);
    }
    commit_span(w, flags);
    w->open = false;
    return 0;
}

int
shard_writer_add(struct shard_writer *w, const struct shard_document *d)
{
    if (shard_writer_begin(w, d) != 0 || shard_writer_ids(w, d->ids, d->loss, d->tokens) != 0)
        return -1;
    return shard_writer_end(w);
}

int
shard_writer_close(struct shard_writer *w, struct shard_totals *totals)
{
    int status = w->open ? err_set(STATUS_FAILED, "the last document does not end")
                         : end_segment(w, false);
    if (totals)
        *totals = w->all;
    shard_writer_abandon(w);
    return status;
}

void
shard_writer_abandon(struct shard_writer *w)
{
    if (!w)
        return;
    free_jobs(w);
    for (size_t i = 0; i < w->sources.len; i++) {
        free(w->sources.data[i].source.name);
        free(w->sources.data[i].source.language);
    }
    vec_release(&w->sources);
    vec_release(&w->numbered);
    vec_release(&w->blocks);
    vec_release(&w->minhash);
    str_release(&w->scratch);
    free(w->head.provenance);
    free(w);
}
