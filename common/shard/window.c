#include "shard/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

enum { WINDOW_READ = 1 << 18 };

int
window_open(struct window *w, const char *path, int fd)
{
    *w = (struct window){.fd = fd >= 0 ? fd : file_open_read(path), .own = fd < 0};
    if (w->fd < 0)
        return -1;
    w->path = mem_strdup(strcmp(path, "-") == 0 ? "standard input" : path);
    return 0;
}

void
window_close(struct window *w)
{
    if (w->own && w->fd >= 0)
        close(w->fd);
    free(w->path);
    free(w->buf);
}

/* Room for n visible bytes and a good read behind them. */
static void
make_room(struct window *w, size_t n)
{
    if (w->cap - w->start >= n + WINDOW_READ)
        return;
    if (w->end > w->start)
        memmove(w->buf, w->buf + w->start, w->end - w->start);
    w->end -= w->start;
    w->start = 0;
    if (w->cap >= n + WINDOW_READ)
        return;
    w->cap = 2 * (n + WINDOW_READ);
    w->buf = mem_grow(w->buf, w->cap);
}

ssize_t
window_need(struct window *w, size_t n)
{
    if (w->end - w->start < n)
        make_room(w, n);
    while (w->end - w->start < n && !w->eof) {
        if (file_await(w->fd) < 0)
            return err_prefix("%s", w->path);
        ssize_t got = read(w->fd, w->buf + w->end, w->cap - w->end);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys("%s: offset %llu: cannot read", w->path,
                           (unsigned long long)(w->offset + w->end - w->start));
        if (got == 0)
            w->eof = true;
        w->end += (size_t)got;
    }
    return (ssize_t)(w->end - w->start < n ? w->end - w->start : n);
}

int64_t
window_skip(struct window *w, uint64_t n)
{
    uint64_t done = 0;
    while (done < n) {
        size_t part = n - done < WINDOW_READ ? (size_t)(n - done) : WINDOW_READ;
        ssize_t got = window_need(w, part);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        w->start += (size_t)got;
        w->offset += (uint64_t)got;
        done += (uint64_t)got;
    }
    return (int64_t)done;
}
