#ifndef LLM_TOKENIZE_FEED_STATE_H
#define LLM_TOKENIZE_FEED_STATE_H

#include "archive/input.h"
#include "cmd/llm-tokenize/feed.h"
#include "text/charset_convert.h"

/* What the parts of the feed share: members and lines (feed.c), records (feed_records.c). */
struct feed {
    struct input *in;
    struct jsonl_field field;
    struct str pending;      /* bytes of the open member that are in no job yet */
    enum text_format format; /* of the open member */
    enum charset charset;    /* of its lines */
    struct charset_converter *charsets;
    bool open, ended;        /* a member is open; all of it was read */
    uint64_t line;           /* of pending's first byte */
    enum drop why;           /* what the member counts as if an error is tolerated */

    size_t at;               /* records: how much of pending was taken */
    uint64_t offset;         /* of pending[at] in the member */
    bool closed;             /* a wiki's dump has come to its end */
    bool survives;           /* the error is of a record: the member goes on behind it */
};

/* Adds up to n bytes of the member to *to. Bytes, 0 at its end, -1. */
ssize_t feed_read(struct feed *f, struct str *to, size_t n);

/* What was added to j->raw behind `from` is an item. */
void feed_add_item(struct feed *f, struct job *j, size_t from, uint64_t place);

/* Sets the error that `what` ("the member is") passes --max-member. -1. */
int feed_too_large(struct feed *f, const char *what);

/* Takes, or passes over, the next record of a WARC file, page of a wiki. 0 or -1. */
int feed_warc_record(struct feed *f, struct job *j);
int feed_wiki_page(struct feed *f, struct job *j);

#endif
