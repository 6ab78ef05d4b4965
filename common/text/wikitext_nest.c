#include "text/wikitext_nest.h"

#include <stdbool.h>
#include <stdlib.h>

/* Pairs the brackets of wikitext. */

enum { DEPTH_MAX = 1000, LOOK_DOWN = 16 };

struct matcher {
    const char *text;
    size_t n;
    struct nests *out;  /* to = 0: no partner yet */
    VEC(size_t) open;   /* indexes into out */
};

static void
push(struct matcher *m, enum nest_kind kind, size_t at, size_t width)
{
    struct nest new = {kind, at, at + width, 0, 0};

    if (m->open.len == DEPTH_MAX)
        return;
    vec_push(m->out, new);
    vec_push(&m->open, m->out->len - 1);
}

/* Closes the innermost open pair of that kind; those inside it that are open never close. */
static bool
close_pair(struct matcher *m, enum nest_kind kind, size_t at, size_t width)
{
    size_t lowest = m->open.len > LOOK_DOWN ? m->open.len - LOOK_DOWN : 0;

    for (size_t i = m->open.len; i > lowest; i--) {
        struct nest *o = &m->out->data[m->open.data[i - 1]];
        if (o->kind != kind)
            continue;
        o->inner_end = at;
        o->to = at + width;
        m->open.len = i - 1;
        return true;
    }
    return false;
}

static size_t
run_length(const struct matcher *m, size_t at)
{
    size_t n = 1;

    while (at + n < m->n && m->text[at + n] == m->text[at])
        n++;
    return n;
}

/* Only blanks and indents between `at` and the start of its line. */
static bool
begins_line(const struct matcher *m, size_t at)
{
    size_t low = at > 64 ? at - 64 : 0;

    while (at > low && (m->text[at - 1] == ' ' || m->text[at - 1] == ':' || m->text[at - 1] == '\t'))
        at--;
    return at == 0 || m->text[at - 1] == '\n';
}

static size_t
open_braces(struct matcher *m, size_t at)
{
    size_t run = run_length(m, at);

    if (run == 1) {
        if (at + 1 < m->n && m->text[at + 1] == '|' && begins_line(m, at))
            push(m, NEST_TABLE, at, 2);
        return 1;
    }
    for (size_t i = 0; i + 1 < run;) {
        size_t width = run - i == 3 ? 3 : 2;
        push(m, width == 3 ? NEST_PARAMETER : NEST_TEMPLATE, at + i, width);
        i += width;
    }
    return run;
}

static size_t
close_braces(struct matcher *m, size_t at)
{
    size_t run = run_length(m, at), i = 0;

    while (run - i >= 2) {
        size_t top = m->open.len ? m->open.data[m->open.len - 1] : 0;
        bool parameter = m->open.len && run - i >= 3 && m->out->data[top].kind == NEST_PARAMETER;
        size_t width = parameter ? 3 : 2;
        close_pair(m, parameter ? NEST_PARAMETER : NEST_TEMPLATE, at + i, width);
        i += width;
    }
    return run;
}

static bool
is_table_end(const struct matcher *m, size_t at)
{
    return at + 1 < m->n && m->text[at + 1] == '}' && m->open.len &&
           m->out->data[m->open.data[m->open.len - 1]].kind == NEST_TABLE && begins_line(m, at);
}

static bool
is_double(const struct matcher *m, size_t at)
{
    return at + 1 < m->n && m->text[at + 1] == m->text[at];
}

static size_t
step(struct matcher *m, size_t at)
{
    switch (m->text[at]) {
    case '{':
        return open_braces(m, at);
    case '}':
        return close_braces(m, at);
    case '|':
        if (!is_table_end(m, at))
            return 1;
        close_pair(m, NEST_TABLE, at, 2);
        return 2;
    case '[':
        if (!is_double(m, at))
            return 1;
        push(m, NEST_LINK, at, 2);
        return 2;
    case ']':
        if (!is_double(m, at))
            return 1;
        close_pair(m, NEST_LINK, at, 2);
        return 2;
    default:
        return 1;
    }
}

void
nest_find(const char *text, size_t n, struct nests *out)
{
    struct matcher m = {.text = text, .n = n, .out = out};
    size_t kept = 0;

    for (size_t at = 0; at < n;)
        at += step(&m, at);
    for (size_t i = 0; i < out->len; i++)
        if (out->data[i].to)
            out->data[kept++] = out->data[i];
    out->len = kept;
    vec_release(&m.open);
}

size_t
nest_at(const struct nests *nests, size_t at)
{
    size_t low = 0, high = nests->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (nests->data[middle].from < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
