#ifndef TESTS_SHARD_MAKE_H
#define TESTS_SHARD_MAKE_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "shard/writer.h"
#include "tap.h"

/* Small shards in memory for the unit tests. */
struct bytes {
    uint8_t *data;
    size_t size;
};

/* A shard of `documents` with up to `most` tokens each, from two sources. */
static inline struct bytes
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

#endif
