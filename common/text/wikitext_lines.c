#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "text/entities.h"
#include "text/flow.h"
#include "text/wikitext_internal.h"

/* Turns the lines of wikitext into paragraphs, headings and items. */

enum { LEVELS = 6 };

struct line {
    const char *p, *end;
};

struct lines {
    struct flow flow;
    struct line headings[LEVELS + 1]; /* without text behind them yet */
    unsigned number;                  /* of the item before in a numbered list */
    char mark[16];
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void
trim(struct line *l)
{
    while (l->p < l->end && is_blank(*l->p))
        l->p++;
    while (l->end > l->p && is_blank(l->end[-1]))
        l->end--;
}

/* __TOC__ and its like: the length of the word at p, 0: none. */
static size_t
magic_word(const char *p, const char *end)
{
    size_t n = 2;

    if (end - p < 5 || p[0] != '_' || p[1] != '_')
        return 0;
    while (p + n < end && n < 32 && p[n] >= 'A' && p[n] <= 'Z')
        n++;
    return n > 2 && end - p >= (ptrdiff_t)n + 2 && p[n] == '_' && p[n + 1] == '_' ? n + 2 : 0;
}

static void
add_reference(struct lines *l, uint32_t c)
{
    if (c == 0xAD || c == 0x200B || c == 0xFEFF)
        return;
    if (c == 0xA0 || (c >= 0x2002 && c <= 0x200A) || c == 0x202F)
        c = ' ';
    if (c == '\n' || c == WIKI_BREAK)
        flow_newline(&l->flow);
    else
        flow_code_point(&l->flow, c);
}

/* The length of the markup or reference at p, which was dealt with; 0: it is text. */
static size_t
undo_inline(struct lines *l, const char *p, const char *end)
{
    uint32_t c;
    size_t n = 0;

    switch (*p) {
    case '\'':
        while (p + n < end && p[n] == '\'')
            n++;
        return n > 1 ? n : 0;
    case '_':
        return magic_word(p, end);
    case '&':
        n = entity_decode(p, end, &c);
        if (n)
            add_reference(l, c);
        return n;
    case WIKI_BREAK:
        flow_newline(&l->flow);
        return 1;
    case WIKI_CODE:
        flow_paragraph(&l->flow);
        l->flow.verbatim = true;
        return 1;
    case WIKI_CODE_END:
        l->flow.verbatim = false;
        flow_paragraph(&l->flow);
        return 1;
    default:
        return 0;
    }
}

static void
add_inline(struct lines *l, struct line line)
{
    const char *p = line.p, *from = p;

    while (p < line.end) {
        if (*p != '\'' && *p != '_' && *p != '&' && (*p > WIKI_CODE_END || *p < WIKI_BREAK)) {
            p++;
            continue;
        }
        flow_text(&l->flow, from, (size_t)(p - from));
        size_t n = undo_inline(l, p, line.end);
        if (!n)
            flow_text(&l->flow, p, 1);
        p += n ? n : 1;
        from = p;
    }
    flow_text(&l->flow, from, (size_t)(p - from));
}

/* What waits for text gets it. */
static void
flush_headings(struct lines *l)
{
    for (int i = 0; i <= LEVELS; i++) {
        if (!l->headings[i].p)
            continue;
        flow_paragraph(&l->flow);
        add_inline(l, l->headings[i]);
        flow_paragraph(&l->flow);
        l->headings[i].p = NULL;
    }
}

/* == Heading ==: it stays only when text follows, in it or below it. */
static bool
take_heading(struct lines *l, struct line line)
{
    int level = 0;

    while (line.end - line.p >= 3 && *line.p == '=' && line.end[-1] == '=' && level < LEVELS) {
        line.p++;
        line.end--;
        level++;
    }
    if (!level)
        return false;
    trim(&line);
    flow_paragraph(&l->flow);
    for (int i = level; i <= LEVELS; i++)
        l->headings[i].p = NULL;
    if (line.p < line.end)
        l->headings[level] = line;
    return true;
}

static bool
has_text(struct line line)
{
    for (; line.p < line.end; line.p++)
        if (!is_blank(*line.p) && *line.p != '\'' && (*line.p > WIKI_CODE_END || *line.p < 1) &&
            !(*line.p == '_' && magic_word(line.p, line.end)))
            return true;
    return false;
}

/* Items begin with one of *#:; a level. */
static void
take_item(struct lines *l, struct line line)
{
    char kind = 0;
    unsigned depth = 0;

    while (line.p < line.end && strchr("*#:;", *line.p) && *line.p) {
        kind = *line.p++;
        depth++;
    }
    trim(&line);
    if (!has_text(line))
        return;
    flush_headings(l);
    l->number = kind == '#' && depth == 1 ? l->number + 1 : 0;
    if (l->number)
        snprintf(l->mark, sizeof l->mark, "%u. ", l->number);
    else
        snprintf(l->mark, sizeof l->mark, "%s", kind == '*' || kind == '#' ? "- " : "");
    flow_item(&l->flow, l->mark);
    add_inline(l, line);
    flow_break(&l->flow);
}

static void
take_line(struct lines *l, struct line line)
{
    bool indented = line.p < line.end && is_blank(*line.p);

    trim(&line);
    bool item = line.p < line.end && *line.p && strchr("*#:;", *line.p);
    if (!item)
        l->number = 0;
    if (line.p == line.end) {
        flow_paragraph(&l->flow);
    } else if (line.end - line.p >= 4 && !memcmp(line.p, "----", 4)) {
        flow_paragraph(&l->flow);
    } else if (*line.p == '=' && take_heading(l, line)) {
        ;
    } else if (item) {
        take_item(l, line);
    } else if (has_text(line)) {
        flush_headings(l);
        if (indented)
            flow_break(&l->flow);
        add_inline(l, line);
        flow_text(&l->flow, "\n", 1);
    }
}

/* ---- parentheses ------------------------------------------------------------------ */

/* The length of what may stand in an emptied pair: separators and blanks. */
static size_t
separator(const char *p, size_t n)
{
    static const char *const signs[] = {" ", ",", ";", ":", "/", "\u3000", "、", "，", "；", "：", "・"};

    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t len = strlen(signs[i]);
        if (n >= len && !memcmp(p, signs[i], len))
            return len;
    }
    return 0;
}

