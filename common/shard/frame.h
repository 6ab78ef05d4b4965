#ifndef SHARD_FRAME_H
#define SHARD_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "shard/format.h"

/*
 * The skippable frames that carry a shard's metadata, built into a string and
 * taken apart from bytes in memory. Internal to common/shard.
 */
enum {
    FRAME_HEADER = 8,        /* u32 magic, u32 size of all that follows */
    FRAME_HASH = 8,          /* u64 XXH3-64 of the payload */
    FRAME_TRAILER = 24,      /* what only TAIL has behind its hash */
    FRAME_TAG = 4
};

static inline void
put_u8(struct str *s, uint8_t v)
{
    str_add(s, &v, 1);
}

static inline void
put_u16(struct str *s, uint16_t v)
{
    uint8_t b[2];
    store_u16(b, v);
    str_add(s, b, 2);
}

static inline void
put_u32(struct str *s, uint32_t v)
{
    uint8_t b[4];
    store_u32(b, v);
    str_add(s, b, 4);
}

static inline void
put_u64(struct str *s, uint64_t v)
{
    uint8_t b[8];
    store_u64(b, v);
    str_add(s, b, 8);
}

static inline void
put_leb128(struct str *s, uint64_t v)
{
    uint8_t b[10];
    str_add(s, b, leb128_store(b, v));
}

/* Starts a frame behind what `out` holds, with its tag; returns where it starts. */
size_t frame_begin(struct str *out, const char *tag);

/*
 * Ends the frame that started at `start`: appends the payload's hash, fills in the
 * size. `trailer`: bytes that will follow inside the frame (TAIL), else 0.
 */
void frame_end(struct str *out, size_t start, uint32_t trailer);

/* Fields of a payload, read in order; once one does not fit, `bad` stays true and zeros come. */
struct fields {
    const uint8_t *p, *end;
    bool bad;
};

static inline bool
fields_have(struct fields *f, size_t n)
{
    if (f->bad || (size_t)(f->end - f->p) < n)
        f->bad = true;
    return !f->bad;
}

static inline const uint8_t *
take_bytes(struct fields *f, size_t n)
{
    const uint8_t *p = f->p;
    if (!fields_have(f, n))
        return NULL;
    f->p += n;
    return p;
}

static inline uint8_t
take_u8(struct fields *f)
{
    const uint8_t *p = take_bytes(f, 1);
    return p ? *p : 0;
}

static inline uint16_t
take_u16(struct fields *f)
{
    const uint8_t *p = take_bytes(f, 2);
    return p ? load_u16(p) : 0;
}

static inline uint32_t
take_u32(struct fields *f)
{
    const uint8_t *p = take_bytes(f, 4);
    return p ? load_u32(p) : 0;
}

static inline uint64_t
take_u64(struct fields *f)
{
    const uint8_t *p = take_bytes(f, 8);
    return p ? load_u64(p) : 0;
}

static inline uint64_t
take_leb128(struct fields *f)
{
    uint64_t v = 0;
    if (!f->bad && leb128_load(&f->p, f->end, &v) != 0)
        f->bad = true;
    return f->bad ? 0 : v;
}

/* c' = XXH3-64(u64 c, u64 h), the link of the hash chain. */
uint64_t chain_next(uint64_t chain, uint64_t h);

/* HEAD and SOURCE as frames behind `out`, and from payloads (tag included). 0 or -1 with the fact alone. */
void head_encode(const struct shard_head *head, struct str *out);
int head_decode(const uint8_t *payload, size_t n, struct shard_head *out);
void source_encode(uint16_t id, const struct shard_source *source, struct str *out);
int source_decode(const uint8_t *payload, size_t n, uint16_t *id, struct shard_source *out);

/* Is the head one this version writes (ranges, special ids)? 0 or -1. */
int head_check(const struct shard_head *head);

/* May a writer's stream of so many tokens end here? Packed sequences are whole. 0 or -1. */
int head_check_end(const struct shard_head *head, uint64_t tokens);

/* A copy with its own provenance. */
void head_copy(struct shard_head *to, const struct shard_head *from);

uint8_t width_of_vocabulary(uint32_t vocabulary);

/* BLOCK's fields. `table` points into the payload it was decoded from. */
struct block_fields {
    uint32_t number, tokens;
    uint64_t first_token, first_document;
    uint32_t documents, spans, table_bytes;
    const uint8_t *table;
    uint64_t ids_hash;
    uint32_t data_bytes;
    uint64_t data_hash;
    uint64_t h; /* the chain's link, computed from the payload */
};

/* Appends the BLOCK frame; sets b->h. */
void block_encode(struct block_fields *b, struct str *out);
int block_decode(const uint8_t *payload, size_t n, unsigned width, struct block_fields *out);

/* One row of TAIL's block list. */
struct tail_block {
    uint64_t offset, first_token, first_document, h;
};

/* One row of TAIL's sources. */
struct tail_source {
    uint16_t id;
    uint64_t documents, bytes, tokens;
};

/* TAIL's fixed fields and its two lists, which point into the payload. */
struct tail_fields {
    struct shard_totals totals;
    bool more;
    uint32_t sources;
    const uint8_t *source_rows, *block_rows;
};

enum { TAIL_SOURCE_BYTES = 26, TAIL_BLOCK_BYTES = 32, TAIL_FIXED_BYTES = 4 + 40 + 1 + 4 };

int tail_decode(const uint8_t *payload, size_t n, struct tail_fields *out);
struct tail_source tail_source_at(const struct tail_fields *t, size_t i);
struct tail_block tail_block_at(const struct tail_fields *t, size_t i);

/* Appends the whole TAIL frame; segment_bytes: of the segment before this frame. 0, or -1 when it would be too large. */
int tail_encode(const struct shard_totals *totals, bool more, const struct tail_source *sources,
                uint32_t source_count, const struct tail_block *blocks, uint64_t segment_bytes,
                struct str *out);

#endif
