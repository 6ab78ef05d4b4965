#ifndef TEXT_MAN_CHARS_H
#define TEXT_MAN_CHARS_H

#include <stddef.h>

/* The UTF-8 text of a special character by its name in troff: "bu", "'e", "*a"; NULL: unknown. */
const char *man_char(const char *name, size_t n);

#endif
