#include "base/bytes.h"

size_t
leb128_store(void *p, uint64_t v)
{
    uint8_t *b = p;
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        b[n++] = (uint8_t)(v | 0x80);
    b[n++] = (uint8_t)v;
    return n;
}

int
leb128_load(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
    uint64_t v = 0;

    for (int shift = 0; *p < end; shift += 7) {
        uint8_t b = *(*p)++;

        /* The tenth byte has room for one bit alone. */
        if (shift == 63 && b > 1)
            return -1;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b & 0x80)
            continue;
        if (b == 0 && shift > 0)
            return -1;
        *out = v;
        return 0;
    }
    return -1;
}
