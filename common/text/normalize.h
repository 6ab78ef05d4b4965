#ifndef TEXT_NORMALIZE_H
#define TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Unicode normalization forms (UAX #15), by utf8proc's tables. Only the stretches
 * that may change are given to it; the rest is copied.
 */
enum text_form { FORM_NFC, FORM_NFD, FORM_NFKC, FORM_NFKD };

/*
 * Appends the form of s[0..n), valid UTF-8, to out; false when nothing changed
 * (then nothing was appended, s itself is the result).
 */
bool text_normalize(enum text_form form, const char *s, size_t n, struct str *out);

/* Appends s[0..n) in lower case, each code point by itself (no final sigma), as Rust's
 * char::to_lowercase. */
void text_lowercase(const char *s, size_t n, struct str *out);

#endif
