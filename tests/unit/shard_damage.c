/*
 * Every truncation and every bit flip of small shards, and random flips of a large
 * one, is found: STATUS_INPUT with block and offset (SHARD.md).
 * timeout: 120
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "shard/reader.h"
#include "shard/writer.h"
#include "tap.h"

struct bytes {
    uint8_t *data;
    size_t size;
};

/* A shard of `documents` with up to `most` tokens each, from two sources. */
static struct bytes
make_shard(uint32_t flags, uint32_t documents, uint32_t most, uint32_t block, uint32_t segment)
{
    struct shard_head head = {.vocabulary = 70000, .bos = SHARD_NONE, .eos = 2, .pad = SHARD_NONE,
                              .unk = 0, .flags = flags, .provenance = (char[]){"--test"}};
    head.bands = head.rows = flags & SHARD_MINHASH ? 2 : 0;
    struct outfile out = {.fd = memfd_create("shard", 0), .path = mem_strdup("memory")};
    struct shard_writer *w = shard_writer_open(&out, &head, 3, 1);
    shard_writer_limits(w, block, segment);
    uint32_t source[2] = {shard_writer_source(w, "ja", "ja"), shard_writer_source(w, "en", "")};
    uint32_t *ids = mem_array(most + 1, sizeof *ids);
    uint8_t *loss = mem_alloc(most + 1);
    uint32_t minhash[4] = {1, 2, 3, 4};
    for (uint32_t d = 0; d < documents; d++) {
        size_t n = rng_u64(1, d) % (most + 1);
        for (size_t i = 0; i < n; i++) {
            ids[i] = (uint32_t)(rng_u64(d + 2, i) % 70000);
            loss[i] = rng_u64(d + 2, i) >> 40 & 1;
        }
        struct shard_document doc = {.source = source[d % 3 == 1], .ids = ids, .tokens = n,
                                     .bytes = 3 * n, .hash = rng_u64(3, d), .minhash = minhash,
                                     .loss = flags & SHARD_LOSS_MASK ? loss : NULL};
        if (shard_writer_add(w, &doc) != 0)
            diag("%s", err_text());
    }
    shard_writer_close(w, NULL);
    struct bytes b = {.size = (size_t)lseek(out.fd, 0, SEEK_END)};
    b.data = mem_alloc(b.size);
    file_pread_full(out.fd, b.data, b.size, 0, "memory");
    close(out.fd);
    free(out.path);
    free(ids);
    free(loss);
    return b;
}

/* Reads fd to its end. The error class. */
static enum status
read_all(int fd)
{
    lseek(fd, 0, SEEK_SET);
    err_clear();
    struct shard_reader *r = shard_reader_open("x", fd);
    struct shard_block block;
    int got = r ? 1 : -1;
    while (got > 0)
        got = shard_reader_next(r, &block);
    shard_reader_close(r);
    return got < 0 ? err_status() : STATUS_OK;
}

static bool
error_is_placed(void)
{
    unsigned long long block, offset;
    return sscanf(err_text(), "x: block %llu: offset %llu: ", &block, &offset) == 2;
}

static void
truncate_and_flip(const char *what, struct bytes b)
{
    int fd = memfd_create("damaged", 0);
    file_pwrite_full(fd, b.data, b.size, 0, "memory");
    is_int(read_all(fd), STATUS_OK, "%s of %zu bytes is read", what, b.size);

    size_t found = 0;
    for (size_t bit = 0; bit < 8 * b.size; bit++) {
        uint8_t byte = (uint8_t)(b.data[bit / 8] ^ 1u << bit % 8);
        file_pwrite_full(fd, &byte, 1, bit / 8, "memory");
        if (read_all(fd) == STATUS_INPUT && error_is_placed())
            found++;
        else
            diag("bit %zu of byte %zu: %s", bit % 8, bit / 8, err_text());
        file_pwrite_full(fd, &b.data[bit / 8], 1, bit / 8, "memory");
    }
    is_int((int64_t)found, (int64_t)(8 * b.size), "%s: every bit flip is found", what);

    found = 0;
    for (size_t n = 0; n < b.size; n++) {
        if (ftruncate(fd, 0) != 0)
            break;
        file_pwrite_full(fd, b.data, n, 0, "memory");
        if (read_all(fd) == STATUS_INPUT && error_is_placed())
            found++;
        else
            diag("%zu bytes: %s", n, err_text());
    }
    is_int((int64_t)found, (int64_t)b.size, "%s: every truncation is found", what);
    close(fd);
}

static void
random_flips(struct bytes b, size_t count)
{
    int fd = memfd_create("damaged", 0);
    file_pwrite_full(fd, b.data, b.size, 0, "memory");
    is_int(read_all(fd), STATUS_OK, "a shard of %zu bytes is read", b.size);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t bit = rng_u64(7, i) % (8 * b.size);
        uint8_t byte = (uint8_t)(b.data[bit / 8] ^ 1u << bit % 8);
        file_pwrite_full(fd, &byte, 1, bit / 8, "memory");
        found += read_all(fd) == STATUS_INPUT && error_is_placed();
        file_pwrite_full(fd, &b.data[bit / 8], 1, bit / 8, "memory");
    }
    is_int((int64_t)found, (int64_t)count, "all of %zu random flips are found", count);
    close(fd);
}

int
main(void)
{
    struct bytes plain = make_shard(0, 5, 20, SHARD_BLOCK_TOKENS, SHARD_SEGMENT_BLOCKS);
    truncate_and_flip("a small shard", plain);
    struct bytes rich = make_shard(SHARD_LOSS_MASK | SHARD_MINHASH, 9, 20, 32, 3);
    truncate_and_flip("a shard of two segments with masks and signatures", rich);
    struct bytes empty = make_shard(0, 0, 0, SHARD_BLOCK_TOKENS, SHARD_SEGMENT_BLOCKS);
    truncate_and_flip("an empty shard", empty);
    struct bytes large = make_shard(0, 3000, 200, 4096, SHARD_SEGMENT_BLOCKS);
    random_flips(large, 2000);
    free(plain.data);
    free(rich.data);
    free(empty.data);
    free(large.data);
    return done();
}
