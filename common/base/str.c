#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "base/vec.h"

void
str_release(struct str *s)
{
    free(s->data);
    *s = (struct str){0};
}

void
str_clear(struct str *s)
{
    s->len = 0;
    if (s->data)
        s->data[0] = '\0';
}

void
str_reserve(struct str *s, size_t more)
{
    size_t need;

    if (s->data && more < s->cap - s->len)
        return;
    if (!mem_add(s->len, more, &need) || !mem_add(need, 1, &need))
        need = SIZE_MAX; /* cannot be had: mem_grow says so */
    s->cap = need > SIZE_MAX / 2 ? need : vec_capacity(s->cap, need);
    s->data = mem_grow(s->data, s->cap);
    s->data[s->len] = '\0';
}

void
str_add(struct str *s, const void *bytes, size_t n)
{
    str_reserve(s, n);
    if (n)
        memcpy(s->data + s->len, bytes, n);
    s->len += n;
    s->data[s->len] = '\0';
}

void
str_adds(struct str *s, const char *text)
{
    str_add(s, text, strlen(text));
}

void
str_addc(struct str *s, char c)
{
    str_add(s, &c, 1);
}

void
str_addf(struct str *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    str_vaddf(s, fmt, ap);
    va_end(ap);
}

void
str_vaddf(struct str *s, const char *fmt, va_list ap)
{
    va_list again;
    int len;

    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, ap);
    if (len > 0) {
        str_reserve(s, (size_t)len);
        vsnprintf(s->data + s->len, (size_t)len + 1, fmt, again);
        s->len += (size_t)len;
    }
    va_end(again);
}

void
str_add_utf8(struct str *s, uint32_t code_point)
{
    char bytes[4];
    size_t n = utf8_encode(code_point, bytes);

    str_add(s, bytes, n);
}

static void
add_json_char(struct str *s, unsigned char c)
{
    static const char letters[] = "btnvfr"; /* from 8; there is no \v in JSON */

    if (c == '"' || c == '\\') {
        str_addc(s, '\\');
        str_addc(s, (char)c);
    } else if (c >= 8 && c <= 13 && c != 11) {
        str_addc(s, '\\');
        str_addc(s, letters[c - 8]);
    } else {
        str_addf(s, "\\u%04x", c);
    }
}

static void
add_json_valid(struct str *s, const char *bytes, size_t n)
{
    size_t start = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        str_add(s, bytes + start, i - start);
        add_json_char(s, c);
        start = i + 1;
    }
    str_add(s, bytes + start, n - start);
}

void
str_add_json(struct str *s, const char *bytes, size_t n)
{
    str_addc(s, '"');
    if (utf8_valid(bytes, n) == n) {
        add_json_valid(s, bytes, n);
    } else {
        struct str clean = {0};

        utf8_clean(bytes, n, &clean);
        add_json_valid(s, clean.data, clean.len);
        str_release(&clean);
    }
    str_addc(s, '"');
}

void
str_add_real(struct str *s, double value)
{
    char text[40];

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    /* 1e+06 is an integer that people rather read as 1000000.0 */
    if (isfinite(value) && fabs(value) < 1e15 && value == floor(value))
        snprintf(text, sizeof text, "%.1f", value);
    str_adds(s, text);
}

char *
str_take(struct str *s)
{
    char *data;

    str_reserve(s, 0);
    data = s->data;
    *s = (struct str){0};
    return data;
}

bool
str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}
