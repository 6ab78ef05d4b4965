#include "text/warc.h"

#include <string.h>
#include <strings.h>

/* Reads headers of WARC records. */

/* A line without its end. */
struct line {
    const char *p;
    size_t n;
};

/* The line at *p, behind which *p is moved; false when it has no end. */
static bool
next_line(const char **p, const char *end, struct line *line)
{
    const char *eol = memchr(*p, '\n', (size_t)(end - *p));

    if (!eol)
        return false;
    *line = (struct line){*p, (size_t)(eol - *p)};
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    *p = eol + 1;
    return true;
}

/* The value of a field of that name, without white space around it. */
static bool
field(struct line line, const char *name, struct line *value)
{
    size_t n = strlen(name);

    if (line.n <= n || line.p[n] != ':' || strncasecmp(line.p, name, n))
        return false;
    value->p = line.p + n + 1;
    value->n = line.n - n - 1;
    while (value->n && (*value->p == ' ' || *value->p == '\t')) {
        value->p++;
        value->n--;
    }
    while (value->n && (value->p[value->n - 1] == ' ' || value->p[value->n - 1] == '\t'))
        value->n--;
    return true;
}

static bool
parse_length(struct line v, uint64_t *out)
{
    uint64_t n = 0;

    if (!v.n || v.n > 18)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(v.p[i] - '0');
    }
    *out = n;
    return true;
}

static bool
is(struct line v, const char *word)
{
    return v.n == strlen(word) && !strncasecmp(v.p, word, v.n);
}

static bool
begins(struct line v, const char *word)
{
    size_t n = strlen(word);

    return v.n >= n && !strncasecmp(v.p, word, n);
}

static enum warc_type
type_of(struct line v)
{
    if (is(v, "response"))
        return WARC_RESPONSE;
    if (is(v, "resource"))
        return WARC_RESOURCE;
    return is(v, "conversion") ? WARC_CONVERSION : WARC_OTHER;
}

int
warc_header(const char *p, size_t n, struct warc_record *r, const char **fault)
{
    const char *from = p, *end = p + n;
    struct line line, v, type = {0}, identified = {"", 0}, content = {"", 0};
    bool has_length = false;

    *r = (struct warc_record){0};
    *fault = "not the beginning of a record (WARC/1.)";
    if (memcmp(p, "WARC/1.", n < 7 ? n : 7))
        return -1;
    *fault = "the record's header does not end";
    if (!next_line(&p, end, &line))
        return n >= WARC_HEADER_MAX ? -1 : 0;
    for (;;) {
        if (!next_line(&p, end, &line))
            return n >= WARC_HEADER_MAX ? -1 : 0;
        if (!line.n)
            break;
        if (field(line, "Content-Length", &v)) {
            *fault = "Content-Length is not a number, or is there twice";
            if (has_length || !parse_length(v, &r->length))
                return -1;
            *fault = "the record's header does not end";
            has_length = true;
        } else if (field(line, "WARC-Truncated", &v)) {
            r->truncated = true;
        } else if (!field(line, "WARC-Type", &type) && !field(line, "Content-Type", &content)) {
            (void)field(line, "WARC-Identified-Payload-Type", &identified);
        }
    }
    *fault = "a record without Content-Length";
    if (!has_length)
        return -1;
    *fault = "a record without WARC-Type";
    if (!type.n)
        return -1;
    r->type = type_of(type);
    if (r->type == WARC_RESPONSE && !begins(content, "application/http"))
        r->type = WARC_OTHER; /* answers of name servers and the like */
    if (!content.n)
        content = identified;
    r->content_type.text = content.p;
    r->content_type.n = content.n;
    r->header = (size_t)(p - from);
    return 1;
}
