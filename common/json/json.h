#ifndef JSON_JSON_H
#define JSON_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reading JSON documents, strictly: duplicate keys, bad UTF-8, lone surrogates,
 * trailing bytes, integers beyond 64 bits, too deep or too large input are all
 * refused. Errors are STATUS_INPUT and name the place and what was expected:
 * "config.json: rope_scaling.factor: expected a number".
 *
 * Values are jansson's json_t, all owned by the document: iterate with
 * json_array_foreach, json_object_foreach and json_object_size as jansson has
 * them, read members with the getters below. A NUL cannot stand in a key.
 */
struct json_doc {
    json_t *root;
    char *name; /* what error texts begin with */
};

enum {
    JSON_DOC_DEPTH = 128,        /* nesting beyond it is refused */
    JSON_DOC_LIMIT = 256 << 20   /* bytes, where the caller gives 0 */
};

/* Reads a file ("-": standard input) of at most `limit` bytes (0: JSON_DOC_LIMIT). 0 or -1. */
int json_doc_load(struct json_doc *doc, const char *path, size_t limit);

/* The same from memory; `name` is copied. 0 or -1. */
int json_doc_parse(struct json_doc *doc, const char *name, const void *text, size_t n);

void json_doc_release(struct json_doc *doc);

/*
 * Getters of the member `key` of `object`, an object of doc. JSON_NEED: absent
 * is an error. JSON_MAY: absent (or null) leaves *out as it is. Return 1 when
 * *out was set, 0 when absent, -1 on an error. Borrowed pointers live as long
 * as the document.
 */
enum json_need { JSON_MAY, JSON_NEED };

int json_get_int(const struct json_doc *doc, const json_t *object, const char *key,
                 enum json_need need, int64_t min, int64_t max, int64_t *out);
int json_get_real(const struct json_doc *doc, const json_t *object, const char *key,
                  enum json_need need, double *out); /* an integer will do */
int json_get_bool(const struct json_doc *doc, const json_t *object, const char *key,
                  enum json_need need, bool *out);
int json_get_string(const struct json_doc *doc, const json_t *object, const char *key,
                    enum json_need need, const char **out); /* without NUL inside */
int json_get_bytes(const struct json_doc *doc, const json_t *object, const char *key,
                   enum json_need need, const char **out, size_t *n);
int json_get_choice(const struct json_doc *doc, const json_t *object, const char *key,
                    enum json_need need, const char *choices, int *out); /* "a|b|c" → 0 1 2 */
int json_get_object(const struct json_doc *doc, const json_t *object, const char *key,
                    enum json_need need, const json_t **out);
int json_get_array(const struct json_doc *doc, const json_t *object, const char *key,
                   enum json_need need, const json_t **out);

/* The index-th element of `array`, an array of doc; 1 or -1 (also past the end). */
int json_at_int(const struct json_doc *doc, const json_t *array, size_t index, int64_t min,
                int64_t max, int64_t *out);
int json_at_real(const struct json_doc *doc, const json_t *array, size_t index, double *out);
int json_at_string(const struct json_doc *doc, const json_t *array, size_t index,
                   const char **out);
int json_at_bytes(const struct json_doc *doc, const json_t *array, size_t index,
                  const char **out, size_t *n);
int json_at_object(const struct json_doc *doc, const json_t *array, size_t index,
                   const json_t **out);
int json_at_array(const struct json_doc *doc, const json_t *array, size_t index,
                  const json_t **out);

/* The root, which must be an object (an array). 1 or -1. */
int json_root_object(const struct json_doc *doc, const json_t **out);
int json_root_array(const struct json_doc *doc, const json_t **out);

/* -1 unless every key of `object` is one of "a|b|c": nothing is silently ignored. */
int json_only_keys(const struct json_doc *doc, const json_t *object, const char *keys);

/* Appends a value of a document as json/write.h would, indented by 2, and a newline. */
struct str;
void json_dump(json_t *value, struct str *out);

/* Records "name: path.key: text" (key NULL: the path of `container` itself). Returns -1. */
int json_fail(const struct json_doc *doc, const json_t *container, const char *key,
              const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same for the index-th element of an array: "name: path[3]: text". */
int json_fail_at(const struct json_doc *doc, const json_t *array, size_t index, const char *fmt,
                 ...) __attribute__((format(printf, 4, 5)));

#endif
