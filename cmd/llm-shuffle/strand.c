#include "strand.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

/* Of huge pages where the system has them: a page fault for 2 MiB instead of 4 KiB. */
static uint8_t *
new_chunk(void)
{
    void *chunk = NULL;
    if (posix_memalign(&chunk, 2 << 20, CHUNK_BYTES) != 0)
        return mem_alloc(CHUNK_BYTES);
    madvise(chunk, CHUNK_BYTES, MADV_HUGEPAGE);
    return chunk;
}

static void
add_chunks(struct strand *s, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        size_t used = (size_t)(s->bytes % CHUNK_BYTES);
        if (s->bytes / CHUNK_BYTES == s->chunks.len)
            vec_push(&s->chunks, new_chunk());
        size_t part = n < CHUNK_BYTES - used ? n : CHUNK_BYTES - used;
        memcpy(s->chunks.data[s->bytes / CHUNK_BYTES] + used, bytes, part);
        s->bytes += part;
        bytes += part;
        n -= part;
    }
}

/* Appends bytes to the file; extents that touch become one. */
static int
write_out(struct spill *spill, struct strand *s, uint64_t at, const uint8_t *bytes, size_t n)
{
    if (file_pwrite_full(spill->fd, bytes, n, spill->end, spill->dir) != 0)
        return err_prefix("temporary file");
    struct extent *last = s->extents.len ? &s->extents.data[s->extents.len - 1] : NULL;
    if (last && last->offset + last->bytes == spill->end) {
        last->bytes += n;
    } else {
        struct extent e = {at, spill->end, n};
        vec_push(&s->extents, e);
    }
    spill->end += n;
    return 0;
}

int
strand_add(struct spill *spill, struct strand *s, size_t room, const void *bytes, size_t n)
{
    if (spill->fd < 0) {
        add_chunks(s, bytes, n);
        return 0;
    }
    if (!s->buffer) {
        s->buffer = mem_alloc(room);
        s->room = room;
    }
    if (n > s->room - s->buffered) {
        if (s->buffered &&
            write_out(spill, s, s->bytes - s->buffered, s->buffer, s->buffered) != 0)
            return -1;
        s->buffered = 0;
    }
    s->bytes += n;
    if (n > s->room)
        return write_out(spill, s, s->bytes - n, bytes, n);
    memcpy(s->buffer + s->buffered, bytes, n);
    s->buffered += n;
    return 0;
}

static void
read_chunks(const struct strand *s, uint64_t at, uint8_t *to, size_t n)
{
    while (n > 0) {
        size_t from = (size_t)(at % CHUNK_BYTES);
        size_t part = n < CHUNK_BYTES - from ? n : CHUNK_BYTES - from;
        memcpy(to, s->chunks.data[at / CHUNK_BYTES] + from, part);
        at += part;
        to += part;
        n -= part;
    }
}

/* The extent that holds byte `at`. */
static size_t
extent_at(const struct strand *s, uint64_t at)
{
    size_t low = 0, high = s->extents.len;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (s->extents.data[mid].at <= at)
            low = mid;
        else
            high = mid;
    }
    return low;
}

int
strand_read(const struct spill *spill, const struct strand *s, uint64_t at, void *to, size_t n)
{
    uint8_t *out = to;
    uint64_t in_file = s->bytes - s->buffered;
    if (spill->fd < 0) {
        read_chunks(s, at, out, n);
        return 0;
    }
    for (size_t i = n && at < in_file ? extent_at(s, at) : 0; n > 0 && at < in_file; i++) {
        const struct extent *e = &s->extents.data[i];
        uint64_t skip = at - e->at;
        size_t part = n < e->bytes - skip ? n : (size_t)(e->bytes - skip);
        ssize_t got = file_pread_full(spill->fd, out, part, e->offset + skip, spill->dir);
        if (got < 0 || (size_t)got < part)
            return got < 0 ? err_prefix("temporary file")
                           : err_set(STATUS_FAILED, "%s: temporary file was cut", spill->dir);
        at += part;
        out += part;
        n -= part;
    }
    if (n > 0)
        memcpy(out, s->buffer + (at - in_file), n);
    return 0;
}

void
strand_release(struct strand *s)
{
    for (size_t i = 0; i < s->chunks.len; i++)
        free(s->chunks.data[i]);
    vec_release(&s->chunks);
    vec_release(&s->extents);
    free(s->buffer);
    *s = (struct strand){0};
}
