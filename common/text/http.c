#include "text/http.h"

#include <string.h>
#include <strings.h>

/* Takes stored HTTP responses apart. */

static bool
begins(const char *p, const char *end, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(end - p) >= n && !strncasecmp(p, word, n);
}

static const char *
skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == ';'))
        p++;
    return p;
}

static enum charset
charset_parameter(const char *p, const char *end)
{
    while ((p = memchr(p, ';', (size_t)(end - p)))) {
        p = skip_blanks(p, end);
        if (!begins(p, end, "charset="))
            continue;
        p += 8;
        p += p < end && (*p == '"' || *p == '\'');
        const char *stop = p;
        while (stop < end && !strchr("\"'; \t", *stop))
            stop++;
        return charset_named(p, (size_t)(stop - p));
    }
    return CHARSET_COUNT;
}

struct media
media_type(const char *text, size_t n)
{
    static const struct {
        const char *name;
        enum text_format format;
    } known[] = {
        {"text/html", TEXT_HTML},   {"application/xhtml+xml", TEXT_HTML},
        {"text/plain", TEXT_PLAIN}, {"text/markdown", TEXT_PLAIN},
        {"application/http", TEXT_AUTO},
    };
    const char *end = text + n, *p = skip_blanks(text, end), *stop = p;
    struct media m = {TEXT_BINARY, charset_parameter(text, end)};

    while (stop < end && !strchr("; \t", *stop))
        stop++;
    if (stop == p)
        m.format = TEXT_AUTO;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == (size_t)(stop - p) && begins(p, stop, known[i].name))
            m.format = known[i].format;
    return m;
}

static enum http_coding
coding_of(const char *p, const char *end)
{
    p = skip_blanks(p, end);
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t n = (size_t)(end - p);
    if (!n || (n == 8 && begins(p, end, "identity")))
        return HTTP_IDENTITY;
    if ((n == 4 && begins(p, end, "gzip")) || (n == 6 && begins(p, end, "x-gzip")))
        return HTTP_GZIP;
    return n == 7 && begins(p, end, "deflate") ? HTTP_DEFLATE : HTTP_OTHER;
}

static void
take_field(struct http_response *r, const char *p, const char *end)
{
    if (begins(p, end, "content-type:"))
        r->media = media_type(p + 13, (size_t)(end - p) - 13);
    else if (begins(p, end, "content-encoding:"))
        r->coding = coding_of(p + 17, end);
    else if (begins(p, end, "transfer-encoding:"))
        r->chunked |= memmem(p, (size_t)(end - p), "chunked", 7) != NULL;
}

/* "HTTP/1.1 200 OK" */
static int
status_of(const char *p, const char *end)
{
    const char *blank = begins(p, end, "HTTP/") ? memchr(p, ' ', (size_t)(end - p)) : NULL;
    int status = 0;

    for (p = blank ? blank + 1 : end; p < end && *p >= '0' && *p <= '9' && status < 1000; p++)
        status = status * 10 + (*p - '0');
    return status;
}

int
http_response(const char *p, size_t n, struct http_response *r)
{
    const char *end = p + n;
    bool first = true;

    *r = (struct http_response){.media = {TEXT_AUTO, CHARSET_COUNT}};
    for (;;) {
        const char *eol = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
        if (!eol)
            return -1;
        const char *stop = eol > p && eol[-1] == '\r' ? eol - 1 : eol, *line = p;
        p = eol + 1;
        if (stop == line)
            break;
        if (first)
            r->status = status_of(line, stop);
        else
            take_field(r, line, stop);
        if (!r->status)
            return -1;
        first = false;
    }
    if (first)
        return -1;
    r->body = p;
    r->body_len = (size_t)(end - p);
    return 0;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The size of the chunk whose line is at *p, behind which *p is moved; -1: malformed. */
static int64_t
chunk_size(const char **p, const char *end)
{
    const char *eol = memchr(*p, '\n', (size_t)(end - *p));
    int64_t size = 0;
    int digits = 0;

    if (!eol)
        return -1;
    for (const char *q = *p; q < eol && hex_digit(*q) >= 0; q++, digits++) {
        if (digits == 14)
            return -1;
        size = size * 16 + hex_digit(*q);
    }
    *p = eol + 1;
    return digits ? size : -1;
}

bool
http_unchunk(const char *p, size_t n, struct str *out)
{
    const char *end = p + n;

    for (;;) {
        int64_t size = p < end ? chunk_size(&p, end) : -1;
        if (size <= 0)
            return size == 0;
        size_t have = (size_t)(end - p);
        if ((uint64_t)size > have) {
            str_add(out, p, have);
            return false;
        }
        str_add(out, p, (size_t)size);
        p += size;
        if (p < end && *p == '\r')
            p++;
        if (p < end && *p == '\n')
            p++;
    }
}

bool
http_looks_coded(enum http_coding coding, const char *body, size_t n)
{
    const unsigned char *p = (const unsigned char *)body;

    if (coding == HTTP_GZIP)
        return n >= 2 && p[0] == 0x1F && p[1] == 0x8B;
    return coding == HTTP_DEFLATE && n >= 2 && (p[0] & 0x0F) == 8 && (p[0] << 8 | p[1]) % 31 == 0;
}

bool
http_looks_chunked(const char *p, size_t n)
{
    const char *end = p + n;

    return n && chunk_size(&p, end) >= 0 && p - (end - n) < 64;
}
