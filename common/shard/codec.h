#ifndef SHARD_CODEC_H
#define SHARD_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * DATA: ids as `width`-byte integers in one zstd frame (single segment, content
 * size, checksum). One codec belongs to one thread. Internal to common/shard.
 */
struct codec;

struct codec *codec_new(void);
void codec_free(struct codec *c);

/* n ids to n * width bytes and back; the largest of n packed ids (0 when n is 0). */
void ids_pack(const uint32_t *ids, size_t n, unsigned width, uint8_t *out);
void ids_unpack(const uint8_t *in, size_t n, unsigned width, uint32_t *ids);
uint32_t ids_largest(const uint8_t *in, size_t n, unsigned width);

/* Replaces *frame by the frame of `content`. level 0: stored without compression. 0 or -1. */
int codec_compress(struct codec *c, int level, const uint8_t *content, size_t n,
                   struct str *frame);

/*
 * The frame's content, which must be exactly n bytes, into out. Anything but one
 * frame of the format's kind is STATUS_INPUT. 0 or -1 with the fact alone.
 */
int codec_decompress(struct codec *c, const void *frame, size_t frame_bytes, uint8_t *out,
                     size_t n);

#endif
