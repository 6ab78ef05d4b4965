#ifndef SHARD_INPUT_H
#define SHARD_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A file or pipe as a window of bytes that can be looked at before they are taken:
 * what was not taken can be searched again (salvage). Internal to common/shard.
 */
struct input {
    int fd;
    bool own, eof;
    char *path;      /* for messages */
    uint8_t *buf;
    size_t start, end, cap;
    uint64_t offset; /* in the file, of buf[start] */
};

/* fd >= 0 is used and stays the caller's; else `path` is opened. 0 or -1. */
int input_open(struct input *in, const char *path, int fd);
void input_close(struct input *in);

/* Makes n bytes visible if the input has them: how many are (n, or fewer at the end), or -1. */
ssize_t input_need(struct input *in, size_t n);

/* Takes n bytes, visible or not. How many there were, or -1. */
int64_t input_skip(struct input *in, uint64_t n);

static inline const uint8_t *
input_data(const struct input *in)
{
    return in->buf + in->start;
}

#endif
