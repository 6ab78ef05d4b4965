#include "checkpoint/checkpoint.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"

/* Reading arrays: slice by slice in order, each verified, one file open at a time. */
struct cursor {
    const struct checkpoint *c;
    int file, fd; /* -1: none open */
    char *path;
};

static void
cursor_close(struct cursor *r)
{
    if (r->fd >= 0)
        close(r->fd);
    free(r->path);
    r->path = NULL;
    r->fd = r->file = -1;
}

static int
cursor_move(struct cursor *r, int file)
{
    if (r->file == file)
        return 0;
    cursor_close(r);
    r->path = file_join(r->c->path, r->c->manifest.file[file].name);
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0)
        return err_sys("%s", r->path);
    r->file = file;
    return 0;
}

static int
read_bytes(struct cursor *r, const struct manifest_slice *s, uint64_t offset, void *out, size_t n)
{
    if (cursor_move(r, s->file) < 0)
        return -1;
    ssize_t got = file_pread_full(r->fd, out, n, s->begin + offset, r->path);
    if (got < 0)
        return -1;
    if ((size_t)got != n)
        return err_set(STATUS_INPUT, "%s: tensor %s: ends before byte %llu", r->path, s->tensor,
                       (unsigned long long)(s->begin + offset + n));
    return 0;
}

/*
 * Reads one slice, a few blocks at a time, into out or into scratch memory, and
 * verifies it. hashes: NULL or its blocks' place.
 */
static int
read_slice(struct cursor *r, const struct manifest_slice *s, float *out, uint64_t *hashes)
{
    enum { READ = 16 * NORM_BLOCK }; /* 1 MiB: hashed while it is in the cache */
    int64_t blocks = slice_blocks(s->size);
    float *scratch = out ? NULL : mem_alloc(READ * sizeof *scratch);
    uint64_t *own = hashes ? hashes : mem_array((size_t)blocks, sizeof *own);
    int result = 0;
    for (int64_t at = 0; at < s->size && result == 0; at += READ) {
        int64_t n = s->size - at < READ ? s->size - at : READ;
        float *to = out ? out + at : scratch;
        result = read_bytes(r, s, (uint64_t)at * sizeof *to, to, (size_t)n * sizeof *to);
        for (int64_t b = 0; b < slice_blocks(n) && result == 0; b++)
            own[at / NORM_BLOCK + b] = hash64(to + b * NORM_BLOCK,
                                              (size_t)slice_block_size(n, b) * sizeof *to);
        threads_poll();
    }
    struct hash128 sum = result == 0 ? slice_checksum(own, blocks) : s->checksum;
    if (sum.low != s->checksum.low || sum.high != s->checksum.high)
        result = err_set(STATUS_INPUT, "%s: tensor %s: bytes %llu-%llu: checksum differs", r->path,
                         s->tensor, (unsigned long long)s->begin, (unsigned long long)s->end - 1);
    free(scratch);
    if (!hashes)
        free(own);
    return result;
}

/* Flat arrays have zeros between tensors. */
static void
clear_gaps(const struct params *p, float *out)
{
    for (int i = 0; i < p->count; i++) {
        int64_t end = p->param[i].offset + p->param[i].size;
        int64_t next = i + 1 < p->count ? p->param[i + 1].offset : p->elements;
        memset(out + end, 0, (size_t)(next - end) * sizeof *out);
    }
}

int
checkpoint_read(const struct checkpoint *c, enum checkpoint_array a, float *out, uint64_t *hashes)
{
    struct cursor r = {.c = c, .file = -1, .fd = -1};
    int result = 0;
    clear_gaps(&c->params, out);
    for (size_t i = 0; i < c->manifest.slices && result == 0; i++) {
        const struct manifest_slice *s = &c->manifest.slice[i];
        if (s->array != a)
            continue;
        /* Slices come in table order (checked at open), so names need no search but this. */
        int t = params_find(&c->params, s->tensor);
        result = read_slice(&r, s, out + c->params.param[t].offset + s->offset, hashes);
        if (hashes)
            hashes += slice_blocks(s->size);
    }
    cursor_close(&r);
    return result;
}

int
checkpoint_read_state(const struct checkpoint *c, float *const array[CHECKPOINT_ARRAYS])
{
    uint64_t *hash[CHECKPOINT_ARRAYS] = {0};
    int64_t blocks = 0;
    int result = 0;
    for (int t = 0; t < c->params.count; t++)
        blocks += slice_blocks(c->params.param[t].size);
    for (int a = 0; a < CHECKPOINT_ARRAYS && result == 0; a++) {
        hash[a] = mem_array((size_t)blocks + 1, sizeof *hash[a]);
        result = checkpoint_read(c, (enum checkpoint_array)a, array[a], hash[a]);
    }
    if (result == 0) {
        const struct manifest *m = &c->manifest;
        struct hash128 h = state_hash(hash, blocks, m->state.step, m->state.position);
        if (h.low != m->state_hash.low || h.high != m->state_hash.high)
            result = err_set(STATUS_INPUT, "%s: state_hash differs from the arrays", c->path);
    }
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        free(hash[a]);
    return result;
}

int
checkpoint_read_slice(const struct checkpoint *c, size_t slice, float *out)
{
    struct cursor r = {.c = c, .file = -1, .fd = -1};
    int result = read_slice(&r, &c->manifest.slice[slice], out, NULL);
    cursor_close(&r);
    return result;
}

int
checkpoint_read_range(const struct checkpoint *c, enum checkpoint_array a, int param,
                      int64_t offset, int64_t n, float *out)
{
    struct cursor r = {.c = c, .file = -1, .fd = -1};
    const char *name = c->params.param[param].name;
    int result = 0;
    for (size_t i = 0; i < c->manifest.slices && n > 0 && result == 0; i++) {
        const struct manifest_slice *s = &c->manifest.slice[i];
        if (s->array != a || offset < s->offset || offset >= s->offset + s->size ||
            strcmp(s->tensor, name) != 0)
            continue;
        int64_t left = s->offset + s->size - offset;
        int64_t m = n < left ? n : left;
        result = read_bytes(&r, s, (uint64_t)(offset - s->offset) * sizeof *out, out,
                            (size_t)m * sizeof *out);
        out += m;
        offset += m;
        n -= m;
    }
    cursor_close(&r);
    if (result == 0 && n > 0)
        return err_set(STATUS_FAILED, "%s: tensor %s: %lld elements beyond its end", c->path, name,
                       (long long)n);
    return result;
}

int
checkpoint_verify(struct comm *comm, const struct checkpoint *c)
{
    struct cursor r = {.c = c, .file = -1, .fd = -1};
    int result = 0;
    for (size_t i = (size_t)comm->rank; i < c->manifest.slices && result == 0;
         i += (size_t)comm->size)
        result = read_slice(&r, &c->manifest.slice[i], NULL, NULL);
    cursor_close(&r);
    return comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK);
}
