#ifndef ARCHIVE_LEVEL_H
#define ARCHIVE_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive/sniff.h"

/*
 * One layer of nesting: a file, a compressed stream or an archive, which reads the
 * current entry of the layer below it. Entries are visited in order and read once,
 * forward; nothing is stored but a buffer a layer.
 */
struct level;

/* What all layers over one file share: the bomb check. */
struct expansion {
    uint64_t consumed; /* bytes read from the file */
    uint64_t produced; /* bytes that all layers above it gave out */
    uint64_t max_ratio; /* 0: no limit */
};

/* Under this many bytes a ratio means nothing. */
enum { EXPANSION_FLOOR = 64 << 20 };

/* A file is a layer with one entry. Takes over fd. path is for messages and copied. */
struct level *level_open_file(int fd, const char *path, struct expansion *e);

/* A layer over the current entry of `below`. NULL on error. */
struct level *level_open(struct level *below, enum content content, const char *path,
                         struct expansion *e);

/*
 * Goes to the next entry that is a regular file. 1: there is one, its name is
 * level_name (NULL for files and compressed streams, which have a single nameless
 * entry); 0: the end; -1: error.
 */
int level_next(struct level *l);
const char *level_name(const struct level *l);

/* What the current entry is; looks at its first bytes. 0 or -1. */
int level_sniff(struct level *l, enum content *out);

/* Reads up to n bytes of the current entry; 0 at its end, -1 on error. */
ssize_t level_read(struct level *l, void *buf, size_t n);

/* Reads what is left of the current entry, so that its checksums are checked. 0 or -1. */
int level_drain(struct level *l);

/*
 * After an error: LEVEL_ENTRY_FAILED, the entry is bad but the next can be had;
 * LEVEL_FAILED, the whole layer is. The layer whose data is bad has the mark, not
 * those above it.
 */
enum level_state { LEVEL_GOOD, LEVEL_ENTRY_FAILED, LEVEL_FAILED };
enum level_state level_state(const struct level *l);

/* The layer goes on with its next entry, or is given up. */
void level_forgive(struct level *l);
void level_give_up(struct level *l);

bool level_is_filter(const struct level *l);
void level_close(struct level *l);

#endif
