#include "text/html.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "text/entities.h"
#include "text/flow.h"
#include "text/html_elements.h"

/* Reduces HTML to text in one pass. */

struct tag {
    struct html_word name;
    bool end, self_closed;
    struct html_attributes attributes;
};

struct html {
    const char *p, *end;
    struct flow flow;
    struct html_word skipped; /* the element that is left out; n = 0: none */
    size_t skip_depth;        /* how many of its name are open inside it */
    unsigned pre;             /* open pre elements */
    const char *header_end;   /* up to where headers are known to have a headline or not */
    bool headline_seen;
};

/* What is written before a page's first h1 is its site's header when it is no more than this. */
enum { SITE_HEADER_BYTES = 400 };

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- tags -------------------------------------------------------------------- */

static void
keep_attribute(struct html_attributes *a, struct html_word name, struct html_word value)
{
    static const struct html_word set = {"1", 1};

    if (html_word_is(name, "class"))
        a->class_names = value;
    else if (html_word_is(name, "id"))
        a->id = value;
    else if (html_word_is(name, "role"))
        a->role = value;
    else if (html_word_is(name, "hidden"))
        a->hidden = set;
}

static struct html_word
attribute_value(struct html *h)
{
    struct html_word v = {h->p, 0};

    if (h->p < h->end && (*h->p == '"' || *h->p == '\'')) {
        char quote = *h->p++;
        const char *close = memchr(h->p, quote, (size_t)(h->end - h->p));
        v = (struct html_word){h->p, (size_t)((close ? close : h->end) - h->p)};
        h->p = close ? close + 1 : h->end;
        return v;
    }
    while (h->p < h->end && !is_space(*h->p) && *h->p != '>')
        h->p++;
    v.n = (size_t)(h->p - v.p);
    return v;
}

static bool
ends_name(char c)
{
    return is_space(c) || c == '/' || c == '>' || c == '=';
}

/* Reads attributes up to and with the '>'. */
static void
read_attributes(struct html *h, struct tag *tag)
{
    while (h->p < h->end && *h->p != '>') {
        if (is_space(*h->p) || *h->p == '/' || *h->p == '=') {
            tag->self_closed = *h->p == '/';
            h->p++;
            continue;
        }
        struct html_word name = {h->p, 0}, value = {h->p, 0};
        while (h->p < h->end && !ends_name(*h->p))
            h->p++;
        name.n = (size_t)(h->p - name.p);
        while (h->p < h->end && is_space(*h->p))
            h->p++;
        if (h->p < h->end && *h->p == '=') {
            h->p++;
            while (h->p < h->end && is_space(*h->p))
                h->p++;
            value = attribute_value(h);
        }
        tag->self_closed = false;
        keep_attribute(&tag->attributes, name, value);
    }
    h->p += h->p < h->end;
}

/* At "<x" or "</x"; leaves h->p behind the '>'. */
static struct tag
read_tag(struct html *h)
{
    struct tag tag = {0};

    h->p++;
    if (*h->p == '/') {
        tag.end = true;
        h->p++;
    }
    tag.name.p = h->p;
    while (h->p < h->end && !is_space(*h->p) && *h->p != '>' && *h->p != '/')
        h->p++;
    tag.name.n = (size_t)(h->p - tag.name.p);
    read_attributes(h, &tag);
    return tag;
}

/* Behind the next `mark`, or the end of the page. */
static void
skip_past(struct html *h, const char *mark)
{
    size_t n = strlen(mark);
    const char *at = memmem(h->p, (size_t)(h->end - h->p), mark, n);

    h->p = at ? at + n : h->end;
}

/* ---- what is left out -------------------------------------------------------- */

/* To the end tag of an element whose content is no markup. */
static void
skip_raw(struct html *h, struct html_word name)
{
    for (;;) {
        h->p = memchr(h->p, '<', (size_t)(h->end - h->p));
        if (!h->p) {
            h->p = h->end;
            return;
        }
        size_t left = (size_t)(h->end - h->p);
        if (left > name.n + 1 && h->p[1] == '/' && !strncasecmp(h->p + 2, name.p, name.n)) {
            skip_past(h, ">");
            return;
        }
        h->p++;
    }
}

/*
 * A page's header holds its menu, an article's its headline: it stays when there is
 * an h1 or h2 in it. Looked for within a few kilobytes, each byte at most once.
 */
static bool
header_has_headline(struct html *h)
{
    enum { LOOK_AHEAD = 8192 };
    const char *p = h->p, *end = h->end - h->p > LOOK_AHEAD ? h->p + LOOK_AHEAD : h->end;

    if (p < h->header_end)
        return true; /* nested in one that was looked at */
    for (; (p = memchr(p, '<', (size_t)(end - p))); p++) {
        if (end - p > 8 && !strncasecmp(p, "</header", 8))
            break;
        if (end - p > 3 && (p[1] | 0x20) == 'h' && (p[2] == '1' || p[2] == '2')) {
            h->header_end = p;
            return true;
        }
    }
    h->header_end = p ? p : end;
    return false;
}

static bool
is_left_out(struct html *h, const struct tag *tag, enum html_action action)
{
    if (action == HTML_DROP)
        return true;
    if (html_word_is(tag->name, "header"))
        return !header_has_headline(h);
    return html_is_chrome(tag->name, &tag->attributes);
}

static bool
same_name(struct html_word a, struct html_word b)
{
    return a.n == b.n && !strncasecmp(a.p, b.p, a.n);
}

