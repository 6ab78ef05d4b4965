#include "shard/codec.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "shard/format.h"

/* One block of ids to a zstd frame and back. */

struct codec {
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
};

struct codec *
codec_new(void)
{
    return mem_zalloc(sizeof(struct codec));
}

void
codec_free(struct codec *c)
{
    if (!c)
        return;
    ZSTD_freeCCtx(c->compressor);
    ZSTD_freeDCtx(c->decompressor);
    free(c);
}

/*
 * Three-byte ids go as overlapping four-byte words: each store is mended by the next
 * one, and only the last id needs care.
 */
static inline uint32_t
word_at(const uint8_t *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return le32toh(word);
}

static inline void
put_word(uint8_t *p, uint32_t value)
{
    uint32_t word = htole32(value);
    memcpy(p, &word, sizeof word);
}

static inline uint32_t
last3(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static inline uint16_t
half_at(const uint8_t *p)
{
    uint16_t half;
    memcpy(&half, p, sizeof half);
    return le16toh(half);
}

void
ids_pack(const uint32_t *ids, size_t n, unsigned width, uint8_t *out)
{
    if (width == 2) {
        for (size_t i = 0; i < n; i++) {
            uint16_t half = htole16((uint16_t)ids[i]);
            memcpy(out + 2 * i, &half, sizeof half);
        }
        return;
    }
    for (size_t i = 0; i + 1 < n; i++)
        put_word(out + 3 * i, ids[i]);
    if (n > 0) {
        store_u16(out + 3 * (n - 1), (uint16_t)ids[n - 1]);
        out[3 * n - 1] = (uint8_t)(ids[n - 1] >> 16);
    }
}

void
ids_unpack(const uint8_t *in, size_t n, unsigned width, uint32_t *ids)
{
    if (width == 2) {
        for (size_t i = 0; i < n; i++)
            ids[i] = half_at(in + 2 * i);
        return;
    }
    for (size_t i = 0; i + 1 < n; i++)
        ids[i] = word_at(in + 3 * i) & 0xffffff;
    if (n > 0)
        ids[n - 1] = last3(in + 3 * (n - 1));
}

uint32_t
ids_largest(const uint8_t *in, size_t n, unsigned width)
{
    uint32_t a = 0, b = 0;
    size_t i = 0;
    if (width == 2) {
        for (; i < n; i++) {
            uint32_t id = half_at(in + 2 * i);
            a = id > a ? id : a;
        }
        return a;
    }
    for (; i + 2 < n; i += 2) {
        uint32_t x = word_at(in + 3 * i) & 0xffffff, y = word_at(in + 3 * i + 3) & 0xffffff;
        a = x > a ? x : a;
        b = y > b ? y : b;
    }
    for (; i < n; i++) {
        uint32_t id = last3(in + 3 * i);
        a = id > a ? id : a;
    }
    return a > b ? a : b;
}

/* A frame of raw blocks (RFC 8878, section 3.1.1), for those who want speed, not size. */
static void
store_frame(const uint8_t *content, size_t n, struct str *frame)
{
    enum { RAW_BLOCK = 128 << 10 };
    uint8_t head[9] = {0};
    store_u32(head, SHARD_MAGIC_ZSTD);
    head[4] = 2 << 6 | 1 << 5 | 1 << 2; /* 4 bytes of content size, single segment, checksum */
    store_u32(head + 5, (uint32_t)n);
    str_add(frame, head, sizeof head);
    size_t done = 0;
    do {
        size_t part = n - done < RAW_BLOCK ? n - done : RAW_BLOCK;
        uint32_t block = (uint32_t)part << 3 | (done + part == n);
        uint8_t b[4];
        store_u32(b, block);
        str_add(frame, b, 3);
        str_add(frame, content + done, part);
        done += part;
    } while (done < n);
    uint8_t checksum[4];
    store_u32(checksum, (uint32_t)XXH64(content, n, 0));
    str_add(frame, checksum, 4);
}

int
codec_compress(struct codec *c, int level, const uint8_t *content, size_t n, struct str *frame)
{
    str_clear(frame);
    str_reserve(frame, ZSTD_compressBound(n) + 64);
    if (level == 0) {
        store_frame(content, n, frame);
        return 0;
    }
    if (!c->compressor && !(c->compressor = ZSTD_createCCtx()))
        return err_set(STATUS_FAILED, "zstd: out of memory");
    ZSTD_CCtx_reset(c->compressor, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(c->compressor, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(c->compressor, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(c->compressor, ZSTD_c_contentSizeFlag, 1);
    /* At least the content, so that the frame is a single segment at every level. */
    ZSTD_CCtx_setParameter(c->compressor, ZSTD_c_windowLog, SHARD_WINDOW_LOG_MAX);
    size_t done = ZSTD_compress2(c->compressor, frame->data, frame->cap, content, n);
    if (ZSTD_isError(done))
        return err_set(STATUS_FAILED, "zstd: %s", ZSTD_getErrorName(done));
    frame->len = done;
    return 0;
}

/* The frame header's flags and content size (RFC 8878, section 3.1.1.1). */
static int
check_frame_header(const uint8_t *frame, size_t frame_bytes, size_t n)
{
    static const uint8_t size_bytes[4] = {1, 2, 4, 8};
    if (frame_bytes < 6 || load_u32(frame) != SHARD_MAGIC_ZSTD)
        return err_set(STATUS_INPUT, "data frame is not a zstd frame");
    uint8_t flags = frame[4];
    unsigned field = size_bytes[flags >> 6];
    if ((flags & 0x3f) != (1 << 5 | 1 << 2) || frame_bytes < 5 + field)
        return err_set(STATUS_INPUT, "data frame is not a single segment with a checksum");
    uint64_t size = field == 1   ? frame[5]
                    : field == 2 ? load_u16(frame + 5) + 256u
                    : field == 4 ? load_u32(frame + 5)
                                 : load_u64(frame + 5);
    if (size != n)
        return err_set(STATUS_INPUT, "data frame has %llu bytes, the block's ids have %zu",
                       (unsigned long long)size, n);
    return 0;
}

int
codec_decompress(struct codec *c, const void *frame, size_t frame_bytes, uint8_t *out, size_t n)
{
    if (check_frame_header(frame, frame_bytes, n) != 0)
        return -1;
    if (ZSTD_findFrameCompressedSize(frame, frame_bytes) != frame_bytes)
        return err_set(STATUS_INPUT, "data frame does not have the length its block gives");
    if (!c->decompressor && !(c->decompressor = ZSTD_createDCtx()))
        return err_set(STATUS_FAILED, "zstd: out of memory");
    size_t done = ZSTD_decompressDCtx(c->decompressor, out, n, frame, frame_bytes);
    if (ZSTD_isError(done) || done != n)
        return err_set(STATUS_INPUT, "data frame: %s",
                       ZSTD_isError(done) ? ZSTD_getErrorName(done) : "too short");
    return 0;
}
