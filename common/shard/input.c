#include "shard/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

enum { INPUT_READ = 1 << 18 };

int
input_open(struct input *in, const char *path, int fd)
{
    *in = (struct input){.fd = fd >= 0 ? fd : file_open_read(path), .own = fd < 0};
    if (in->fd < 0)
        return -1;
    in->path = mem_strdup(strcmp(path, "-") == 0 ? "standard input" : path);
    return 0;
}

void
input_close(struct input *in)
{
    if (in->own && in->fd >= 0)
        close(in->fd);
    free(in->path);
    free(in->buf);
}

/* Room for n visible bytes and a good read behind them. */
static void
make_room(struct input *in, size_t n)
{
    if (in->cap - in->start >= n + INPUT_READ)
        return;
    if (in->end > in->start)
        memmove(in->buf, in->buf + in->start, in->end - in->start);
    in->end -= in->start;
    in->start = 0;
    if (in->cap >= n + INPUT_READ)
        return;
    in->cap = 2 * (n + INPUT_READ);
    in->buf = mem_grow(in->buf, in->cap);
}

ssize_t
input_need(struct input *in, size_t n)
{
    if (in->end - in->start < n)
        make_room(in, n);
    while (in->end - in->start < n && !in->eof) {
        ssize_t got = read(in->fd, in->buf + in->end, in->cap - in->end);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys("%s: offset %llu: cannot read", in->path,
                           (unsigned long long)(in->offset + in->end - in->start));
        if (got == 0)
            in->eof = true;
        in->end += (size_t)got;
    }
    return (ssize_t)(in->end - in->start < n ? in->end - in->start : n);
}

int64_t
input_skip(struct input *in, uint64_t n)
{
    uint64_t done = 0;
    while (done < n) {
        size_t part = n - done < INPUT_READ ? (size_t)(n - done) : INPUT_READ;
        ssize_t got = input_need(in, part);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        in->start += (size_t)got;
        in->offset += (uint64_t)got;
        done += (uint64_t)got;
    }
    return (int64_t)done;
}
