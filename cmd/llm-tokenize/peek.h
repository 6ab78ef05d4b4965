#ifndef LLM_TOKENIZE_PEEK_H
#define LLM_TOKENIZE_PEEK_H

#include <stdbool.h>

/*
 * Does what lies at path ("-": standard input) begin as a shard does? Nothing is
 * consumed: a pipe is looked into with tee(2). False for what cannot be opened.
 */
bool peek_is_shard(const char *path);

#endif
