#ifndef ARCHIVE_INFLATE_H
#define ARCHIVE_INFLATE_H

#include "base/str.h"

/* One gzip or zlib stream in memory (content codings of HTTP), over zlib. */

enum inflate_end {
    INFLATE_WHOLE,
    INFLATE_CUT,    /* the data ends early */
    INFLATE_BAD,    /* corrupt */
    INFLATE_TOO_BIG /* more than `limit` bytes would come out */
};

/* Appends what in[0..n) holds, at most `limit` bytes: on any end what came out until then. */
enum inflate_end inflate_append(const char *in, size_t n, size_t limit, struct str *out);

#endif
