#ifndef JSON_LINES_H
#define JSON_LINES_H

#include <stddef.h>

#include "base/str.h"
#include "json/json.h"

/*
 * A file of JSON lines, an object each, in memory. Empty lines are passed over. Messages name the
 * file and the line: "results.jsonl: line 3: tokens: expected a number".
 */
struct json_lines {
    const char *path; /* borrowed */
    struct str text;
    size_t at;
    size_t number;       /* of the current line, from 1 */
    struct json_doc doc; /* the current line, until the next call */
    const json_t *object;
};

/* "-": standard input. limit: bytes (0: none). 0 or -1; closed in both cases by json_lines_close. */
int json_lines_open(struct json_lines *l, const char *path, size_t limit);

/* 1: doc and object are the next line's; 0: the end; -1. */
int json_lines_next(struct json_lines *l);
void json_lines_close(struct json_lines *l);

#endif
