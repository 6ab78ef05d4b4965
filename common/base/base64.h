#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/*
 * Appends the bytes that s[0..n) stands for (RFC 4648, section 4, with its padding);
 * false, with `out` as it was, when it is not that.
 */
bool base64_decode(const char *s, size_t n, struct str *out);

#endif
