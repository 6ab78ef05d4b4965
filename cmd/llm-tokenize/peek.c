#include "cmd/llm-tokenize/peek.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archive/sniff.h"
#include "shard/reader.h"

/* Looks at the first bytes of an input without taking them. */

enum { PEEK_BYTES = 12, PATIENCE = 100 }; /* magic, size, tag; in hundredths of a second */

/* Copies what is in the pipe, up to n bytes; waits for the first. */
static ssize_t
peek_pipe(int fd, char *buf, size_t n)
{
    int copy[2];

    if (pipe2(copy, O_CLOEXEC))
        return -1;
    ssize_t got = tee(fd, copy[1], n, 0);
    if (got > 0)
        got = read(copy[0], buf, (size_t)got);
    close(copy[0]);
    close(copy[1]);
    return got;
}

/* A writer may have sent only part of the first frame yet: then it is waited for, a little. */
static bool
pipe_is_shard(int fd)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    char head[PEEK_BYTES];

    for (int i = 0; i < PATIENCE; i++) {
        ssize_t n = peek_pipe(fd, head, sizeof head);
        if (n == sizeof head)
            return sniff(head, sizeof head) == CONTENT_SHARD;
        if (n <= 0 || memcmp(head, "\x57\x2A\x4D\x18", n < 4 ? (size_t)n : 4))
            return false;
        nanosleep(&pause, NULL);
    }
    return false;
}

bool
peek_is_shard(const char *path)
{
    bool is_stdin = !strcmp(path, "-");
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st))
        return false;
    if (S_ISFIFO(st.st_mode)) /* stays open: the writer must not find itself without a reader */
        return pipe_is_shard(fd);
    bool is_shard = S_ISREG(st.st_mode) && shard_is_shard(fd);
    if (!is_stdin)
        close(fd);
    return is_shard;
}
