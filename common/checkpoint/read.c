#include "checkpoint/checkpoint.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"
#include "checkpoint/hashes.h"

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

/* Takes elements [offset, offset + n) of a slice. */
typedef int slice_take(void *arg, int64_t offset, const float *values, int64_t n);

/*
 * Reads one slice, a few blocks at a time, into out or into scratch memory, and
 * verifies it. hashes: NULL or its blocks' place. take: NULL or who gets them, before that.
 */
static int
read_slice(struct cursor *r, const struct manifest_slice *s, float *out, uint64_t *hashes,
           slice_take *take, void *arg)
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
        if (take && result == 0)
            result = take(arg, at, to, n);
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
checkpoint_read(const struct checkpoint *c, enum checkpoint_array a, float *out)
{
    struct cursor r = {.c = c, .file = -1, .fd = -1};
    int result = 0, t = 0;
    clear_gaps(&c->params, out);
    for (size_t i = 0; i < c->manifest.slices && result == 0; i++) {
        const struct manifest_slice *s = &c->manifest.slice[i];
        if (s->array != a)
            continue;
        while (strcmp(c->params.param[t].name, s->tensor) != 0)
            t++; /* slices come in table order, checked at open */
        result = read_slice(&r, s, out + c->params.param[t].offset + s->offset, NULL, NULL, NULL);
    }
    cursor_close(&r);
    return result;
}

int
checkpoint_read_slice(const struct checkpoint *c, size_t slice, float *out)
{
    struct cursor r = {.c = c, .file = -1, .fd = -1};
    int result = read_slice(&r, &c->manifest.slice[slice], out, NULL, NULL, NULL);
    cursor_close(&r);
    return result;
}

int
checkpoint_stream_slice(const struct checkpoint *c, size_t slice, slice_take *take, void *arg)
{
    struct cursor r = {.c = c, .file = -1, .fd = -1};
    int result = read_slice(&r, &c->manifest.slice[slice], NULL, NULL, take, arg);
    cursor_close(&r);
    return result;
}

