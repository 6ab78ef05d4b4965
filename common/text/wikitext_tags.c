#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "text/wikitext_internal.h"

/* Undoes comments and tags of wikitext. */

enum action {
    TAG_STRIP,   /* the tag goes, its content stays */
    TAG_DROP,    /* both go */
    TAG_LITERAL, /* the content is no markup */
    TAG_CODE,    /* nor that, and its lines stay */
    TAG_BREAK,
    TAG_BLOCK    /* it ends a line */
};

static const struct {
    const char *name;
    enum action action;
} tags[] = {
    {"ref", TAG_DROP},       {"references", TAG_DROP},  {"gallery", TAG_DROP},
    {"timeline", TAG_DROP},  {"imagemap", TAG_DROP},    {"table", TAG_DROP},
    {"hiero", TAG_DROP},     {"score", TAG_DROP},       {"graph", TAG_DROP},
    {"mapframe", TAG_DROP},  {"maplink", TAG_DROP},     {"templatestyles", TAG_DROP},
    {"templatedata", TAG_DROP}, {"noinclude", TAG_DROP}, {"inputbox", TAG_DROP},
    {"categorytree", TAG_DROP}, {"indicator", TAG_DROP}, {"section", TAG_DROP},
    {"script", TAG_DROP},    {"style", TAG_DROP},
    {"nowiki", TAG_LITERAL}, {"math", TAG_LITERAL},     {"chem", TAG_LITERAL},
    {"ce", TAG_LITERAL},
    {"pre", TAG_CODE},       {"syntaxhighlight", TAG_CODE}, {"source", TAG_CODE},
    {"br", TAG_BREAK},       {"p", TAG_BLOCK},          {"div", TAG_BLOCK},
    {"li", TAG_BLOCK},       {"blockquote", TAG_BLOCK}, {"poem", TAG_BLOCK},
    {"hr", TAG_BLOCK},       {"center", TAG_BLOCK},     {"ul", TAG_BLOCK},
};

enum { TAGS = sizeof tags / sizeof *tags, TAG_LENGTH_MAX = 4096 };

struct untag {
    const char *p, *end;
    struct str *out;
    bool endless[TAGS]; /* no end tag of this name comes any more */
};

static bool
is_letter(char c)
{
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'z';
}

static size_t
name_length(const char *p, const char *end)
{
    size_t n = 0;

    while (p + n < end && (is_letter(p[n]) || (n && p[n] >= '0' && p[n] <= '9')))
        n++;
    return n;
}

/* The index of a name in tags, TAGS: another. */
static size_t
find_tag(const char *name, size_t n)
{
    for (size_t i = 0; i < TAGS; i++)
        if (strlen(tags[i].name) == n && !strncasecmp(tags[i].name, name, n))
            return i;
    return TAGS;
}

/* Where "</name" stands, from p on; NULL: nowhere. */
static const char *
find_end(struct untag *u, size_t tag, const char *p)
{
    size_t n = strlen(tags[tag].name);

    if (u->endless[tag])
        return NULL;
    while ((p = memmem(p, (size_t)(u->end - p), "</", 2))) {
        if ((size_t)(u->end - p) >= n + 2 && !strncasecmp(p + 2, tags[tag].name, n) &&
            name_length(p + 2, u->end) == n)
            return p;
        p += 2;
    }
    u->endless[tag] = true;
    return NULL;
}

/* Text that is no markup, as references where it might be taken for some. */
static void
add_literal(struct str *out, const char *p, const char *end, bool code)
{
    for (; p < end; p++) {
        if (*p == '\n' && code)
            str_addc(out, WIKI_BREAK);
        else if (*p && strchr("{}[]'|=*#:;_-<>", *p))
            str_addf(out, "&#%d;", *p);
        else
            str_addc(out, *p);
    }
}

static void
keep_literal(struct untag *u, const char *from, const char *to, bool code)
{
    while (code && from < to && *from == '\n')
        from++;
    while (code && to > from && to[-1] == '\n')
        to--;
    if (!code) {
        add_literal(u->out, from, to, false);
        return;
    }
    str_adds(u->out, "\n\2"); /* WIKI_CODE */
    add_literal(u->out, from, to, true);
    str_adds(u->out, "\3\n");
}

/* A tag begins at u->p; `behind` is behind its '>'. */
static void
undo_tag(struct untag *u, const char *behind)
{
    bool closing = u->p[1] == '/', single = behind[-2] == '/';
    const char *name = u->p + 1 + closing;
    size_t tag = find_tag(name, name_length(name, u->end));
    enum action action = tag < TAGS ? tags[tag].action : TAG_STRIP;
    const char *stop = NULL;

    u->p = behind;
    if (action == TAG_BREAK)
        str_addc(u->out, WIKI_BREAK);
    else if (action == TAG_BLOCK)
        str_addc(u->out, '\n');
    if (closing || single || action == TAG_STRIP || action == TAG_BREAK || action == TAG_BLOCK)
        return;
    stop = find_end(u, tag, behind);
    if (!stop)
        return;
    if (action != TAG_DROP)
        keep_literal(u, behind, stop, action == TAG_CODE);
    const char *close = memchr(stop, '>', (size_t)(u->end - stop));
    u->p = close ? close + 1 : u->end;
}

/* Behind the '>' of what has the look of a tag; NULL: it has not. */
static const char *
tag_end(const char *p, const char *end)
{
    const char *name = p + 1 + (p + 1 < end && p[1] == '/');
    size_t left = (size_t)(end - p) < TAG_LENGTH_MAX ? (size_t)(end - p) : TAG_LENGTH_MAX;

    if (name >= end || !is_letter(*name))
        return NULL;
    const char *close = memchr(p, '>', left), *next = memchr(p + 1, '<', left - 1);
    return close && (!next || close < next) ? close + 1 : NULL;
}

/* A comment that does not end goes on to the end, as MediaWiki has it. */
static void
skip_comment(struct untag *u)
{
    const char *stop = memmem(u->p + 4, (size_t)(u->end - u->p) - 4, "-->", 3);

    u->p = stop ? stop + 3 : u->end;
}

void
wikitext_undo_tags(const char *text, size_t n, struct str *out)
{
    struct untag u = {.p = text, .end = text + n, .out = out};

    while (u.p < u.end) {
        const char *less = memchr(u.p, '<', (size_t)(u.end - u.p)), *behind;
        str_add(out, u.p, (size_t)((less ? less : u.end) - u.p));
        if (!less)
            return;
        u.p = less;
        if (u.end - u.p >= 4 && !memcmp(u.p, "<!--", 4)) {
            skip_comment(&u);
        } else if ((behind = tag_end(u.p, u.end))) {
            undo_tag(&u, behind);
        } else {
            str_addc(out, '<');
            u.p++;
        }
    }
}
