#ifndef JSON_WRITE_H
#define JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Writing JSON into a string, in order, without building a tree:
 *
 *     struct str out = {0};
 *     struct json_writer w = {.out = &out, .indent = 2};
 *     json_begin_object(&w, NULL);
 *     json_put_int(&w, "vocab_size", 8000);
 *     json_begin_array(&w, "merges");
 *     json_put_string(&w, NULL, "a b");
 *     json_end_array(&w);
 *     json_end_object(&w);
 *
 * `key` is NULL for the root and for elements of an array. indent 0 writes one
 * line without spaces (JSON lines), else that many spaces a level, as Python's
 * json.dumps(indent=2, ensure_ascii=False). Text that is not UTF-8 gets U+FFFD
 * for each ill-formed part. Real numbers are the shortest text that reads back;
 * NaN and infinities are written as null.
 */
struct json_writer {
    struct str *out;
    int indent;
    int depth;    /* private from here */
    bool started; /* something stands before at this level */
    bool keyed;   /* a key waits for its value */
};

void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);

void json_put_int(struct json_writer *w, const char *key, int64_t value);
void json_put_uint(struct json_writer *w, const char *key, uint64_t value);
void json_put_real(struct json_writer *w, const char *key, double value);
void json_put_bool(struct json_writer *w, const char *key, bool value);
void json_put_null(struct json_writer *w, const char *key);
void json_put_string(struct json_writer *w, const char *key, const char *text);
void json_put_bytes(struct json_writer *w, const char *key, const char *bytes, size_t n);
void json_put_raw(struct json_writer *w, const char *key, const char *json); /* already JSON */

/* A member whose key is bytes, which may hold NUL: then put a value with key NULL. */
void json_put_key(struct json_writer *w, const char *bytes, size_t n);

#endif
