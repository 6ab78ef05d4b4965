#include "text/man.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/man_internal.h"

/* Reduces manual pages to text: lines, requests and conditions of troff(7). */

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next line without its end. false: there is none. */
static bool
next_line(struct man *m, struct span *line)
{
    if (m->p >= m->end)
        return false;
    const char *eol = memchr(m->p, '\n', (size_t)(m->end - m->p));
    eol = eol ? eol : m->end;
    *line = (struct span){m->p, (size_t)(eol - m->p)};
    m->p = eol + 1;
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

size_t
man_arguments(struct span line, struct span args[MAN_ARGUMENTS])
{
    const char *p = line.p, *end = p + line.n;
    size_t n = 0;

    while (n < MAN_ARGUMENTS) {
        while (p < end && is_blank(*p))
            p++;
        if (p == end || (end - p >= 2 && p[0] == '\\' && (p[1] == '"' || p[1] == '#')))
            break;
        bool quoted = *p == '"';
        p += quoted;
        args[n].p = p;
        while (p < end && (quoted ? *p != '"' : !is_blank(*p))) {
            if (*p == '\\' && end - p >= 2)
                p++; /* "\ " and "\"" do not end an argument */
            p++;
        }
        args[n].n = (size_t)(p - args[n].p);
        n++;
        p += quoted && p < end;
    }
    return n;
}

void
man_set_literal(struct man *m, bool on)
{
    flow_break(&m->flow);
    m->flow.verbatim = on;
}

void
man_line_done(struct man *m)
{
    if (m->tag_next)
        flow_break(&m->flow);
    if (m->heading_next)
        flow_paragraph(&m->flow);
    m->tag_next = m->heading_next = false;
}

void
man_text_line(struct man *m, struct span line)
{
    bool joined = m->joined;

    m->joined = false;
    str_clear(&m->line);
    man_decode(m, line, &m->line);
    if (!m->line.len)
        return;
    if (!joined && !m->flow.verbatim && is_blank(*m->line.data))
        flow_break(&m->flow);
    if (!m->joined)
        str_addc(&m->line, '\n');
    flow_text(&m->flow, m->line.data, m->line.len);
    m->linked = false;
    man_line_done(m);
}

/* ---- definitions --------------------------------------------------------------- */

/* .de, .am, .ig: to the line "..", or the macro that the request names. */
static void
skip_definition(struct man *m, struct span rest, size_t which)
{
    struct span args[MAN_ARGUMENTS], line;
    size_t n = man_arguments(rest, args);
    struct span mark = n > which ? args[which] : (struct span){".", 1};

    while (next_line(m, &line))
        if (line.n > mark.n && *line.p == '.' && !memcmp(line.p + 1, mark.p, mark.n) &&
            (line.n == mark.n + 1 || is_blank(line.p[mark.n + 1])))
            return;
}

/* .ds NAME VALUE: the value is the rest of the line, after one optional quote. */
static void
define_string(struct man *m, struct span rest)
{
    struct man_string s = {0};
    const char *p = rest.p, *end = p + rest.n;

    while (p < end && is_blank(*p))
        p++;
    const char *name = p;
    while (p < end && !is_blank(*p))
        p++;
    size_t n = (size_t)(p - name);
    if (!n || n >= sizeof s.name || m->strings.len == MAN_STRINGS)
        return;
    memcpy(s.name, name, n);
    while (p < end && is_blank(*p))
        p++;
    p += p < end && *p == '"';
    n = (size_t)(end - p);
    if (n < sizeof s.value) {
        memcpy(s.value, p, n);
        vec_push(&m->strings, s);
    }
}

/* ---- conditions ---------------------------------------------------------------- */

/* \n(.g, \n[.g], digits: true when greater than zero. */
static bool
number_holds(const char **p, const char *end)
{
    long value = 0;

    while (*p < end && !is_blank(**p)) {
        if (**p == '\\' && end - *p >= 2 && (*p)[1] == 'n') {
            *p += 2;
            value += man_register(man_escape_name(p, end));
        } else {
            if (**p >= '0' && **p <= '9')
                value = value < 1000000 ? value * 10 + **p - '0' : value;
            else
                value = 0; /* an expression: taken for false */
            ++*p;
        }
    }
    return value > 0;
}

/* 'this'that': are they the same as they stand? */
static bool
strings_equal(const char **p, const char *end)
{
    char delimiter = *(*p)++;
    const char *a = *p, *b = memchr(a, delimiter, (size_t)(end - a));
    const char *close = b ? memchr(b + 1, delimiter, (size_t)(end - b - 1)) : NULL;

    *p = close ? close + 1 : end;
    return close && close - b - 1 == b - a && !memcmp(a, b + 1, (size_t)(b - a));
}

/* As nroff would answer. */
static bool
condition_holds(const char **p, const char *end)
{
    bool negated = false, holds;

    while (*p < end && **p == '!') {
        negated = !negated;
        ++*p;
    }
    if (*p == end)
        return false;
    switch (**p) {
    case 'n': case 'o':
        ++*p;
        holds = true;
        break;
    case 't': case 'e': case 'v':
        ++*p;
        holds = false;
        break;
    case 'd': case 'r': case 'c': case 'm':
        for (++*p; *p < end && is_blank(**p); ++*p)
            ;
        while (*p < end && !is_blank(**p))
            ++*p;
        holds = false;
        break;
    case '\'': case '"':
        holds = strings_equal(p, end);
        break;
    default:
        holds = number_holds(p, end);
    }
    return holds != negated;
}

/* How many blocks the line opens, less those that it closes. */
static long
block_balance(struct span line)
{
    long balance = 0;

    for (size_t i = 0; i + 1 < line.n; i++) {
        if (line.p[i] != '\\')
            continue;
        balance += line.p[i + 1] == '{';
        balance -= line.p[i + 1] == '}';
        i++;
    }
    return balance;
}

static void
close_blocks(struct man *m, struct span line)
{
    long balance = block_balance(line);

    for (; balance < 0 && m->depth; balance++)
        m->depth--;
}

/*
 * What a condition guards: the rest of its line, or a block that begins there. Not
 * taken, it is skipped; taken, *line becomes the rest of the line (true: there is any).
 */
static bool
guarded(struct man *m, const char *p, const char *end, bool take, struct span *line)
{
    while (p < end && is_blank(*p))
        p++;
    struct span body = {p, (size_t)(end - p)};
    bool block = body.n >= 2 && body.p[0] == '\\' && body.p[1] == '{';

    if (take) {
        if (block) {
            m->depth += m->depth < MAN_BLOCKS - 2;
            body.p += 2;
            body.n -= 2;
            close_blocks(m, body); /* it may end on the same line */
        }
        while (body.n && is_blank(*body.p)) {
            body.p++;
            body.n--;
        }
        *line = body;
        return body.n && !man_is(body, "\\");
    }
    long open = block ? block_balance(body) : 0;
    struct span skipped;
    while (open > 0 && next_line(m, &skipped))
        open += block_balance(skipped);
    return false;
}

static bool
is_condition(struct span name)
{
    return man_is(name, "if") || man_is(name, "ie") || man_is(name, "el");
}

/* .if, .ie, .el: true when *line is what is left to be handled. */
static bool
handle_condition(struct man *m, struct span name, struct span rest, struct span *line)
{
    const char *p = rest.p, *end = p + rest.n;
    bool *else_taken = &m->else_taken[m->depth];
    bool take = *else_taken;

    if (man_is(name, "el")) {
        *else_taken = false;
        return guarded(m, p, end, take, line);
    }
    while (p < end && is_blank(*p))
        p++;
    take = condition_holds(&p, end);
    if (man_is(name, "ie"))
        *else_taken = !take;
    return guarded(m, p, end, take, line);
}

/* ---- lines --------------------------------------------------------------------- */

static bool
handle_definition(struct man *m, struct span name, struct span rest)
{
    if (man_is(name, "de") || man_is(name, "am") || man_is(name, "de1") || man_is(name, "am1"))
        skip_definition(m, rest, 1);
    else if (man_is(name, "ig"))
        skip_definition(m, rest, 0);
    else if (man_is(name, "ds") || man_is(name, "ds1"))
        define_string(m, rest);
    else if (man_is(name, "EQ"))
        skip_definition(m, (struct span){"EN", 2}, 0);
    else if (man_is(name, "PS"))
        skip_definition(m, (struct span){"PE", 2}, 0);
    else
        return false;
    return true;
}

/* true: a condition held, and *line is what it guards. */
static bool
handle_request(struct man *m, struct span *line)
{
    const char *p = line->p + 1, *end = line->p + line->n;

    while (p < end && is_blank(*p))
        p++;
    struct span name = {p, 0};
    while (p < end && !is_blank(*p) && *p != '\\')
        p++;
    name.n = (size_t)(p - name.p);
    struct span rest = {p, (size_t)(end - p)};
    if (is_condition(name))
        return handle_condition(m, name, rest, line);
    if (!name.n || handle_definition(m, name, rest))
        return false;
    if (man_is(name, "Dd") || man_is(name, "Sh"))
        m->mdoc = true;
    if (!(m->mdoc && mdoc_macro(m, name, rest)))
        man_macro(m, name, rest);
    return false;
}

static void
handle_empty(struct man *m)
{
    if (m->flow.verbatim)
        flow_newline(&m->flow);
    else
        flow_paragraph(&m->flow);
}

static void
handle_line(struct man *m, struct span line)
{
    if (m->depth)
        close_blocks(m, line);
    do {
        if (!line.n) {
            handle_empty(m);
            return;
        }
        if (*line.p != '.' && *line.p != '\'') {
            bool row = m->in_table && (!m->in_cell || (line.n >= 2 && !memcmp(line.p, "T}", 2)));
            if (row)
                man_table_line(m, line);
            else
                man_text_line(m, line);
            return;
        }
    } while (handle_request(m, &line));
}

/* Escapes may have cut characters apart. */
static void
mend(struct str *out, size_t start)
{
    struct str clean = {0};

    if (out->len == start || utf8_valid(out->data + start, out->len - start) == out->len - start)
        return;
    utf8_clean(out->data + start, out->len - start, &clean);
    out->len = start;
    str_add(out, clean.data, clean.len);
    str_release(&clean);
}

void
man_to_text(const char *man, size_t n, struct str *out)
{
    struct man m = {.p = man, .end = man + n};
    struct span line;

    flow_start(&m.flow, out);
    while (next_line(&m, &line))
        handle_line(&m, line);
    flow_end(&m.flow);
    mend(out, m.flow.start);
    vec_release(&m.strings);
    str_release(&m.line);
    str_release(&m.link);
    str_release(&m.name);
}
