/* The token stream gives the same tokens from files, joined files and a pipe, at any offset. */
#include <fcntl.h>
#include <sys/wait.h>

#include "shard/reader.h"
#include "shard/stream.h"
#include "shard_make.h"

static struct bytes shards[3];
static uint32_t *ids;
static uint8_t *marks;
static uint16_t *sources;
static uint64_t total, chain_at_end, bytes_of[2];

static void
put_file(const char *path, const struct bytes *parts, size_t count, const void *between, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    for (size_t i = 0; i < count; i++) {
        file_write_full(fd, parts[i].data, parts[i].size, path);
        file_write_full(fd, between, n, path);
    }
    close(fd);
}

/* What the forward reader says of all.shard, token by token. */
static void
read_expected(const char *path)
{
    struct shard_reader *r = shard_reader_open(path, -1);
    struct shard_block b;
    ids = mem_array(1 << 20, sizeof *ids);
    marks = mem_zalloc(1 << 20);
    sources = mem_array(1 << 20, sizeof *sources);
    while (shard_reader_next(r, &b) > 0)
        for (uint32_t k = 0; k < b.spans; k++)
            for (uint32_t i = 0; i < b.span[k].tokens; i++, total++) {
                ids[total] = b.ids[b.span[k].first + i];
                marks[total] = (b.span[k].flags & SPAN_BEGINS && i == 0) |
                               (b.loss[b.span[k].first + i] ? 0 : TOKEN_NO_LOSS);
                sources[total] = (uint16_t)b.span[k].source;
            }
    chain_at_end = shard_reader_totals(r)->chain;
    for (size_t i = 0; i < 2; i++)
        bytes_of[i] = shard_reader_source_at(r, i)->bytes;
    shard_reader_close(r);
}

static bool
agrees(struct token_stream *s, uint64_t position, size_t n)
{
    static uint32_t got_ids[20000];
    static uint8_t got_marks[20000];
    static uint16_t got_sources[20000];
    int64_t got = token_stream_read(s, position, n, got_ids, got_marks, got_sources);
    uint64_t left = position < total ? total - position : 0;
    size_t want = n < left ? n : (size_t)left;
    if (got != (int64_t)want)
        return false;
    return memcmp(got_ids, ids + position, want * 4) == 0 &&
           memcmp(got_marks, marks + position, want) == 0 &&
           memcmp(got_sources, sources + position, want * 2) == 0;
}

static void
check_files(const char *what, const char *const *paths, size_t count)
{
    struct token_stream *s = token_stream_open(paths, count, -1);
    if (!ok(s != NULL, "%s: opened", what)) {
        diag("%s", err_text());
        return;
    }
    ok(token_stream_seekable(s) && token_stream_tokens(s) == total, "%s: tokens", what);
    size_t good = 0;
    for (uint64_t i = 0; i < 500; i++)
        good += agrees(s, rng_u64(5, i) % (total + 10), rng_u64(6, i) % 700);
    is_int((int64_t)good, 500, "%s: any offset", what);
    ok(agrees(s, total - 5, 20), "%s: the end", what);
    uint64_t chain, bytes[2] = {0};
    ok(token_stream_chain(s, total, &chain) == 0 && chain == chain_at_end, "%s: chain", what);
    ok(token_stream_chain(s, 0, &chain) == 0 && chain == 0, "%s: chain at 0", what);
    for (uint64_t p = 0; p < total; p += 333)
        token_stream_bytes(s, p, 333, bytes);
    ok(bytes[0] == bytes_of[0] && bytes[1] == bytes_of[1], "%s: bytes by source", what);
    token_stream_close(s);
}

/* The same through a pipe, in steps that overlap, with the files' chain at every step. */
static void
check_pipe(const char *path)
{
    int fd[2];
    ok(pipe(fd) == 0, "a pipe");
    pid_t child = fork();
    if (child == 0) {
        dup2(fd[1], 1);
        close(fd[0]);
        execlp("cat", "cat", path, (char *)NULL);
        _exit(1);
    }
    close(fd[1]);
    struct token_stream *s = token_stream_open((const char *[]){"-"}, 1, fd[0]);
    struct token_stream *f = token_stream_open(&path, 1, -1);
    uint64_t steps = 0, good = 0, chains = 0;
    ok(!token_stream_seekable(s) && token_stream_tokens(s) == UINT64_MAX, "pipe: no end yet");
    for (uint64_t p = 0; p < total; p += 97, steps++) {
        uint64_t a, b;
        good += agrees(s, p, 200);
        chains += !token_stream_chain(s, p, &a) && !token_stream_chain(f, p, &b) && a == b;
    }
    is_int((int64_t)good, (int64_t)steps, "pipe: the same tokens");
    is_int((int64_t)chains, (int64_t)steps, "pipe: the same chain");
    ok(agrees(s, total, 10) && token_stream_tokens(s) == total, "pipe: the end");
    uint32_t id;
    is_int(token_stream_read(s, 0, 1, &id, NULL, NULL), -1, "pipe: no way back");
    token_stream_close(s);
    token_stream_close(f);
    close(fd[0]);
    waitpid(child, NULL, 0);
}

