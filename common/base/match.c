/* Comparing short strings: shell patterns and the distance of two words. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/utf8.h"

/* The next character; a byte that is not UTF-8 stands for itself (negative). */
static int32_t
next(const char **p)
{
    size_t used;
    int32_t c = utf8_decode(*p, strlen(*p), &used);

    if (c < 0) {
        c = -(int32_t)(unsigned char)**p - 1;
        used = 1;
    }
    *p += used;
    return c;
}

/*
 * One [...] whose body begins at *p: moves *p past it and says whether c is in
 * it. A bracket that never closes is an ordinary character: returns -1.
 */
static int
bracket(const char **p, int32_t c)
{
    const char *s = *p;
    bool negated = *s == '!' || *s == '^', found = false, first = true;

    s += negated;
    for (; *s && (*s != ']' || first); first = false) {
        int32_t low = next(&s), high = low;

        if (s[0] == '-' && s[1] && s[1] != ']') {
            s++;
            high = next(&s);
        }
        found |= low <= c && c <= high;
    }
    if (!*s)
        return -1;
    *p = s + 1;
    return found != negated;
}

/* Does the one-character pattern at *p match c? Moves *p past the pattern. */
static bool
match_one(const char **p, int32_t c)
{
    if (**p == '?') {
        ++*p;
        return true;
    }
    if (**p == '[') {
        const char *body = *p + 1;
        int inside = bracket(&body, c);

        if (inside >= 0) {
            *p = body;
            return inside;
        }
    }
    if (**p == '\\' && (*p)[1])
        ++*p;
    return next(p) == c;
}

/* Only the last star needs to be retried: an earlier one could not match more. */
bool
glob_match(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;

    for (;;) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
            continue;
        }
        if (!*text)
            return !*pattern;
        if (*pattern) {
            const char *p = pattern, *t = text;

            if (match_one(&p, next(&t))) {
                pattern = p;
                text = t;
                continue;
            }
        }
        if (!star)
            return false;
        next(&retry);
        pattern = star;
        text = retry;
    }
}

static unsigned
least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insertion, deletion, substitution, swap of neighbours. */
unsigned
edit_distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    size_t n = strlen(a), m = strlen(b);
    unsigned d[MAX + 1][MAX + 1];

    if (n > MAX || m > MAX)
        return (unsigned)(n > m ? n : m);
    for (size_t i = 0; i <= n; i++)
        d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            unsigned best = least(d[i - 1][j], d[i][j - 1]) + 1;

            best = least(best, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    }
    return d[n][m];
}
