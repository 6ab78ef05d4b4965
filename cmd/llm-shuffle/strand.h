#ifndef LLM_SHUFFLE_STRAND_H
#define LLM_SHUFFLE_STRAND_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

/*
 * Byte strings that grow at the end and are read anywhere: in chunks of memory, or
 * behind a small buffer in one unlinked temporary file that many of them share.
 */
enum { CHUNK_BYTES = 4 << 20 };

struct spill {
    int fd; /* -1: none; strands stay in memory */
    const char *dir;
    uint64_t end;
};

struct extent {
    uint64_t at;     /* in the strand */
    uint64_t offset; /* in the file */
    uint64_t bytes;
};

struct strand {
    uint64_t bytes;
    VEC(uint8_t *) chunks;      /* in memory */
    VEC(struct extent) extents; /* in the file */
    uint8_t *buffer;            /* the end, not yet in the file */
    size_t buffered, room;
};

/* Appends; room: size of the buffer before the file. 0 or -1. */
int strand_add(struct spill *spill, struct strand *s, size_t room, const void *bytes, size_t n);

/* Reads n bytes at `at`, which must be there. 0 or -1. */
int strand_read(const struct spill *spill, const struct strand *s, uint64_t at, void *to, size_t n);

void strand_release(struct strand *s);

#endif
