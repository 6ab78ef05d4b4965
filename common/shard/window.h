#ifndef SHARD_WINDOW_H
#define SHARD_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A file or pipe as a window of bytes that can be looked at before they are taken:
 * what was not taken can be searched again (salvage). Internal to common/shard.
 */
struct window {
    int fd;
    bool own, eof;
    char *path;      /* for messages */
    uint8_t *buf;
    size_t start, end, cap;
    uint64_t offset; /* in the file, of buf[start] */
};

/* fd >= 0 is used and stays the caller's; else `path` is opened. 0 or -1. */
int window_open(struct window *w, const char *path, int fd);
void window_close(struct window *w);

/* Makes n bytes visible if the input has them: how many are (n, or fewer at the end), or -1. */
ssize_t window_need(struct window *w, size_t n);

/* Takes n bytes, visible or not. How many there were, or -1. */
int64_t window_skip(struct window *w, uint64_t n);

static inline const uint8_t *
window_data(const struct window *w)
{
    return w->buf + w->start;
}

#endif
