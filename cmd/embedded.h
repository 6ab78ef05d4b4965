#ifndef CMD_EMBEDDED_H
#define CMD_EMBEDDED_H

#include <stddef.h>

#include "base/str.h"

/*
 * Files that are part of a program: the build turns them into tables of these (cmd/embed), in the
 * order of their names, which are without folder and suffix.
 */
struct embedded_file {
    const char *name;
    const unsigned char *text; /* n bytes, no NUL behind them */
    size_t n;
};

/* The file of that name in a table of `count`; NULL: none. */
const struct embedded_file *embedded_find(const struct embedded_file *table, size_t count, const char *name);

/* The name that a misspelt one most likely meant; NULL when none is near. */
const char *embedded_nearest(const struct embedded_file *table, size_t count, const char *name);

/* Adds all names, with spaces between them. */
void embedded_add_names(const struct embedded_file *table, size_t count, struct str *out);

#endif
