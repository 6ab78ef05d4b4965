#ifndef TEXT_HTTP_H
#define TEXT_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "text/charset.h"
#include "text/format.h"

/*
 * A stored HTTP response (RFC 9110, 9112), as archives of the web have them. Its
 * headers may lie: many crawlers store the body decoded and leave what they say of its
 * coding. So a coding counts only when the body has the look of it.
 */

/* What a media type says of a body. */
struct media {
    enum text_format format; /* TEXT_PLAIN, TEXT_HTML, TEXT_BINARY: no text, TEXT_AUTO: not said */
    enum charset charset;    /* CHARSET_COUNT: not said */
};

/* Takes a Content-Type apart. */
struct media media_type(const char *text, size_t n);

enum http_coding { HTTP_IDENTITY, HTTP_GZIP, HTTP_DEFLATE, HTTP_OTHER };

struct http_response {
    int status;
    struct media media;
    bool chunked;            /* the body has chunks */
    enum http_coding coding; /* of what the chunks hold */
    const char *body;
    size_t body_len;
};

/* Reads the headers of p[0..n). 0, or -1: it is none (no error record). */
int http_response(const char *p, size_t n, struct http_response *r);

/* Appends what the chunks hold; false when they are cut or malformed: then what they held. */
bool http_unchunk(const char *p, size_t n, struct str *out);

/* Has a body the look of gzip or of zlib's deflate (RFC 1950); of chunks? */
bool http_looks_coded(enum http_coding coding, const char *body, size_t n);
bool http_looks_chunked(const char *body, size_t n);

#endif
