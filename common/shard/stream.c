#include "shard/stream.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "shard/index.h"
#include "shard/reader.h"

/*
 * Blocks become pieces: what the caller asks for, an array entry a token. A piece
 * of files is made when it is asked for and the few used last are kept; the pieces
 * of a pipe are kept from the last read's position on.
 */
enum { PIECES_KEPT = 4 };

/* A document's beginning. */
struct beginning {
    uint64_t position, bytes;
    uint32_t source;
};

struct piece {
    size_t number; /* of its block in the stream */
    uint64_t first, end;
    uint64_t used; /* when it was last asked for */
    uint32_t *ids;
    uint8_t *marks;
    uint16_t *sources;
    VEC(struct beginning) beginnings;
};

/* Where the chain stands behind a block. */
struct link {
    uint64_t first_token, chain;
};

struct stream_file {
    struct shard_index index;
    uint64_t first_token; /* in the stream */
    size_t first_block;
    uint32_t *source_of;  /* the index's sources to the stream's */
};

struct token_stream {
    struct shard_head head;
    VEC(struct shard_source) sources;
    VEC(struct link) links;
    VEC(struct piece *) pieces;
    uint64_t clock, tokens;

    struct stream_file *files; /* NULL: a pipe */
    size_t file_count;
    struct codec *codec;
    struct block_buffer buffer;

    struct shard_reader *pipe;
    uint64_t position; /* the last read's */
    bool ended;
};

static void
piece_free(struct piece *p)
{
    free(p->ids);
    free(p->marks);
    free(p->sources);
    vec_release(&p->beginnings);
    free(p);
}

static void
add_link(struct token_stream *s, uint64_t first_token, uint64_t h)
{
    uint64_t chain = s->links.len ? s->links.data[s->links.len - 1].chain : 0;
    struct link link = {first_token, chain_next(chain, h)};
    vec_push(&s->links, link);
}

/* One entry a token. Span sources go through source_of when it is given. */
static struct piece *
piece_new(size_t number, uint64_t first, uint32_t tokens, const uint32_t *ids,
          const uint8_t *loss, const struct shard_span *span, size_t spans,
          const uint32_t *source_of)
{
    struct piece *p = mem_zalloc(sizeof *p);
    p->number = number;
    p->first = first;
    p->end = first + tokens;
    p->ids = mem_array((size_t)tokens + 1, sizeof *p->ids);
    p->marks = mem_alloc((size_t)tokens + 1);
    p->sources = mem_array((size_t)tokens + 1, sizeof *p->sources);
    memcpy(p->ids, ids, tokens * sizeof *ids);
    for (uint32_t i = 0; i < tokens; i++)
        p->marks[i] = loss && !loss[i] ? TOKEN_NO_LOSS : 0;
    for (size_t k = 0; k < spans; k++) {
        uint32_t source = source_of ? source_of[span[k].source] : span[k].source;
        for (uint32_t i = span[k].first; i < span[k].first + span[k].tokens; i++)
            p->sources[i] = (uint16_t)source;
        if (span[k].flags & SPAN_PADDING)
            for (uint32_t i = span[k].first; i < span[k].first + span[k].tokens; i++)
                p->marks[i] |= TOKEN_PADDING;
        if (!(span[k].flags & SPAN_BEGINS))
            continue;
        if (span[k].tokens)
            p->marks[span[k].first] |= TOKEN_BEGINS;
        struct beginning b = {first + span[k].first, span[k].bytes, source};
        vec_push(&p->beginnings, b);
    }
    return p;
}

/* ---- files ------------------------------------------------------------------ */

static uint32_t
intern_source(struct token_stream *s, const struct shard_source *from)
{
    for (size_t i = 0; i < s->sources.len; i++)
        if (strcmp(s->sources.data[i].name, from->name) == 0) {
            s->sources.data[i].documents += from->documents;
            s->sources.data[i].bytes += from->bytes;
            s->sources.data[i].tokens += from->tokens;
            return (uint32_t)i;
        }
    struct shard_source copy = *from;
    copy.name = mem_strdup(from->name);
    copy.language = mem_strdup(from->language);
    vec_push(&s->sources, copy);
    return (uint32_t)(s->sources.len - 1);
}

static int
open_file(struct token_stream *s, const char *path)
{
    struct stream_file *f = &s->files[s->file_count];
    struct shard_index *x = &f->index;
    if (shard_index_open(x, path) != 0)
        return -1;
    s->file_count++;
    f->first_token = s->tokens;
    f->first_block = s->links.len;
    f->source_of = mem_zarray(x->sources.len + 1, sizeof *f->source_of);
    const struct shard_head *head = &x->segments.data[0].head;
    if (s->file_count == 1)
        head_copy(&s->head, head);
    else if (shard_head_joins(&s->head, head) != 0)
        return err_prefix("%s: block 0: offset 0", path);
    for (size_t i = 0; i < x->sources.len; i++)
        f->source_of[i] = intern_source(s, &x->sources.data[i]);
    for (size_t i = 0; i < x->blocks.len; i++)
        add_link(s, s->tokens + x->blocks.data[i].first_token, x->blocks.data[i].h);
    s->tokens += x->totals.tokens;
    return 0;
}

