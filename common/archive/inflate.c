#include "archive/inflate.h"

#include <stdint.h>
#include <zlib.h>

/* Decompresses gzip and zlib from memory to memory. */

enum { STEP = 64 << 10, PIECE = 1 << 30 };

enum inflate_end
inflate_append(const char *in, size_t n, size_t limit, struct str *out)
{
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)in};
    enum inflate_end end = INFLATE_CUT;
    size_t start = out->len;

    if (inflateInit2(&z, 15 + 32) != Z_OK) /* 32: gzip or zlib, by the header */
        return INFLATE_BAD;
    while (end == INFLATE_CUT) {
        if (!z.avail_in) {
            z.avail_in = (uInt)(n < PIECE ? n : PIECE);
            n -= z.avail_in;
        }
        str_reserve(out, STEP);
        z.next_out = (Bytef *)out->data + out->len;
        z.avail_out = STEP;
        int code = inflate(&z, Z_NO_FLUSH);
        out->len += STEP - z.avail_out;
        if (out->len - start > limit)
            end = INFLATE_TOO_BIG;
        else if (code == Z_STREAM_END)
            end = INFLATE_WHOLE;
        else if (code != Z_OK && code != Z_BUF_ERROR)
            end = INFLATE_BAD;
        else if (!z.avail_in && !n && z.avail_out)
            break;
    }
    out->data[out->len] = '\0';
    inflateEnd(&z);
    return end;
}
