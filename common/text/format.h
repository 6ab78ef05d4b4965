#ifndef TEXT_FORMAT_H
#define TEXT_FORMAT_H

#include <stddef.h>

#include "text/jsonl.h"

/* What a file's documents are. The first names are those of --format, in its order. */
enum text_format {
    TEXT_AUTO,
    TEXT_PLAIN, /* the file is one document */
    TEXT_LINES, /* each line is one */
    TEXT_JSONL, /* a field of each line is one */
    TEXT_HTML,
    TEXT_MAN,   /* man(7) or mdoc(7) source */
    TEXT_WARC,
    TEXT_WIKIXML,
    TEXT_XML,   /* XML other than XHTML: recognized, not read */
    TEXT_PARQUET, /* recognized, not read */
    TEXT_BINARY /* not text */
};

/*
 * What a file is by its first bytes (the more, the better: 64 KB) and, where they
 * leave it open, by its name. JSON lines must have the field; lines are never
 * guessed. UTF-16 must have been converted.
 */
enum text_format text_detect(const char *head, size_t n, const char *name,
                             const struct jsonl_field *field);

const char *text_format_name(enum text_format f);

#endif
