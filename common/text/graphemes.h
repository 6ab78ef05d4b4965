#ifndef TEXT_GRAPHEMES_H
#define TEXT_GRAPHEMES_H

#include <stddef.h>

/*
 * Where the extended grapheme cluster (UAX #29) ends that begins at s[at], at < n,
 * valid UTF-8; by utf8proc's tables.
 */
size_t grapheme_end(const char *s, size_t n, size_t at);

#endif
