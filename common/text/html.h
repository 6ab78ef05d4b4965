#ifndef TEXT_HTML_H
#define TEXT_HTML_H

#include <stddef.h>

#include "base/str.h"

/*
 * Appends the text of an HTML page, valid UTF-8, to *out: paragraphs with an empty
 * line between them, list items and table rows a line each (cells apart by tabs),
 * <pre> as it stands, entities decoded. Left out is what is not the page's text:
 * head, scripts, styles, forms' controls, and navigation (nav, footer, aside, ARIA
 * landmarks, and the class names by which the usual generators mark menus, tables
 * of contents, indexes and permanent links), and the few words above a page's first
 * h1. Any bytes are survived, in linear
 * time; broken markup gives what a forgiving reader would make of it.
 */
void html_to_text(const char *html, size_t n, struct str *out);

#endif
