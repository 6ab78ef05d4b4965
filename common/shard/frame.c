#include "shard/frame.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"

/* The frames of a shard, field by field: what SHARD.md's table says, in code. */

size_t
frame_begin(struct str *out, const char *tag)
{
    size_t start = out->len;
    put_u32(out, SHARD_MAGIC);
    put_u32(out, 0);
    str_add(out, tag, 4);
    return start;
}

void
frame_end(struct str *out, size_t start, uint32_t trailer)
{
    size_t payload = out->len - start - FRAME_HEADER;
    put_u64(out, hash64(out->data + start + FRAME_HEADER, payload));
    store_u32(out->data + start + 4, (uint32_t)(payload + FRAME_HASH) + trailer);
}

uint64_t
chain_next(uint64_t chain, uint64_t h)
{
    uint8_t b[16];
    store_u64(b, chain);
    store_u64(b + 8, h);
    return hash64(b, sizeof b);
}

void
block_encode(struct block_fields *b, struct str *out)
{
    size_t start = frame_begin(out, SHARD_TAG_BLOCK);
    put_u32(out, b->number);
    put_u32(out, b->tokens);
    put_u64(out, b->first_token);
    put_u64(out, b->first_document);
    put_u32(out, b->documents);
    put_u32(out, b->spans);
    put_u32(out, b->table_bytes);
    str_add(out, b->table, b->table_bytes);
    put_u64(out, b->ids_hash);
    const char *payload = out->data + start + FRAME_HEADER;
    b->h = hash64(payload, (size_t)(out->data + out->len - payload));
    put_u32(out, b->data_bytes);
    put_u64(out, b->data_hash);
    frame_end(out, start, 0);
}

/* ZSTD_compressBound() as the format has it: not tied to a library version. */
static uint64_t
data_bound(uint64_t content)
{
    uint64_t margin = content < (128 << 10) ? ((128 << 10) - content) >> 11 : 0;
    return content + (content >> 8) + margin;
}

int
block_decode(const uint8_t *payload, size_t n, unsigned width, struct block_fields *out)
{
    struct fields f = {payload + 4, payload + n, false};
    struct block_fields b = {0};
    b.number = take_u32(&f);
    b.tokens = take_u32(&f);
    b.first_token = take_u64(&f);
    b.first_document = take_u64(&f);
    b.documents = take_u32(&f);
    b.spans = take_u32(&f);
    b.table_bytes = take_u32(&f);
    b.table = take_bytes(&f, b.table_bytes);
    b.ids_hash = take_u64(&f);
    if (!f.bad)
        b.h = hash64(payload, (size_t)(f.p - payload));
    b.data_bytes = take_u32(&f);
    b.data_hash = take_u64(&f);
    if (f.bad || f.p != f.end)
        return err_set(STATUS_INPUT, "block frame has the wrong length");
    if (b.tokens > SHARD_BLOCK_TOKENS_MAX)
        return err_set(STATUS_INPUT, "%u tokens are more than a block may have", b.tokens);
    if (b.spans > b.table_bytes / 3 || b.documents > b.spans)
        return err_set(STATUS_INPUT, "%u spans do not fit a span table of %u bytes", b.spans,
                       b.table_bytes);
    if (b.data_bytes > data_bound((uint64_t)b.tokens * width))
        return err_set(STATUS_INPUT, "data frame of %u bytes is too large for %u tokens",
                       b.data_bytes, b.tokens);
    *out = b;
    return 0;
}

int
tail_decode(const uint8_t *payload, size_t n, struct tail_fields *out)
{
    struct fields f = {payload + 4, payload + n, false};
    struct tail_fields t = {0};
    t.totals.blocks = take_u64(&f);
    t.totals.documents = take_u64(&f);
    t.totals.bytes = take_u64(&f);
    t.totals.tokens = take_u64(&f);
    t.totals.chain = take_u64(&f);
    uint8_t more = take_u8(&f);
    t.sources = take_u32(&f);
    if (t.sources > 65536 || t.totals.blocks > SHARD_PAYLOAD_MAX / TAIL_BLOCK_BYTES || more > 1)
        f.bad = true;
    t.more = more == 1;
    t.source_rows = take_bytes(&f, (size_t)t.sources * TAIL_SOURCE_BYTES);
    t.block_rows = take_bytes(&f, f.bad ? 0 : (size_t)t.totals.blocks * TAIL_BLOCK_BYTES);
    if (f.bad || f.p != f.end)
        return err_set(STATUS_INPUT, "tail does not have the length its counts give");
    *out = t;
    return 0;
}

struct tail_source
tail_source_at(const struct tail_fields *t, size_t i)
{
    const uint8_t *p = t->source_rows + i * TAIL_SOURCE_BYTES;
    return (struct tail_source){load_u16(p), load_u64(p + 2), load_u64(p + 10), load_u64(p + 18)};
}

struct tail_block
tail_block_at(const struct tail_fields *t, size_t i)
{
    const uint8_t *p = t->block_rows + i * TAIL_BLOCK_BYTES;
    return (struct tail_block){load_u64(p), load_u64(p + 8), load_u64(p + 16), load_u64(p + 24)};
}

int
tail_encode(const struct shard_totals *totals, bool more, const struct tail_source *sources,
            uint32_t source_count, const struct tail_block *blocks, uint64_t segment_bytes,
            struct str *out)
{
    if (totals->blocks > (SHARD_PAYLOAD_MAX - (2u << 20)) / TAIL_BLOCK_BYTES)
        return err_set(STATUS_FAILED, "a document is too long for one segment of a shard");
    size_t start = frame_begin(out, SHARD_TAG_TAIL);
    put_u64(out, totals->blocks);
    put_u64(out, totals->documents);
    put_u64(out, totals->bytes);
    put_u64(out, totals->tokens);
    put_u64(out, totals->chain);
    put_u8(out, more);
    put_u32(out, source_count);
    for (uint32_t i = 0; i < source_count; i++) {
        put_u16(out, sources[i].id);
        put_u64(out, sources[i].documents);
        put_u64(out, sources[i].bytes);
        put_u64(out, sources[i].tokens);
    }
    for (uint64_t i = 0; i < totals->blocks; i++) {
        put_u64(out, blocks[i].offset);
        put_u64(out, blocks[i].first_token);
        put_u64(out, blocks[i].first_document);
        put_u64(out, blocks[i].h);
    }
    frame_end(out, start, FRAME_TRAILER);
    uint64_t frame = out->len - start + FRAME_TRAILER;
    put_u64(out, segment_bytes + frame);
    put_u64(out, frame);
    str_add(out, SHARD_END, 8);
    return 0;
}