/* Inside an element that is left out: looks only for its end. */
static void
skip_tag(struct html *h, const struct tag *tag)
{
    if (same_name(tag->name, h->skipped)) {
        if (tag->end)
            h->skip_depth--;
        else if (!tag->self_closed)
            h->skip_depth++;
        if (h->skip_depth)
            return;
    } else {
        /* A link or span that was never closed ends where a block does. */
        bool is_inline = html_action(h->skipped) == HTML_INLINE;
        bool ends = tag->end && (html_word_is(tag->name, "body") || html_word_is(tag->name, "p") ||
                                 html_word_is(tag->name, "div"));
        bool head_is_over = html_word_is(h->skipped, "head") && html_word_is(tag->name, "body");
        if (!(is_inline && ends) && !head_is_over)
            return;
    }
    h->skipped.n = 0;
}

/* ---- what is kept ------------------------------------------------------------ */

static void
enter_pre(struct html *h, bool end)
{
    if (end && h->pre)
        h->pre--;
    else if (!end)
        h->pre++;
    flow_paragraph(&h->flow);
    h->flow.verbatim = h->pre > 0;
    if (!end && h->p < h->end && *h->p == '\n')
        h->p++; /* the newline after <pre> is not part of it */
}

static void
apply(struct html *h, const struct tag *tag, enum html_action action)
{
    switch (action) {
    case HTML_BREAK:
        flow_break(&h->flow);
        break;
    case HTML_PARAGRAPH:
        flow_paragraph(&h->flow);
        break;
    case HTML_ITEM:
        flow_item(&h->flow, tag->end ? NULL : "- ");
        break;
    case HTML_CELL:
        if (!tag->end)
            flow_cell(&h->flow);
        break;
    case HTML_NEWLINE:
        flow_newline(&h->flow);
        break;
    case HTML_PRE:
        enter_pre(h, tag->end);
        break;
    case HTML_QUOTE:
        flow_code_point(&h->flow, tag->end ? 0x201D : 0x201C);
        break;
    default:
        break;
    }
}

/* Site names, breadcrumbs: they stand above the headline. */
static void
begin_headline(struct html *h)
{
    struct flow *f = &h->flow;

    if (!h->headline_seen && f->out->len - f->start <= SITE_HEADER_BYTES)
        f->out->len = f->start;
    h->headline_seen = true;
}

static void
handle_tag(struct html *h)
{
    struct tag tag = read_tag(h);

    enum html_action action = html_action(tag.name);
    if (action == HTML_RAW && !tag.end) {
        if (!tag.self_closed)
            skip_raw(h, tag.name);
        return;
    }
    if (h->skipped.n) {
        skip_tag(h, &tag);
        return;
    }
    if (!tag.end && is_left_out(h, &tag, action)) {
        if (!tag.self_closed && !html_is_void(tag.name)) {
            h->skipped = tag.name;
            h->skip_depth = 1;
        }
        if (action != HTML_INLINE && action != HTML_DROP)
            flow_break(&h->flow);
        return;
    }
    if (!tag.end && html_word_is(tag.name, "h1"))
        begin_headline(h);
    apply(h, &tag, action);
}

/* Soft hyphens and zero-width spaces mark places to break; other odd spaces are spaces. */
static void
add_code_point(struct html *h, uint32_t c)
{
    if (c == 0xAD || c == 0x200B || c == 0xFEFF)
        return;
    if (c == 0xA0 || (c >= 0x2002 && c <= 0x200A) || c == 0x202F)
        c = ' ';
    flow_code_point(&h->flow, c);
}

static void
handle_reference(struct html *h)
{
    uint32_t c;
    size_t n = entity_decode(h->p, h->end, &c);

    if (!n) {
        n = 1;
        c = '&';
    }
    h->p += n;
    if (!h->skipped.n)
        add_code_point(h, c);
}

static void
handle_text(struct html *h)
{
    const char *from = h->p;

    while (h->p < h->end && *h->p != '<' && *h->p != '&')
        h->p++;
    if (h->skipped.n)
        return;
    /* U+00A0 written as itself (C2 A0) is a space, too. */
    for (const char *p = from; p < h->p;) {
        const char *odd = memmem(p, (size_t)(h->p - p), "\xC2\xA0", 2);
        const char *stop = odd ? odd : h->p;
        flow_text(&h->flow, p, (size_t)(stop - p));
        if (odd)
            flow_text(&h->flow, " ", 1);
        p = odd ? odd + 2 : h->p;
    }
}

static void
handle_markup(struct html *h)
{
    size_t left = (size_t)(h->end - h->p);

    if (left >= 4 && !memcmp(h->p, "<!--", 4)) {
        h->p += 2; /* "<!-->" is a whole comment */
        skip_past(h, "-->");
    } else if (left >= 9 && !memcmp(h->p, "<![CDATA[", 9)) {
        h->p += 9; /* its content is taken as markup: XHTML puts scripts there */
    } else if (left >= 2 && (h->p[1] == '!' || h->p[1] == '?')) {
        skip_past(h, ">");
    } else if (left >= 2 && (is_letter(h->p[1]) || (left >= 3 && h->p[1] == '/' &&
                                                    is_letter(h->p[2])))) {
        handle_tag(h);
    } else {
        if (!h->skipped.n)
            flow_text(&h->flow, "<", 1);
        h->p++;
    }
}

void
html_to_text(const char *html, size_t n, struct str *out)
{
    struct html h = {.p = html, .end = html + n, .header_end = html};

    flow_start(&h.flow, out);
    while (h.p < h.end) {
        if (*h.p == '<')
            handle_markup(&h);
        else if (*h.p == '&')
            handle_reference(&h);
        else
            handle_text(&h);
    }
    flow_end(&h.flow);
}