/* The last block that begins at or before `position`, which lies inside it. */
static size_t
block_at(const struct token_stream *s, uint64_t position)
{
    size_t low = 0, high = s->links.len;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (s->links.data[mid].first_token <= position)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static struct piece *
load_piece(struct token_stream *s, size_t number)
{
    struct stream_file *f = s->files;
    while (f + 1 < s->files + s->file_count && f[1].first_block <= number)
        f++;
    struct block_buffer *b = &s->buffer;
    if (shard_index_read(&f->index, number - f->first_block, s->codec, b) != 0)
        return NULL;
    const struct span_table *t = &b->table;
    uint64_t first = s->links.data[number].first_token;
    uint64_t next = number + 1 < s->links.len ? s->links.data[number + 1].first_token : s->tokens;
    if (next - first != b->fields.tokens) {
        err_set(STATUS_INPUT, "%s: block %zu: has %u tokens, its tail says %llu", f->index.path,
                number - f->first_block, b->fields.tokens, (unsigned long long)(next - first));
        return NULL;
    }
    return piece_new(number, first, b->fields.tokens, b->ids,
                     t->loss.len ? t->loss.data : NULL, t->spans.data, t->spans.len,
                     f->source_of);
}

static struct piece *
piece_of_block(struct token_stream *s, size_t number)
{
    size_t oldest = 0;
    for (size_t i = 0; i < s->pieces.len; i++) {
        if (s->pieces.data[i]->number == number)
            return s->pieces.data[i];
        if (s->pieces.data[i]->used < s->pieces.data[oldest]->used)
            oldest = i;
    }
    struct piece *p = load_piece(s, number);
    if (!p)
        return NULL;
    if (s->pieces.len < PIECES_KEPT) {
        vec_push(&s->pieces, p);
        return p;
    }
    piece_free(s->pieces.data[oldest]);
    return s->pieces.data[oldest] = p;
}

/* ---- a pipe ----------------------------------------------------------------- */

/* Reads one block. 1; 0 at the end; -1. */
static int
pull(struct token_stream *s)
{
    struct shard_block b;
    int got = s->ended ? 0 : shard_reader_next(s->pipe, &b);
    if (got == 0)
        s->ended = true;
    if (got <= 0)
        return got;
    add_link(s, b.first_token, b.h);
    s->tokens = b.first_token + b.tokens;
    if (b.ids) {
        struct piece *p = piece_new(s->links.len - 1, b.first_token, b.tokens, b.ids, b.loss,
                                    b.span, b.spans, NULL);
        vec_push(&s->pieces, p);
    }
    return 1;
}

/* Forgets the pieces that end at or before `position`, and goes on from there. */
static int
move_to(struct token_stream *s, uint64_t position)
{
    if (position < s->position)
        return err_set(STATUS_FAILED, "a pipe cannot be read again from token %llu",
                       (unsigned long long)position);
    s->position = position;
    shard_reader_skip_before(s->pipe, position);
    size_t kept = 0;
    for (size_t i = 0; i < s->pieces.len; i++) {
        if (s->pieces.data[i]->end <= position)
            piece_free(s->pieces.data[i]);
        else
            s->pieces.data[kept++] = s->pieces.data[i];
    }
    s->pieces.len = kept;
    return 0;
}

static struct piece *
pulled_piece(struct token_stream *s, uint64_t position)
{
    for (;;) {
        for (size_t i = 0; i < s->pieces.len; i++)
            if (s->pieces.data[i]->first <= position && position < s->pieces.data[i]->end)
                return s->pieces.data[i];
        if (pull(s) <= 0)
            return NULL;
    }
}

/* ---- the interface ---------------------------------------------------------- */

static bool
is_regular(const char *path)
{
    struct stat st;
    return stat(path, &st) != 0 || S_ISREG(st.st_mode); /* a missing file fails when opened */
}

static int
open_files(struct token_stream *s, const char *const *paths, size_t count)
{
    s->files = mem_zarray(count, sizeof *s->files);
    s->codec = codec_new();
    for (size_t i = 0; i < count; i++) {
        if (strcmp(paths[i], "-") == 0 || !is_regular(paths[i]))
            return err_set(STATUS_USAGE, "%s: several shards must all be regular files", paths[i]);
        if (open_file(s, paths[i]) != 0)
            return -1;
    }
    return 0;
}

struct token_stream *
token_stream_open(const char *const *paths, size_t count, int fd)
{
    struct token_stream *s = mem_zalloc(sizeof *s);
    int status;
    if (count == 1 && (fd >= 0 || strcmp(paths[0], "-") == 0 || !is_regular(paths[0]))) {
        s->pipe = shard_reader_open(paths[0], fd);
        status = s->pipe ? 0 : -1;
        if (s->pipe)
            head_copy(&s->head, shard_reader_head(s->pipe));
    } else {
        status = open_files(s, paths, count);
    }
    if (status == 0)
        return s;
    token_stream_close(s);
    return NULL;
}

const struct shard_head *
token_stream_head(const struct token_stream *s)
{
    return &s->head;
}

bool
token_stream_seekable(const struct token_stream *s)
{
    return s->files != NULL;
}

uint64_t
token_stream_tokens(const struct token_stream *s)
{
    return s->files || s->ended ? s->tokens : UINT64_MAX;
}

/* The piece that holds `position`: NULL at the end (*failed false) or on error. */
static struct piece *
piece_at(struct token_stream *s, uint64_t position, bool *failed)
{
    struct piece *p = NULL;
    *failed = false;
    if (s->files && position < s->tokens)
        p = piece_of_block(s, block_at(s, position));
    else if (!s->files)
        p = pulled_piece(s, position);
    if (!p)
        *failed = s->files ? position < s->tokens : !s->ended;
    else
        p->used = ++s->clock;
    return p;
}

int64_t
token_stream_read(struct token_stream *s, uint64_t position, size_t n, uint32_t *ids,
                  uint8_t *marks, uint16_t *sources)
{
    if (!s->files && move_to(s, position) != 0)
        return -1;
    size_t done = 0;
    while (done < n) {
        bool failed;
        const struct piece *p = piece_at(s, position + done, &failed);
        if (failed)
            return -1;
        if (!p)
            break;
        size_t from = (size_t)(position + done - p->first);
        size_t left = (size_t)(p->end - p->first) - from;
        size_t part = n - done < left ? n - done : left;
        memcpy(ids + done, p->ids + from, part * sizeof *ids);
        if (marks)
            memcpy(marks + done, p->marks + from, part);
        if (sources)
            memcpy(sources + done, p->sources + from, part * sizeof *sources);
        done += part;
    }
    return (int64_t)done;
}

size_t
token_stream_sources(const struct token_stream *s)
{
    return s->files ? s->sources.len : shard_reader_sources(s->pipe);
}

const struct shard_source *
token_stream_source(const struct token_stream *s, size_t i)
{
    return s->files ? &s->sources.data[i] : shard_reader_source_at(s->pipe, i);
}

int
token_stream_chain(struct token_stream *s, uint64_t position, uint64_t *chain)
{
    while (!s->files && !s->ended && s->tokens < position)
        if (pull(s) < 0)
            return -1;
    size_t low = 0, high = s->links.len; /* blocks before `low` begin before position */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->links.data[mid].first_token < position)
            low = mid + 1;
        else
            high = mid;
    }
    *chain = low ? s->links.data[low - 1].chain : 0;
    return 0;
}

