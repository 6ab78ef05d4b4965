#ifndef TEXT_WARC_H
#define TEXT_WARC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Records of a WARC file, ISO 28500 (1.0 and 1.1; WET files are WARC, too): lines of
 * header up to an empty one, Content-Length bytes of block, two line ends. A record is
 * found without reading any but its own bytes.
 */

enum warc_type {
    WARC_RESPONSE,   /* an HTTP response, headers and body */
    WARC_RESOURCE,   /* a file as it is */
    WARC_CONVERSION, /* a file made from another: in WET files plain text */
    WARC_OTHER       /* requests, metadata, revisits, what is about the file, not HTTP */
};

struct warc_record {
    enum warc_type type;
    size_t header;   /* bytes up to the block */
    uint64_t length; /* bytes of the block */
    bool truncated;  /* the crawler kept only a part (WARC-Truncated) */
    struct {
        const char *text; /* inside the header's bytes; "" when absent */
        size_t n;
    } content_type;       /* of the block; what was identified in it where that says nothing */
};

enum { WARC_HEADER_MAX = 64 << 10 };

/*
 * Reads the header that begins at p. 1: *r is set; 0: it goes on behind p[0..n); -1: it
 * is none, *fault (a constant) says why.
 */
int warc_header(const char *p, size_t n, struct warc_record *r, const char **fault);

#endif
