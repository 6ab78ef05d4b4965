#ifndef TEXT_PYTHON_H
#define TEXT_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Text as Python's str sees it: white space, lines, case; all on valid UTF-8 where nothing else is said. */

bool text_is_space(int32_t c); /* str.isspace of one character */

/* Bytes of white space that text begins with; the length without white space at the end. */
size_t text_space_prefix(const char *text, size_t n);
size_t text_trimmed_end(const char *text, size_t n);

/* Length of the first line, without its end; *skip: bytes of that end (0: the text ends). */
size_t text_line(const char *text, size_t n, size_t *skip);

/* The byte where the index-th code point begins (n where there are fewer). */
size_t text_offset(const char *text, size_t n, size_t index);

enum text_case {
    CASE_LOWER,
    CASE_UPPER,
    CASE_TITLE,      /* every word, as str.title */
    CASE_CAPITALIZE, /* the first character, the rest lower */
    CASE_SWAP
};

/*
 * Appends text in another case: a sigma at the end of a word becomes the final one, U+0130 two code
 * points. What is not UTF-8 counts as one U+FFFD a byte.
 */
void text_change_case(const char *text, size_t n, enum text_case to, struct str *out);

bool text_is_cased(int32_t c);
bool text_is_upper(int32_t c);
bool text_is_lower(int32_t c);

#endif
