#ifndef TEXT_JSONL_H
#define TEXT_JSONL_H

#include <stddef.h>

#include "base/str.h"

/*
 * Takes one string field out of a line of JSON (RFC 8259) without building the
 * document: the text of a corpus line is most of the line, so strings are crossed
 * with memchr and the rest is only checked. The whole line is checked: a key that
 * comes twice, a control character, a bad escape, a wrong number make it malformed.
 * (Strings other than the field are not checked to be UTF-8, nor is the field: see
 * base/utf8.h.)
 */

/* A field's name, cut at its dots: "meta.text" is {"meta": {"text": ...}}. */
struct jsonl_field {
    char *names; /* owned, NUL between the names */
    size_t depth;
    struct {
        const char *name;
        size_t len;
    } key[16];
};

/* 0, or -1: an empty name or more than 16 of them (STATUS_USAGE). */
int jsonl_field_init(struct jsonl_field *f, const char *dotted);
void jsonl_field_release(struct jsonl_field *f);

enum jsonl_status {
    JSONL_TEXT,      /* the field's text was appended */
    JSONL_BLANK,     /* nothing but white space */
    JSONL_NO_FIELD,  /* well formed, but there is no such field */
    JSONL_NOT_TEXT,  /* well formed, but the field is not a string */
    JSONL_MALFORMED
};

struct jsonl_result {
    size_t at;         /* malformed: byte offset in the line */
    const char *fault; /* malformed: what is wrong, a constant */
    size_t surrogates; /* lone surrogates of the text, each written as U+FFFD */
};

/*
 * Appends the field's text to *out (nothing unless JSONL_TEXT is returned). `line`
 * has no newline; *r is set.
 */
enum jsonl_status jsonl_text(const struct jsonl_field *f, const char *line, size_t n,
                             struct str *out, struct jsonl_result *r);

#endif
