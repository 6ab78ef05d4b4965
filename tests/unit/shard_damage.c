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
#include "base/rng.h"
#include "shard/reader.h"
#include "shard_make.h"
#include "tap.h"

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
