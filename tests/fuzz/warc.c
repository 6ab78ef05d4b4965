/* WARC records one behind the other, HTTP responses in them, chunks, codings. */
#include "archive/inflate.h"
#include "tests/fuzz/fuzz.h"
#include "text/http.h"
#include "text/warc.h"

static void
take_response(const char *p, size_t n)
{
    struct http_response r;
    struct str chunks = {0}, body = {0};

    if (http_response(p, n, &r))
        return;
    must(r.body >= p && r.body + r.body_len == p + n);
    if (http_looks_chunked(r.body, r.body_len))
        http_unchunk(r.body, r.body_len, &chunks);
    must(chunks.len <= n);
    if (http_looks_coded(r.coding, r.body, r.body_len))
        inflate_append(r.body, r.body_len, 1 << 20, &body);
    must(body.len <= (1 << 20) + (1 << 16));
    str_release(&chunks);
    str_release(&body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *copy = fuzz_copy(data, n), *p = copy;
    struct warc_record r;
    const char *fault;

    while (warc_header(p, n, &r, &fault) == 1) {
        must(r.header <= n);
        p += r.header;
        n -= r.header;
        media_type(r.content_type.text, r.content_type.n);
        size_t block = r.length < n ? (size_t)r.length : n;
        take_response(p, block);
        p += block;
        n -= block;
    }
    must(fault);
    take_response(p, n);
    free(copy);
    return 0;
}
