#ifndef ARCHIVE_INPUT_H
#define ARCHIVE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive/select.h"

/*
 * Any input as a stream of leaves: files, directories (sorted), standard input
 * ("-"), and what lies inside them under any nesting of tar, zip (epub, jar), ar
 * (deb), gzip, bzip2, xz and zstd. One pass, no temporary file, no other program,
 * memory of one small buffer a layer. Containers are told by their first bytes.
 *
 *     while ((r = input_next(in)) > 0)
 *         while ((n = input_read(in, buf, sizeof buf)) > 0)
 *             ...
 *
 * Errors have the place, as in "a.deb!data.tar.xz: xz: ...". A file that cannot be
 * opened is STATUS_FAILED, what is corrupt or beyond a limit is STATUS_INPUT. After
 * any error of input_next or input_read, input_next may be called again: it goes
 * on behind what was bad (the member, the archive around it, or for a bomb the
 * whole file).
 */
struct input;

struct input_limits {
    uint64_t max_ratio;   /* bytes out for each byte of the file read; 0: no limit */
    uint64_t max_depth;   /* containers and compressed streams inside each other */
    uint64_t max_members; /* members in all archives of one file; 0: no limit */
};

enum { INPUT_MAX_RATIO = 1000, INPUT_MAX_DEPTH = 8, INPUT_MAX_MEMBERS = 10000000 };

struct input_options {
    struct input_limits limits;
    struct select select;
};

/* Copies *o; the operands and globs must outlive the input. Opens nothing yet. */
struct input *input_open(const char *const *operands, size_t n, const struct input_options *o);

/* 1: a leaf that was selected is open; 0: the end; -1: error. */
int input_next(struct input *in);

/* Up to n bytes of the leaf; 0 at its end; -1 on error. */
ssize_t input_read(struct input *in, void *buf, size_t n);

/* The leaf's place, "a.deb!data.tar.xz!usr/share/man/ja/man1/ls.1.gz"; valid until input_next. */
const char *input_path(const struct input *in);

/* Does the leaf begin as an llm-shard(5) does? */
bool input_is_shard(const struct input *in);

/* Bytes read from the operands' files so far, compressed as they are (for a meter). */
uint64_t input_consumed(const struct input *in);

void input_close(struct input *in);

/* Sum of the sizes of the operands when all are regular files, else 0. */
uint64_t input_total(const char *const *operands, size_t n);

#endif
