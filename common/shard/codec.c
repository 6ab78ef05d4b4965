#include "shard/codec.h"

#include <stdlib.h>
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

static void
pack3(const uint32_t *ids, size_t n, uint8_t *out)
{
    size_t i = 0;
    /* Four ids make three words; the compiler turns this into three stores. */
    for (; i + 4 <= n; i += 4, out += 12) {
        uint32_t a = ids[i], b = ids[i + 1], c = ids[i + 2], d = ids[i + 3];
        store_u32(out, a | b << 24);
        store_u32(out + 4, b >> 8 | c << 16);
        store_u32(out + 8, c >> 16 | d << 8);
    }
    for (; i < n; i++, out += 3) {
        store_u16(out, (uint16_t)ids[i]);
        out[2] = (uint8_t)(ids[i] >> 16);
    }
}

void
ids_pack(const uint32_t *ids, size_t n, unsigned width, uint8_t *out)
{
    if (width == 2)
        for (size_t i = 0; i < n; i++)
            store_u16(out + 2 * i, (uint16_t)ids[i]);
    else
        pack3(ids, n, out);
}

static uint32_t
unpack3(const uint8_t *in, size_t n, uint32_t *ids)
{
    uint32_t largest = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4, in += 12) {
        uint32_t x = load_u32(in), y = load_u32(in + 4), z = load_u32(in + 8);
        uint32_t a = x & 0xffffff, b = (x >> 24 | y << 8) & 0xffffff;
        uint32_t c = (y >> 16 | z << 16) & 0xffffff, d = z >> 8;
        ids[i] = a;
        ids[i + 1] = b;
        ids[i + 2] = c;
        ids[i + 3] = d;
        uint32_t ab = a > b ? a : b, cd = c > d ? c : d;
        ab = ab > cd ? ab : cd;
        largest = largest > ab ? largest : ab;
    }
    for (; i < n; i++, in += 3) {
        ids[i] = load_u16(in) | (uint32_t)in[2] << 16;
        largest = largest > ids[i] ? largest : ids[i];
    }
    return largest;
}

uint32_t
ids_unpack(const uint8_t *in, size_t n, unsigned width, uint32_t *ids)
{
    if (width != 2)
        return unpack3(in, n, ids);
    uint32_t largest = 0;
    for (size_t i = 0; i < n; i++) {
        ids[i] = load_u16(in + 2 * i);
        largest = largest > ids[i] ? largest : ids[i];
    }
    return largest;
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
