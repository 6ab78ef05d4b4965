#include "checkpoint/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

enum { EARLY = 1 << 20, BUFFER = 1 << 20 };

int
output_file_leave(struct output_file *f)
{
    int result = 0;
    if (f->fd >= 0) {
        result = file_sync(f->fd, f->path);
        if (file_close(f->fd, f->path) < 0)
            result = -1;
    }
    free(f->path);
    *f = (struct output_file){.fd = -1};
    return result;
}

int
output_file_enter(struct output_file *f, const char *dir, const char *name, int number)
{
    if (f->fd >= 0 && f->number == number)
        return 0;
    if (output_file_leave(f) < 0)
        return -1;
    f->path = file_join(dir, name);
    f->number = number;
    f->fd = file_open(f->path, O_WRONLY);
    return f->fd < 0 ? -1 : 0;
}

/* Only a hint: the disk begins while the next piece is made; the sync waits at the end. */
static void
begin_writing(struct output_file *f, uint64_t offset, uint64_t n)
{
    if (n >= EARLY)
        (void)sync_file_range(f->fd, (off_t)offset, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

int
output_file_put(struct output_file *f, const void *data, size_t n, uint64_t offset)
{
    if (file_pwrite_full(f->fd, data, n, offset, f->path) < 0)
        return -1;
    begin_writing(f, offset, n);
    return 0;
}

/* Where the kernel does not copy between these files: by way of memory. */
static int
copy_by_memory(struct output_file *f, int from, const char *from_path, uint64_t from_offset,
               uint64_t n, uint64_t offset)
{
    char *buffer = mem_alloc(BUFFER);
    int result = 0;
    for (uint64_t m; n > 0 && result == 0; n -= m, from_offset += m, offset += m) {
        m = n < BUFFER ? n : BUFFER;
        ssize_t got = file_pread_full(from, buffer, m, from_offset, from_path);
        if (got >= 0 && (uint64_t)got != m)
            result = err_set(STATUS_INPUT, "%s: the file has become shorter", from_path);
        else if (got < 0 || file_pwrite_full(f->fd, buffer, m, offset, f->path) < 0)
            result = -1;
    }
    free(buffer);
    return result;
}

static bool
is_missing(int error)
{
    return error == EXDEV || error == ENOSYS || error == EOPNOTSUPP || error == EINVAL ||
           error == EPERM || error == EBADF;
}

int
output_file_copy(struct output_file *f, int from, const char *from_path, uint64_t from_offset,
                 uint64_t n, uint64_t offset)
{
    uint64_t begin = offset, all = n;
    while (n > 0) {
        off_t in = (off_t)from_offset, out = (off_t)offset;
        ssize_t got = copy_file_range(from, &in, f->fd, &out, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0 || (got < 0 && is_missing(errno)))
            break; /* 0: some file systems' way to say that they cannot; or its end */
        if (got < 0)
            return err_sys("%s", f->path);
        n -= (uint64_t)got;
        from_offset += (uint64_t)got;
        offset += (uint64_t)got;
    }
    if (n > 0 && copy_by_memory(f, from, from_path, from_offset, n, offset) < 0)
        return -1;
    begin_writing(f, begin, all);
    return 0;
}
