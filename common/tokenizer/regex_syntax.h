#ifndef TOKENIZER_REGEX_SYNTAX_H
#define TOKENIZER_REGEX_SYNTAX_H

#include <stddef.h>

#include "base/str.h"

/*
 * Translates a pattern from Oniguruma's Ruby syntax to PCRE2's. 0, or -1 with the
 * reason in `why` when it uses something that cannot be said exactly in PCRE2.
 *
 * Where the two differ: \s is White_Space (PCRE2 has U+180E too); \w has all of
 * Alphabetic and, outside a class, six numbers of Latin-1; [a&&[^b]] is an
 * intersection; scripts are plain, without extensions; x{1,3}+ repeats x{1,3} (PCRE2:
 * possessive); ^ and $ always mean lines; \xHH above 7F is a raw byte; (?i:...) matches
 * one letter for two (ss and sharp s).
 */
int regex_translate(const char *pattern, size_t n, struct str *out, char *why, size_t why_size);

#endif
