#ifndef TOKENIZER_REGEX_H
#define TOKENIZER_REGEX_H

#include <stddef.h>

/*
 * Patterns that no scanner knows, on PCRE2. They are written in Oniguruma's syntax
 * (Ruby's), which Hugging Face uses; what means something else in PCRE2 is
 * translated, what cannot be is refused.
 */
struct regex;
struct regex_scratch; /* what one thread needs for matching */

/* NULL: not supported, the reason is in `why`. */
struct regex *regex_new(const char *pattern, size_t n, char *why, size_t why_size);
void regex_free(struct regex *r);

struct regex_scratch *regex_scratch_new(void);
void regex_scratch_free(struct regex_scratch *s);

/* The first match at or behind `from` in text[0..n), valid UTF-8. 1, 0, or -1 on an error. */
int regex_find(const struct regex *r, struct regex_scratch *s, const char *text, size_t n,
               size_t from, size_t *begin, size_t *end);

#endif
