#ifndef TOKENIZER_PATTERN_TEXT_H
#define TOKENIZER_PATTERN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/classes.h"

/* What the scanners of patterns share; only pattern*.c include this. */

struct text {
    const uint16_t *classes;
    const char *s;
    size_t n;
};

static inline unsigned
class_at(const struct text *t, size_t at, size_t *used)
{
    return t->classes[text_peek(t->s + at, used)];
}

/* The end of the run of code points that have one of the bits in `mask`. */
static inline size_t
run_of(const struct text *t, size_t at, unsigned mask)
{
    for (size_t used; at < t->n; at += used)
        if (!(class_at(t, at, &used) & mask))
            break;
    return at;
}

static inline size_t
run_at_most(const struct text *t, size_t at, unsigned mask, int most)
{
    for (size_t used; at < t->n && most > 0; at += used, most--)
        if (!(class_at(t, at, &used) & mask))
            break;
    return at;
}

static inline bool
is_newline(char c)
{
    return c == '\r' || c == '\n';
}

/*
 * \s*[\r\n]+|\s+(?!\S)|\s+ at white space; the first only with `newlines`. It takes
 * the run through its last newline. The second takes the whole run at the text's
 * end, else all but the last; which the third takes when it stands alone.
 */
static inline size_t
white_space(const struct text *t, size_t at, bool newlines)
{
    size_t end = at, last = at, behind_newline = 0;
    for (size_t used; end < t->n; end += used) {
        if (!(class_at(t, end, &used) & CLASS_SPACE))
            break;
        last = end;
        if (is_newline(t->s[end]))
            behind_newline = end + 1;
    }
    if (newlines && behind_newline)
        return behind_newline;
    return end == t->n || last == at ? end : last;
}

#endif
