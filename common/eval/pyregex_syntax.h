#ifndef EVAL_PYREGEX_SYNTAX_H
#define EVAL_PYREGEX_SYNTAX_H

#include <stddef.h>

#include "base/str.h"
#include "eval/pystr.h"

/*
 * Appends the PCRE2 pattern (UTF, UCP) that matches what `pattern` does in Python's `re`. 0, or -1:
 * `why` says what is not supported. Errors that PCRE2 finds itself are left to it.
 */
int python_pattern_translate(struct piece pattern, struct str *out, char *why, size_t why_size);

#endif
