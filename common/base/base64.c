#include "base/base64.h"

#include <stdint.h>

static int
digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four digits, of which the last `pad` are '='; false when they are none. */
static bool
decode_group(const char *s, unsigned pad, struct str *out)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < 4; i++) {
        int value = i < 4 - pad ? digit(s[i]) : 0;
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
    }
    if (bits & ((1u << 8 * pad) - 1))
        return false; /* bits that are dropped must be zero */
    for (unsigned i = 0; i < 3 - pad; i++)
        str_addc(out, (char)(unsigned char)(bits >> (16 - 8 * i)));
    return true;
}

bool
base64_decode(const char *s, size_t n, struct str *out)
{
    size_t old = out->len;
    if (n % 4)
        return false;
    for (size_t at = 0; at < n; at += 4) {
        unsigned pad = 0;
        if (at + 4 == n && s[n - 1] == '=')
            pad = s[n - 2] == '=' ? 2 : 1;
        if (!decode_group(s + at, pad, out)) {
            out->len = old;
            return false;
        }
    }
    return true;
}
