#ifndef CHECKPOINT_OUTPUT_FILE_H
#define CHECKPOINT_OUTPUT_FILE_H

#include <stdint.h>

#include "base/str.h"

/*
 * The file that a worker writes into, of several in a directory, which exist. It stays open while
 * the worker writes into it, and is synced before it is left: a failure of the system's own writing
 * is told to us. {.fd = -1} is none.
 */
struct output_file {
    int fd;
    char *path;
    int number; /* of it, as the caller counts */
};

/* Leaves the one that is open unless it is that number, and opens dir/name. 0 or -1. */
int output_file_enter(struct output_file *f, const char *dir, const char *name, int number);

/* Writes at an offset, and has the disk begin with it. 0 or -1. */
int output_file_put(struct output_file *f, const void *data, size_t n, uint64_t offset);

/* The same of another file's bytes, without a look at them: the kernel's copy if it has one. */
int output_file_copy(struct output_file *f, int from, const char *from_path, uint64_t from_offset,
                     uint64_t n, uint64_t offset);

/* Syncs and closes it. 0 or -1. */
int output_file_leave(struct output_file *f);

#endif
