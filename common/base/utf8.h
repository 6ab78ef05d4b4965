#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* UTF-8 as in RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */

/* Length of the valid prefix of s[0..n): n when all is valid. Vectorized for ASCII. */
size_t utf8_valid(const char *s, size_t n);

/*
 * Decodes the code point at s (n > 0 bytes there); *used is its length. Invalid:
 * returns -1 and *used is the length of the maximal ill-formed subpart (Unicode
 * 15, section 3.9, U+FFFD substitution), at least 1.
 */
int32_t utf8_decode(const char *s, size_t n, size_t *used);

/* Encodes into out; returns 1..4. The code point must be a scalar value. */
size_t utf8_encode(uint32_t code_point, char out[4]);

/*
 * Appends s to out with each maximal ill-formed subpart replaced by one U+FFFD;
 * returns how many were replaced.
 */
size_t utf8_clean(const char *s, size_t n, struct str *out);

/* Number of code points of valid UTF-8. */
size_t utf8_count(const char *s, size_t n);

#endif
