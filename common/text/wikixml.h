#ifndef TEXT_WIKIXML_H
#define TEXT_WIKIXML_H

#include <stddef.h>

#include "base/str.h"

/*
 * A page of a MediaWiki XML export (the dumps of Wikipedia, pages-articles): a <page>
 * element, of whose revisions the last counts.
 */
enum wiki_page {
    WIKI_ARTICLE,    /* its text was appended */
    WIKI_NAMESPACE,  /* it is of another namespace than 0 */
    WIKI_REDIRECT,
    WIKI_OTHER_MODEL /* its text is no wikitext (JSON, CSS, Lua) */
};

/*
 * Appends title, empty line and text (wikitext.h) of page[0..n), valid UTF-8; nothing
 * when there is no text.
 */
enum wiki_page wikixml_page(const char *page, size_t n, struct str *out);

#endif
