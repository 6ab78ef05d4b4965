#include "archive/gunzip.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"

/* Decompresses gzip with every checksum looked at. */

enum { IN_BYTES = 64 << 10 };

struct gunzip {
    ssize_t (*read)(void *arg, void *buf, size_t n);
    void *arg;
    z_stream z;
    bool in_member; /* bytes of a member were read and its end was not */
    bool ended;
    unsigned char in[IN_BYTES];
};

struct gunzip *
gunzip_open(ssize_t (*read)(void *arg, void *buf, size_t n), void *arg)
{
    struct gunzip *g = mem_zalloc(sizeof *g);

    g->read = read;
    g->arg = arg;
    if (inflateInit2(&g->z, 15 + 16) == Z_OK) /* 16: the gzip wrapper, nothing else */
        return g;
    free(g);
    return NULL;
}

/* 1: there is input; 0: the end; -1. */
static int
fill(struct gunzip *g)
{
    if (g->z.avail_in)
        return 1;
    ssize_t n = g->read(g->arg, g->in, sizeof g->in);
    if (n <= 0)
        return (int)n;
    g->z.next_in = g->in;
    g->z.avail_in = (uInt)n;
    return 1;
}

/* Zeros behind the last member are padding (tapes, block devices). */
static bool
skip_padding(struct gunzip *g)
{
    while (g->z.avail_in && !*g->z.next_in) {
        g->z.next_in++;
        g->z.avail_in--;
    }
    return !g->z.avail_in;
}

static const char *
complaint(const struct gunzip *g, int code)
{
    if (code == Z_MEM_ERROR)
        return "out of memory";
    return g->z.msg ? g->z.msg : "corrupt data";
}

/* 1: go on; 0: the end; -1: error. */
static int
between_members(struct gunzip *g, const char **error)
{
    int r = fill(g);

    if (r <= 0)
        return r;
    if (*g->z.next_in) {
        *error = "what follows the compressed data is not gzip";
        if (*g->z.next_in != 0x1F)
            return -1;
        inflateReset(&g->z);
        g->in_member = true;
        return 1;
    }
    while (skip_padding(g))
        if ((r = fill(g)) <= 0)
            return r;
    *error = "what follows the compressed data is not gzip";
    return -1;
}

ssize_t
gunzip_read(struct gunzip *g, void *buf, size_t n, const char **error)
{
    g->z.next_out = buf;
    g->z.avail_out = (uInt)(n < 1u << 30 ? n : 1u << 30);
    size_t room = g->z.avail_out;

    *error = NULL;
    while (!g->ended && g->z.avail_out == room) {
        int r = g->in_member || !g->z.total_in ? fill(g) : between_members(g, error);
        if (r < 0)
            return -1;
        if (r == 0 && (g->in_member || !g->z.total_in)) {
            *error = "truncated";
            return -1;
        }
        if (r == 0) {
            g->ended = true;
            break;
        }
        g->in_member = true;
        int code = inflate(&g->z, Z_NO_FLUSH);
        if (code == Z_STREAM_END) {
            g->in_member = false;
        } else if (code != Z_OK && code != Z_BUF_ERROR) {
            *error = complaint(g, code);
            return -1;
        }
    }
    return (ssize_t)(room - g->z.avail_out);
}

void
gunzip_close(struct gunzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->z);
    free(g);
}
