#ifndef ARCHIVE_SELECT_H
#define ARCHIVE_SELECT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Which members to read, by globs (base/str.h: '*' crosses '/'). A member's place
 * is a chain of names: the file, then the member of each archive around it, as in
 * "a.deb", "data.tar.xz", "usr/share/man/ja/man1/ls.1.gz". A pattern with a '!' is
 * matched against the names joined by '!'; one without against each single name,
 * and, when it has no '/' either, against what follows the last '/' of a name.
 */
struct select {
    const char *const *include, *const *exclude;
    size_t includes, excludes;
};

/* May names[0..n), a container, be opened? Excluded ones are not; --include waits for the leaf. */
bool select_container(const struct select *s, const char *const *names, size_t n,
                      const char *joined);

/* Is names[0..n), a leaf, wanted? */
bool select_leaf(const struct select *s, const char *const *names, size_t n, const char *joined);

#endif
