#ifndef ARCHIVE_WALK_H
#define ARCHIVE_WALK_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The files behind a list of operands, in order: a file is itself, a directory is
 * the regular files below it, each directory sorted by the bytes of the names.
 * Links to files are followed, links to directories and to nothing are not; sockets,
 * devices and FIFOs met inside a directory are passed over.
 */
struct walk;

struct walk *walk_new(const char *const *operands, size_t n);

/*
 * 1: *path is the next file and *inside its path below the operand (the whole of
 * it for an operand that is a file), both valid until the next call; 0: the end;
 * -1: error, and the walk goes on behind it.
 */
int walk_next(struct walk *w, const char **path, const char **inside);
void walk_free(struct walk *w);

#endif
