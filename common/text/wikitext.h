#ifndef TEXT_WIKITEXT_H
#define TEXT_WIKITEXT_H

#include <stddef.h>

#include "base/str.h"

/*
 * Appends the plain text of MediaWiki's markup, valid UTF-8 as the XML dump holds it
 * unescaped, to *out. Kept: paragraphs, headings that text follows, items of lists
 * ("- ", "1. "), the text of links, TeX and code as they stand. Left out: templates
 * (but for those that only mark a language, a reading or a link: their text is kept),
 * tables, footnotes, galleries, files and categories, links to other languages,
 * comments, HTML tags, bold and italic, parentheses that this emptied. Any bytes are survived, in
 * linear time; what is nested deeper than 1000 is not taken for markup.
 */
void wikitext_to_text(const char *text, size_t n, struct str *out);

#endif