static void
add_bytes(const struct piece *p, uint64_t from, uint64_t end, uint64_t *bytes)
{
    for (size_t i = 0; i < p->beginnings.len; i++) {
        const struct beginning *b = &p->beginnings.data[i];
        if (b->position >= from && b->position < end)
            bytes[b->source] += b->bytes;
    }
}

int
token_stream_bytes(struct token_stream *s, uint64_t position, uint64_t n, uint64_t *bytes)
{
    uint64_t end = position + n < position ? UINT64_MAX : position + n;
    if (!s->files && position < s->position)
        return err_set(STATUS_FAILED, "a pipe cannot be read again from token %llu",
                       (unsigned long long)position);
    while (position < end) {
        bool failed;
        const struct piece *p = piece_at(s, position, &failed);
        if (failed)
            return -1;
        if (!p)
            break;
        add_bytes(p, position, end, bytes);
        position = p->end;
    }
    return 0;
}

void
token_stream_close(struct token_stream *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->pieces.len; i++)
        piece_free(s->pieces.data[i]);
    for (size_t i = 0; i < s->file_count; i++) {
        shard_index_close(&s->files[i].index);
        free(s->files[i].source_of);
    }
    for (size_t i = 0; i < s->sources.len; i++) {
        free(s->sources.data[i].name);
        free(s->sources.data[i].language);
    }
    vec_release(&s->sources);
    vec_release(&s->links);
    vec_release(&s->pieces);
    free(s->files);
    codec_free(s->codec);
    block_buffer_release(&s->buffer);
    shard_reader_close(s->pipe);
    free(s->head.provenance);
    free(s);
}