/* The slice that has element `offset` of a tensor. */
static const struct manifest_slice *
find_slice(const struct checkpoint *c, enum checkpoint_array a, int param, int64_t offset)
{
    size_t tensors = (size_t)c->params.count, at = (size_t)a * tensors + (size_t)param;
    size_t low = c->first_slice[at], high = c->manifest.slices;
    if (at + 1 < CHECKPOINT_ARRAYS * tensors)
        high = c->first_slice[at + 1];
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (c->manifest.slice[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return &c->manifest.slice[low];
}

/* Elements [offset, offset + n) of a tensor, which must have them. */
static int
read_elements(struct cursor *r, enum checkpoint_array a, int param, int64_t offset, int64_t n,
              float *out)
{
    const struct manifest_slice *s = find_slice(r->c, a, param, offset);
    for (int64_t m; n > 0; n -= m, offset += m, out += m, s++) {
        int64_t within = offset - s->offset;
        m = n < s->size - within ? n : s->size - within;
        if (read_bytes(r, s, (uint64_t)within * sizeof *out, out, (size_t)m * sizeof *out) < 0)
            return -1;
        threads_poll();
    }
    return 0;
}

int
checkpoint_read_range(const struct checkpoint *c, enum checkpoint_array a, int param,
                      int64_t offset, int64_t n, float *out)
{
    struct cursor r = {.c = c, .file = -1, .fd = -1};
    const struct param *p = &c->params.param[param];
    if (offset < 0 || n < 0 || offset > p->size || n > p->size - offset)
        return err_set(STATUS_FAILED, "%s: tensor %s: elements beyond its end", c->path, p->name);
    int result = read_elements(&r, a, param, offset, n, out);
    cursor_close(&r);
    return result;
}

/* ---- what a rank wants, of any layout ---- */

/* A read of this many bytes or more is made for itself, rather than one of all between. */
enum { OWN_READ = 32768, DEFAULT_POOL = 4 << 20 };

/* Reads rows with what lies between them, and picks the columns. */
static int
read_columns(struct cursor *r, enum checkpoint_array a, const struct extent *at, float *out,
             float *pool, int64_t room)
{
    for (int64_t row = 0, rows; row < at->repeat; row += rows) {
        rows = (room - at->count) / at->stride + 1;
        rows = rows < at->repeat - row ? rows : at->repeat - row;
        if (read_elements(r, a, at->param, at->offset + row * at->stride,
                          (rows - 1) * at->stride + at->count, pool) < 0)
            return -1;
        for (int64_t i = 0; i < rows; i++, out += at->count)
            memcpy(out, pool + i * at->stride, (size_t)at->count * sizeof *out);
    }
    return 0;
}

static int
read_extent(struct cursor *r, enum checkpoint_array a, const struct extent *at, float *out,
            float *pool, int64_t room)
{
    if (at->repeat == 1 || at->stride == at->count)
        return read_elements(r, a, at->param, at->offset, at->count * at->repeat, out);
    if (at->count * (int64_t)sizeof *out < OWN_READ && room >= at->stride + at->count)
        return read_columns(r, a, at, out, pool, room);
    for (int64_t i = 0; i < at->repeat; i++, out += at->count)
        if (read_elements(r, a, at->param, at->offset + i * at->stride, at->count, out) < 0)
            return -1;
    return 0;
}

int
checkpoint_read_wanted(const struct checkpoint *c, const struct wanted *wanted, size_t count,
                       size_t bytes)
{
    struct cursor r = {.c = c, .file = -1, .fd = -1};
    int64_t room = (int64_t)((bytes ? bytes : DEFAULT_POOL) / sizeof(float));
    float *pool = mem_array((size_t)room + 1, sizeof *pool);
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = extent_check(&c->params, &wanted[i].at);
    /* Array by array, as the files are. */
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        for (size_t i = 0; i < count && result == 0; i++)
            if (wanted[i].array[a])
                result = read_extent(&r, (enum checkpoint_array)a, &wanted[i].at,
                                     wanted[i].array[a], pool, room);
    cursor_close(&r);
    free(pool);
    return result;
}

/* ---- verifying ---- */

static void
add_hashes(void *arg, int64_t first, int64_t count, const uint64_t *const hash[CHECKPOINT_ARRAYS])
{
    (void)first;
    state_hash_add(arg, count, hash);
}

/* Of every comm->size-th slice: verified, its blocks' hashes kept in the list. */
static int
verify_mine(const struct comm *comm, const struct checkpoint *c, struct hash_runs *runs,
            int64_t *blocks)
{
    struct cursor r = {.c = c, .file = -1, .fd = -1};
    enum checkpoint_array array = CHECKPOINT_MASTER;
    int result = 0;
    *blocks = 0;
    for (size_t i = 0; i < c->manifest.slices && result == 0; i++) {
        const struct manifest_slice *s = &c->manifest.slice[i];
        int64_t n = slice_blocks(s->size);
        if (s->array != array)
            *blocks = 0;
        array = s->array;
        if (i % (size_t)comm->size == (size_t)comm->rank) {
            uint64_t *hash = mem_array((size_t)n, sizeof *hash);
            struct hash_run run = {array, *blocks, n, hash};
            vec_push(runs, run);
            result = read_slice(&r, s, NULL, hash, NULL, NULL);
        }
        *blocks += n;
    }
    cursor_close(&r);
    return result;
}

int
checkpoint_verify(struct comm *comm, const struct checkpoint *c)
{
    struct hash_runs runs = {0};
    struct hasher *state = hasher_new();
    const struct manifest *m = &c->manifest;
    int64_t blocks;
    int result = verify_mine(comm, c, &runs, &blocks);
    result = comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK);
    if (result == 0)
        result = hashes_gather(comm, runs.data, runs.len, blocks, add_hashes, state);
    struct hash128 h = state_hash_end(state, m->state.step, m->state.position);
    if (result == 0 && (h.low != m->state_hash.low || h.high != m->state_hash.high))
        result = err_set(STATUS_INPUT, "%s/manifest.json: state_hash differs from the arrays'",
                         c->path);
    for (size_t i = 0; i < runs.len; i++)
        free((void *)(uintptr_t)runs.data[i].hash);
    vec_release(&runs);
    return result;
}

static int
verify_weights_slice(void *arg, size_t cell, int worker)
{
    const struct checkpoint *c = arg;
    (void)worker;
    if (c->manifest.slice[cell].array != CHECKPOINT_MASTER)
        return 0;
    return checkpoint_stream_slice(c, cell, NULL, NULL);
}

int
checkpoint_verify_weights(const struct checkpoint *c, struct threads *pool)
{
    return threads_run(pool, c->manifest.slices, verify_weights_slice, (void *)(uintptr_t)c);
}
