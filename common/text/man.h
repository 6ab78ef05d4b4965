#ifndef TEXT_MAN_H
#define TEXT_MAN_H

#include <stddef.h>

#include "base/str.h"

/*
 * Appends the text of a manual page, man(7) or mdoc(7) source in valid UTF-8, to
 * *out: headings and paragraphs apart by an empty line, filled text on one line,
 * literal displays as they stand, tables a row a line. Comments, page headers,
 * fonts, sizes, indents and conditionals of troff are left out; escapes become
 * their characters; strings (.ds) and simple aliases are followed. A small part of
 * troff(7): macros that a page defines itself are not run (Pod::Man's and
 * DocBook's, which are known, come out right). Any bytes are survived, in linear
 * time. A page that is only a link (.so) has no text.
 */
void man_to_text(const char *man, size_t n, struct str *out);

#endif
