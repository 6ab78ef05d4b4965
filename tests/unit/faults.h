#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The system calls of a save, made to fail: a program that includes this (or runs with the library
 * of tests/preload/faults.c) calls these instead of libc's. Calls are counted where a path has
 * `fault.below` in it, or a descriptor was opened by such a path; call number `fault.at`
 * (from 1) fails in the way of `fault.kind`. fsync is counted, but not made: the tests' own
 * machine does not crash.
 */
enum fault_kind {
    FAULT_NONE,
    FAULT_NO_SPACE,   /* ENOSPC */
    FAULT_IO,         /* EIO */
    FAULT_INTERRUPT,  /* EINTR */
    FAULT_SHORT,      /* a write does half; others succeed */
    FAULT_FULL,       /* ENOSPC from there on for all that needs space */
    FAULT_KILL,       /* SIGKILL before the call */
    FAULT_KINDS
};

static const char *const fault_names[] = {"none",  "no space", "I/O error", "interrupt",
                                          "short", "full",     "kill"};

enum { FAULT_DESCRIPTORS = 1024 };

static struct {
    enum fault_kind kind;
    long at;
    const char *below; /* NULL: nothing is counted */
    atomic_long calls;
    atomic_bool watched[FAULT_DESCRIPTORS];
    const char *hit; /* the call that failed, or NULL */
} fault;

static inline void
fault_arm(enum fault_kind kind, long at, const char *below)
{
    fault.kind = kind;
    fault.at = at;
    fault.hit = NULL;
    fault.calls = 0;
    fault.below = below;
}

/* Counts a call; true: it fails, errno is set. space: it needs room on the disk. */
static inline bool
fault_now(const char *call, bool space)
{
    long n = atomic_fetch_add(&fault.calls, 1) + 1;
    if (fault.kind == FAULT_NONE || n < fault.at || (n > fault.at && fault.kind != FAULT_FULL))
        return false;
    if (fault.kind == FAULT_KILL)
        raise(SIGKILL);
    if (fault.kind == FAULT_SHORT || (fault.kind == FAULT_FULL && !space))
        return false;
    if (!fault.hit)
        fault.hit = call;
    errno = fault.kind == FAULT_IO ? EIO : fault.kind == FAULT_INTERRUPT ? EINTR : ENOSPC;
    return true;
}

static inline bool
fault_path(const char *path)
{
    return fault.below && strstr(path, fault.below);
}

static inline bool
fault_fd(int fd)
{
    return fault.below && fd >= 0 && fd < FAULT_DESCRIPTORS && fault.watched[fd];
}

int
open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(ap, int) : 0;
    va_end(ap);
    bool watched = fault_path(path);
    if (watched && fault_now("open", flags & O_CREAT))
        return -1;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && fd < FAULT_DESCRIPTORS)
        fault.watched[fd] = watched;
    return fd;
}

/* How much of a write is done: half of it once, when the kind is short. */
static inline size_t
fault_length(size_t n)
{
    bool half = fault.kind == FAULT_SHORT && fault.calls == fault.at && n > 1;
    if (half)
        fault.hit = "write";
    return half ? n / 2 : n;
}

ssize_t
write(int fd, const void *data, size_t n)
{
    if (fault_fd(fd)) {
        if (fault_now("write", true))
            return -1;
        n = fault_length(n);
    }
    return syscall(SYS_write, fd, data, n);
}

ssize_t
pwrite(int fd, const void *data, size_t n, off_t offset)
{
    if (fault_fd(fd)) {
        if (fault_now("pwrite", true))
            return -1;
        n = fault_length(n);
    }
    return syscall(SYS_pwrite64, fd, data, n, offset);
}

int
fsync(int fd)
{
    if (!fault_fd(fd))
        return (int)syscall(SYS_fsync, fd);
    return fault_now("fsync", true) ? -1 : 0;
}

int
fallocate(int fd, int mode, off_t offset, off_t n)
{
    if (fault_fd(fd) && fault_now("fallocate", true))
        return -1;
    return (int)syscall(SYS_fallocate, fd, mode, offset, n);
}

int
ftruncate(int fd, off_t n)
{
    if (fault_fd(fd) && fault_now("ftruncate", true))
        return -1;
    return (int)syscall(SYS_ftruncate, fd, n);
}

/* A failed close has closed the file. */
int
close(int fd)
{
    bool watched = fault_fd(fd);
    if (fd >= 0 && fd < FAULT_DESCRIPTORS)
        fault.watched[fd] = false;
    bool failed = watched && fault_now("close", false);
    int error = errno, result = (int)syscall(SYS_close, fd);
    if (failed)
        errno = error;
    return failed ? -1 : result;
}

int
mkdir(const char *path, mode_t mode)
{
    if (fault_path(path) && fault_now("mkdir", true))
        return -1;
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int
rename(const char *from, const char *to)
{
    if (fault_path(to) && fault_now("rename", true))
        return -1;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
unlink(const char *path)
{
    if (fault_path(path) && fault_now("unlink", false))
        return -1;
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

#endif
