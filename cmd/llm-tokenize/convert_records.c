#include "archive/inflate.h"
#include "cmd/llm-tokenize/convert_state.h"
#include "text/http.h"
#include "text/warc.h"
#include "text/wikixml.h"

/* From records of WARC files and pages of wikis to texts. */

/* ---- WARC ---------------------------------------------------------------------- */

/* Undoes the codings of a response's body. 0; 1: it was dropped; -1. */
static int
decode_body(struct conversion *v, struct http_response *r, bool truncated)
{
    static const char *const what[] = {"", "ends early", "is corrupt", "passes --max-member"};

    str_clear(&v->chunks);
    str_clear(&v->body);
    if (r->chunked && http_looks_chunked(r->body, r->body_len)) {
        if (!http_unchunk(r->body, r->body_len, &v->chunks) && !truncated &&
            text_fault(v, "the chunks of the response are malformed or cut"))
            return -1;
        r->body = v->chunks.data ? v->chunks.data : "";
        r->body_len = v->chunks.len;
    }
    if (!http_looks_coded(r->coding, r->body, r->body_len))
        return 0;
    enum inflate_end end = inflate_append(r->body, r->body_len, options.max_member, &v->body);
    if (end != INFLATE_WHOLE && !(end == INFLATE_CUT && truncated)) {
        conversion_drop(v, DROP_UNREADABLE);
        return text_fault(v, "the response's gzip or deflate coding %s", what[end]) ? -1 : 1;
    }
    r->body = v->body.data ? v->body.data : "";
    r->body_len = v->body.len;
    return 0;
}

/* A body of a media type. What says nothing of itself is looked at. */
static int
convert_body(struct conversion *v, const char *p, size_t n, struct media media)
{
    enum charset wide;
    enum text_format seen = charset_is_utf16(p, n, &wide)
                                ? TEXT_PLAIN
                                : text_detect(p, n < 65536 ? n : 65536, "", NULL);

    if (seen == TEXT_BINARY || seen == TEXT_PARQUET)
        media.format = TEXT_BINARY;
    else if (media.format == TEXT_AUTO)
        media.format = seen;
    if (media.format == TEXT_BINARY)
        return conversion_drop(v, DROP_BINARY);
    if (media.format == TEXT_XML)
        return conversion_drop(v, DROP_XML);
    return conversion_document(v, p, n, media.format == TEXT_HTML ? TEXT_HTML : TEXT_PLAIN,
                               media.charset);
}

static int
convert_response(struct conversion *v, const struct warc_record *record, const char *p, size_t n)
{
    struct http_response r;

    if (http_response(p, n, &r)) {
        conversion_drop(v, DROP_UNREADABLE);
        return text_fault(v, "not an HTTP response");
    }
    if (r.status < 200 || r.status > 299)
        return conversion_drop(v, DROP_STATUS);
    if (r.media.format == TEXT_BINARY)
        return conversion_drop(v, DROP_BINARY);
    int decoded = decode_body(v, &r, record->truncated);
    return decoded ? (decoded < 0 ? -1 : 0) : convert_body(v, r.body, r.body_len, r.media);
}

int
convert_warc_record(struct conversion *v, const char *p, size_t n)
{
    struct warc_record r;
    const char *fault;

    v->job->account.documents_in++;
    if (warc_header(p, n, &r, &fault) != 1 || n - r.header != r.length)
        return conversion_drop(v, DROP_UNREADABLE); /* the feed has seen that it is one */
    p += r.header;
    n -= r.header;
    if (r.type == WARC_RESPONSE)
        return convert_response(v, &r, p, n);
    struct media m = media_type(r.content_type.text, r.content_type.n);
    if (m.format == TEXT_BINARY)
        return conversion_drop(v, DROP_BINARY);
    if (r.type == WARC_CONVERSION && m.format == TEXT_AUTO)
        m.format = TEXT_PLAIN;
    return convert_body(v, p, n, m);
}

/* ---- wikis --------------------------------------------------------------------- */

int
convert_wiki_page(struct conversion *v, const char *p, size_t n)
{
    v->job->account.documents_in++;
    if (conversion_utf8(v, CHARSET_UTF8, &p, &n))
        return -1;
    str_clear(&v->text);
    switch (wikixml_page(p, n, &v->text)) {
    case WIKI_NAMESPACE:
        return conversion_drop(v, DROP_NAMESPACE);
    case WIKI_REDIRECT:
        return conversion_drop(v, DROP_REDIRECT);
    case WIKI_OTHER_MODEL:
        return conversion_drop(v, DROP_FORMAT);
    case WIKI_ARTICLE:
        break;
    }
    return conversion_deliver(v, v->text.data ? v->text.data : "", v->text.len);
}
