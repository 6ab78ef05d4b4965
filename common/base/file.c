#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/threads.h"

static const char *
shown(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

int
file_open_read(const char *path)
{
    int fd;

    if (strcmp(path, "-") == 0)
        fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    else
        do
            fd = open(path, O_RDONLY | O_CLOEXEC);
        while (fd < 0 && errno == EINTR); /* opening a FIFO waits */
    return fd < 0 ? err_sys("%s", shown(path)) : fd;
}

int
file_await(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (!threads_hook && !sys_catches_stop())
        return 0;
    for (;;) {
        threads_poll();
        if (poll(&p, 1, sys_stop_signal() ? 0 : 100) > 0)
            return 0;
        if (sys_stop_signal())
            return err_set(STATUS_FAILED, "signal %d came while waiting for input", sys_stop_signal());
    }
}

/*
 * May the call that failed be made again? Interrupted: yes. A descriptor that
 * someone who shares it made non-blocking: yes, once it is ready.
 */
static bool
again(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    if (errno == EAGAIN)
        return poll(&p, 1, -1) >= 0 || errno == EINTR;
    return errno == EINTR;
}

ssize_t
file_read_full(int fd, void *buf, size_t n, const char *path)
{
    size_t done = 0;

    while (done < n) {
        if (file_await(fd) < 0)
            return err_prefix("%s", shown(path));
        ssize_t got = read(fd, (char *)buf + done, n - done < SSIZE_MAX ? n - done : SSIZE_MAX);

        if (got == 0)
            break;
        if (got > 0)
            done += (size_t)got;
        else if (!again(fd, POLLIN))
            return err_sys("%s: read", shown(path));
    }
    return (ssize_t)done;
}

ssize_t
file_pread_full(int fd, void *buf, size_t n, uint64_t offset, const char *path)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = pread(fd, (char *)buf + done, n - done, (off_t)(offset + done));

        if (got == 0)
            break;
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            return err_sys("%s: read at %llu", shown(path), (unsigned long long)(offset + done));
    }
    return (ssize_t)done;
}

/* The reader is gone and SIGPIPE was ignored or blocked: end as if it were not. */
static void
die_of_pipe(void)
{
    sigset_t set;

    file_remove_remembered();
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGPIPE);
}

static int
write_failed(const char *path)
{
    if (errno == EPIPE)
        die_of_pipe();
    return err_sys("%s: write", strcmp(path, "-") == 0 ? "standard output" : path);
}

int
file_write_full(int fd, const void *buf, size_t n, const char *path)
{
    size_t done = 0;

    while (done < n) {
        ssize_t put = write(fd, (const char *)buf + done, n - done);

        if (put >= 0)
            done += (size_t)put;
        else if (!again(fd, POLLOUT))
            return write_failed(path);
    }
    return 0;
}

int
file_pwrite_full(int fd, const void *buf, size_t n, uint64_t offset, const char *path)
{
    size_t done = 0;

    while (done < n) {
        ssize_t put = pwrite(fd, (const char *)buf + done, n - done, (off_t)(offset + done));

        if (put >= 0)
            done += (size_t)put;
        else if (errno != EINTR)
            return write_failed(path);
    }
    return 0;
}

int
file_open(const char *path, int flags)
{
    int fd;

    do
        fd = open(path, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? err_sys("%s", path) : fd;
}

int
file_sync(int fd, const char *path)
{
    int result;

    do
        result = fsync(fd);
    while (result < 0 && errno == EINTR);
    return result < 0 ? err_sys("%s: fsync", path) : 0;
}

int
file_close(int fd, const char *path)
{
    /* Interrupted, it is closed all the same (Linux). */
    return close(fd) < 0 && errno != EINTR ? err_sys("%s: close", path) : 0;
}

static int
load_fd(int fd, const char *path, size_t limit, struct str *out)
{
    enum { STEP = 1 << 16 };
    struct stat st;
    size_t start = out->len;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (uint64_t)st.st_size <= limit)
        str_reserve(out, (size_t)st.st_size + 1);
    for (;;) {
        size_t room, loaded = out->len - start;
        ssize_t got;

        str_reserve(out, STEP);
        room = out->cap - out->len - 1;
        if (room > limit - loaded)
            room = limit - loaded + 1; /* one more shows that there is more */
        got = file_read_full(fd, out->data + out->len, room, path);
        if (got < 0)
            return -1;
        out->len += (size_t)got;
        out->data[out->len] = '\0';
        if (out->len - start > limit)
            return err_set(STATUS_INPUT, "%s: larger than %zu bytes", shown(path), limit);
        if ((size_t)got < room)
            return 0;
    }
}

int
file_load(const char *path, size_t limit, struct str *out)
{
    int fd = file_open_read(path), result;

    if (fd < 0)
        return -1;
    result = load_fd(fd, path, limit, out);
    close(fd);
    return result;
}

int
file_store(const char *path, const void *data, size_t n)
{
    struct outfile f;

    if (outfile_open(&f, path, false) != 0)
        return -1;
    if (outfile_write(&f, data, n) != 0) {
        outfile_abandon(&f);
        return -1;
    }
    return outfile_commit(&f);
}

bool
file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

bool
file_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool
file_is_regular(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

char *
file_join(const char *dir, const char *name)
{
    size_t n = strlen(dir);

    return mem_printf("%s%s%s", dir, n && dir[n - 1] != '/' ? "/" : "", name);
}

bool
file_exists_in(const char *dir, const char *name)
{
    char *path = file_join(dir, name);
    bool found = file_exists(path);

    free(path);
    return found;
}
