#ifndef TEXT_WIKITEXT_INTERNAL_H
#define TEXT_WIKITEXT_INTERNAL_H

#include <stddef.h>

#include "base/str.h"

/* The steps of wikitext.h, in their order. */

/* A line end that is part of the text: <br>, lines of code; code's bounds. Stand in no XML. */
enum { WIKI_BREAK = 0x01, WIKI_CODE = 0x02, WIKI_CODE_END = 0x03 };

/*
 * Comments, HTML and extension tags: <ref> and the like go with their content, of
 * <nowiki>, code and TeX the content stays, with what would be markup in it as
 * character references.
 */
void wikitext_undo_tags(const char *text, size_t n, struct str *out);

/* Headings, lists, quotes, magic words and references; empty parentheses. */
void wikitext_undo_lines(const char *text, size_t n, struct str *out);

#endif
