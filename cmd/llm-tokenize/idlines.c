#include "cmd/llm-tokenize/idlines.h"

#include <stdbool.h>

/* Writes and reads lines of ids; printf would be most of the time of --ids. */

enum { DIGITS_MAX = 10 };

static char *
put_decimal(char *w, uint32_t v)
{
    char digits[DIGITS_MAX];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n)
        *w++ = digits[--n];
    return w;
}

void
idline_add(struct str *out, const uint32_t *ids, size_t n)
{
    str_reserve(out, n * (DIGITS_MAX + 1) + 1);
    char *w = out->data + out->len;
    for (size_t i = 0; i < n; i++) {
        if (i)
            *w++ = ' ';
        w = put_decimal(w, ids[i]);
    }
    *w++ = '\n';
    *w = '\0';
    out->len = (size_t)(w - out->data);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

int
idline_parse(const char *p, const char *end, struct ids *ids)
{
    vec_clear(ids);
    for (;;) {
        uint64_t v = 0;
        while (p < end && is_blank(*p))
            p++;
        if (p == end)
            return 0;
        const char *from = p;
        for (; p < end && *p >= '0' && *p <= '9' && v <= UINT32_MAX; p++)
            v = v * 10 + (uint64_t)(*p - '0');
        if (p == from || v > UINT32_MAX || (p < end && !is_blank(*p)))
            return -1;
        vec_push(ids, (uint32_t)v);
    }
}
