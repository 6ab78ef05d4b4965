#ifndef LLM_TOKENIZE_FILELIST_H
#define LLM_TOKENIZE_FILELIST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The inputs: n operands, then what the list in the file `path` ("-": standard input;
 * NULL: there is none) names, a name a line or, with `null`, up to a NUL; empty ones
 * are passed over. Returns an array of *count names which lives as long as the process;
 * NULL on error: also when there is no name at all, or standard input would be both list and input.
 */
const char *const *filelist(char **operands, size_t n, const char *path, bool null,
                            size_t *count);

#endif