/* The length of the empty pair of parentheses at p; 0: there is none. */
static size_t
empty_pair(const char *p, size_t n, const char *open, const char *close)
{
    size_t at = strlen(open), end = strlen(close), used;

    if (n < at || memcmp(p, open, at))
        return 0;
    while (at < n && at < 48 && (used = separator(p + at, n - at)))
        at += used;
    return n - at >= end && !memcmp(p + at, close, end) ? at + end : 0;
}

static bool
is_word(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* Takes parentheses that templates emptied out of text[from..]; and a blank before them. */
static void
drop_empty_pairs(struct str *text, size_t from)
{
    size_t to = from;

    for (size_t at = from; at < text->len;) {
        const char *p = text->data + at;
        size_t n = text->len - at, pair = 0;
        if (*p == '(' && !(to > from && is_word(text->data[to - 1]))) /* f() is code */
            pair = empty_pair(p, n, "(", ")");
        else if (*p == '\xEF')
            pair = empty_pair(p, n, "（", "）");
        if (!pair) {
            text->data[to++] = *p;
            at++;
            continue;
        }
        at += pair;
        if (to > from && text->data[to - 1] == ' ')
            to--;
    }
    text->len = to;
    if (text->data)
        text->data[to] = '\0';
}

void
wikitext_undo_lines(const char *text, size_t n, struct str *out)
{
    struct lines l = {0};
    const char *end = text + n;
    size_t from = out->len;

    flow_start(&l.flow, out);
    while (text < end) {
        const char *eol = memchr(text, '\n', (size_t)(end - text));
        eol = eol ? eol : end;
        take_line(&l, (struct line){text, eol});
        text = eol + (eol < end);
    }
    flow_end(&l.flow);
    drop_empty_pairs(out, from);
}
