#ifndef EVAL_PYREGEX_H
#define EVAL_PYREGEX_H

#include <stddef.h>

#include "base/str.h"
#include "eval/pystr.h"

/*
 * Patterns in the syntax of Python's `re`, for text (Unicode), on PCRE2: what means something else
 * there is translated, what cannot be is refused. Matching has a limit, so that a pattern which
 * would take for ever ends in an error. Immutable: threads may share one.
 */
struct python_pattern;

/* NULL: `why` says what is wrong or not supported. */
struct python_pattern *python_pattern_new(struct piece pattern, char *why, size_t why_size);
void python_pattern_free(struct python_pattern *p);

/*
 * One match of re.findall: the whole match where the pattern has no group, the group where it has
 * one, the first group that is not empty where it has several. `groups` is their number.
 */
struct python_match {
    struct piece text;
    int groups;
};
typedef VEC(struct python_match) python_matches;

/* re.findall(pattern, s): appends pieces of s. 0, or -1: STATUS_INPUT (too long a search). */
int python_findall(const struct python_pattern *p, struct piece s, python_matches *out);

/* re.sub(pattern, "", s) appended to *out. 0 or -1 as above. */
int python_delete(const struct python_pattern *p, struct piece s, struct str *out);

/*
 * re.sub(pattern, with, s) appended to *out; in `with` \1 … \9 are groups (nothing where one took
 * no part) and two backslashes one. 0 or -1 as above.
 */
int python_replace(const struct python_pattern *p, struct piece s, struct piece with,
                   struct str *out);

#endif