static void
check_pipe_skips(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct token_stream *s = token_stream_open((const char *[]){"-"}, 1, fd);
    ok(agrees(s, total - 150, 100), "pipe: first read far in");
    token_stream_close(s);
    close(fd);
}

/* Reads a file at random and whole: what flips of it do. */
static enum status
read_at_random(const char *path)
{
    static uint32_t got[20000];
    static uint8_t got_marks[20000];
    enum status status = STATUS_OK;
    struct token_stream *s = token_stream_open(&path, 1, -1);
    int64_t n = s ? token_stream_read(s, 0, 20000, got, got_marks, NULL) : -1;
    if (n < 0)
        return token_stream_close(s), err_status();
    if ((uint64_t)n > total || memcmp(got, ids, (size_t)n * 4) || memcmp(got_marks, marks, (size_t)n))
        status = STATUS_DIFFERS; /* wrong data without an error */
    token_stream_close(s);
    return status;
}

static void
check_flips(void)
{
    size_t wrong = 0, refused = 0;
    put_file("flip.shard", shards, 1, "", 0);
    int fd = open("flip.shard", O_WRONLY);
    for (size_t bit = 0; bit < shards[0].size * 8; bit++) {
        uint8_t byte = (uint8_t)(shards[0].data[bit / 8] ^ 1u << bit % 8);
        file_pwrite_full(fd, &byte, 1, bit / 8, "flip.shard");
        enum status status = read_at_random("flip.shard");
        wrong += status != STATUS_OK && status != STATUS_INPUT;
        refused += status == STATUS_INPUT;
        file_pwrite_full(fd, &shards[0].data[bit / 8], 1, bit / 8, "flip.shard");
    }
    close(fd);
    is_int((int64_t)wrong, 0, "no flip gives other tokens at random access");
    ok(refused > shards[0].size * 6, "most flips are refused there, too: %zu", refused);
}

static void
check_summary(void)
{
    struct shard_summary s;
    is_int(shard_summarize("all.shard", &s), 0, "a summary");
    ok(s.totals.tokens == total && s.segments > 3 && s.source_count == 2 &&
           s.sources[0].bytes == bytes_of[0],
       "its totals");
    shard_summary_release(&s);
    is_int(shard_summarize("/dev/null", &s), -1, "no summary of a device");
}

int
main(void)
{
    static const uint8_t foreign[] = {0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'};
    uint32_t flags = SHARD_LOSS_MASK | SHARD_MINHASH;
    shards[0] = make_shard(flags, 12, 40, 32, 5);
    shards[1] = make_shard(flags, 300, 60, 128, 1000);
    shards[2] = make_shard(flags, 30, 900, 64, 20);
    put_file("all.shard", shards, 3, "", 0);
    put_file("foreign.shard", shards, 3, foreign, sizeof foreign);
    put_file("a.shard", shards, 1, "", 0);
    put_file("b.shard", shards + 1, 2, "", 0);
    read_expected("all.shard");
    check_files("one file", (const char *[]){"all.shard"}, 1);
    check_files("two files", (const char *[]){"a.shard", "b.shard"}, 2);
    check_files("foreign frames between", (const char *[]){"foreign.shard"}, 1);
    check_pipe("all.shard");
    check_pipe_skips("all.shard");
    check_flips();
    check_summary();
    struct bytes plain = make_shard(0, 5, 20, 32, 100);
    put_file("plain.shard", &plain, 1, "", 0);
    ok(!token_stream_open((const char *[]){"a.shard", "plain.shard"}, 2, -1) &&
           err_status() == STATUS_INPUT && strstr(err_text(), "loss mask"),
       "shards that do not fit are refused: %s", err_text());
    return done();
}
