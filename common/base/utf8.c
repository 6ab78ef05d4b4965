#include "base/utf8.h"

#include <string.h>

/*
 * Unicode 15, table 3-7: for each lead byte the length of the sequence and the
 * range of its second byte. Lengths 0 are bytes that begin nothing.
 */
struct lead {
    uint8_t length, low, high;
};

static struct lead
lead_of(uint8_t b)
{
    if (b < 0x80)
        return (struct lead){1, 0, 0};
    if (b < 0xc2)
        return (struct lead){0, 0, 0};
    if (b < 0xe0)
        return (struct lead){2, 0x80, 0xbf};
    if (b < 0xf0)
        return (struct lead){3, b == 0xe0 ? 0xa0 : 0x80, b == 0xed ? 0x9f : 0xbf};
    if (b < 0xf5)
        return (struct lead){4, b == 0xf0 ? 0x90 : 0x80, b == 0xf4 ? 0x8f : 0xbf};
    return (struct lead){0, 0, 0};
}

int32_t
utf8_decode(const char *s, size_t n, size_t *used)
{
    const uint8_t *b = (const uint8_t *)s;
    struct lead lead = lead_of(b[0]);
    int32_t c;

    *used = 1;
    if (lead.length <= 1)
        return lead.length ? b[0] : -1;
    if (n < 2 || b[1] < lead.low || b[1] > lead.high)
        return -1;
    c = (b[0] & (0x7f >> lead.length)) << 6 | (b[1] & 0x3f);
    for (*used = 2; *used < lead.length; ++*used) {
        if (*used == n || (b[*used] & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (b[*used] & 0x3f);
    }
    return c;
}

size_t
utf8_encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* 16 bytes in any compiler's vector register. */
typedef uint64_t bytes16 __attribute__((vector_size(16)));

/* Length of the ASCII run at s, 64 bytes at a time. */
static size_t
ascii_run(const char *s, size_t n)
{
    size_t i = 0;

    for (; i + 64 <= n; i += 64) {
        bytes16 v[4], all;

        memcpy(v, s + i, sizeof v);
        all = v[0] | v[1] | v[2] | v[3];
        if ((all[0] | all[1]) & 0x8080808080808080u)
            break;
    }
    while (i < n && !(s[i] & 0x80))
        i++;
    return i;
}

/* Length of the run of valid three-byte sequences at s: Japanese text is mostly these. */
static size_t
three_byte_run(const char *s, size_t n)
{
    const uint8_t *b = (const uint8_t *)s;
    size_t i = 0;

    while (i + 3 <= n && (b[i] & 0xf0) == 0xe0 && (b[i + 1] & 0xc0) == 0x80 &&
           (b[i + 2] & 0xc0) == 0x80 && !(b[i] == 0xe0 && b[i + 1] < 0xa0) &&
           !(b[i] == 0xed && b[i + 1] > 0x9f))
        i += 3;
    return i;
}

size_t
utf8_valid(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n) {
        size_t used;

        if (!(s[i] & 0x80)) {
            i += ascii_run(s + i, n - i);
            continue;
        }
        used = three_byte_run(s + i, n - i);
        if (!used && utf8_decode(s + i, n - i, &used) < 0)
            break;
        i += used;
    }
    return i;
}

size_t
utf8_clean(const char *s, size_t n, struct str *out)
{
    size_t replaced = 0;

    str_reserve(out, n);
    for (;;) {
        size_t good = utf8_valid(s, n), used;

        str_add(out, s, good);
        s += good;
        n -= good;
        if (!n)
            return replaced;
        utf8_decode(s, n, &used);
        str_adds(out, "\xef\xbf\xbd");
        replaced++;
        s += used;
        n -= used;
    }
}

size_t
utf8_count(const char *s, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += (s[i] & 0xc0) != 0x80;
    return count;
}
