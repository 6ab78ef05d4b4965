#include <string.h>

#include "text/man_internal.h"

/* man(7), the requests of troff(7) that lay text out, tbl(1), and macros that many pages bring. */

/* Adds arguments as a line of text, with or without spaces between them. */
static void
add_arguments(struct man *m, struct span rest, bool spaced)
{
    struct span args[MAN_ARGUMENTS];
    size_t n = man_arguments(rest, args);

    if (!n)
        return; /* the macro is about the next line, which needs nothing */
    m->joined = false;
    str_clear(&m->line);
    for (size_t i = 0; i < n; i++) {
        if (i && spaced)
            str_addc(&m->line, ' ');
        man_decode(m, args[i], &m->line);
    }
    if (!m->joined)
        str_addc(&m->line, '\n');
    flow_text(&m->flow, m->line.data, m->line.len);
    m->linked = false;
    man_line_done(m);
}

static void
heading(struct man *m, struct span rest)
{
    struct span args[MAN_ARGUMENTS];

    man_set_literal(m, false);
    m->tag_next = false;
    flow_paragraph(&m->flow);
    m->heading_next = true;
    if (man_arguments(rest, args))
        add_arguments(m, rest, true);
}

/* .IP TAG: a mark such as a bullet stands before its paragraph, a word above it. */
static void
indented(struct man *m, struct span rest)
{
    enum { MARK_BYTES = 5 };
    struct span args[MAN_ARGUMENTS];
    size_t n = man_arguments(rest, args);

    flow_paragraph(&m->flow);
    if (!n || !args[0].n)
        return;
    str_clear(&m->line);
    man_decode(m, args[0], &m->line);
    str_addc(&m->line, ' ');
    flow_text(&m->flow, m->line.data, m->line.len);
    if (m->line.len > MARK_BYTES)
        flow_break(&m->flow);
}

static void
begin_link(struct man *m, struct span rest)
{
    struct span args[MAN_ARGUMENTS];

    str_clear(&m->link);
    if (man_arguments(rest, args))
        man_decode(m, args[0], &m->link);
    m->linked = true;
}

/* A link without a text is its own text. What is in the rest follows at once. */
static void
end_link(struct man *m, struct span rest)
{
    struct span args[MAN_ARGUMENTS];

    str_clear(&m->line);
    if (m->linked && m->link.len)
        str_add(&m->line, m->link.data, m->link.len);
    m->flow.space = m->linked && m->flow.space;
    if (man_arguments(rest, args))
        man_decode(m, args[0], &m->line);
    str_addc(&m->line, '\n');
    flow_text(&m->flow, m->line.data, m->line.len);
    m->linked = false;
}

/* .OP -f file */
static void
option(struct man *m, struct span rest)
{
    flow_text(&m->flow, " [", 2);
    add_arguments(m, rest, true);
    m->flow.space = false;
    flow_text(&m->flow, "]\n", 2);
}

/* ---- tables ---------------------------------------------------------------------- */

static void
begin_table(struct man *m)
{
    man_set_literal(m, false);
    flow_paragraph(&m->flow);
    m->in_table = m->table_format = true;
    m->in_cell = false;
    m->table_tab = '\t';
}

static void
end_table(struct man *m)
{
    m->in_table = m->in_cell = false;
    flow_paragraph(&m->flow);
}

/* "box center tab(@);": the character between cells. */
static void
table_options(struct man *m, struct span line)
{
    const char *tab = memmem(line.p, line.n, "tab", 3);
    const char *end = line.p + line.n;

    for (tab = tab ? tab + 3 : end; tab < end && *tab == ' '; tab++)
        ;
    if (end - tab >= 3 && *tab == '(')
        m->table_tab = tab[1];
}

static bool
is_rule(struct span cell)
{
    return man_is(cell, "_") || man_is(cell, "=") || man_is(cell, "\\_") || man_is(cell, "\\^");
}

static void
table_row(struct man *m, const char *p, const char *end)
{
    for (;;) {
        const char *tab = memchr(p, m->table_tab, (size_t)(end - p));
        struct span cell = {p, (size_t)((tab ? tab : end) - p)};
        if (man_is(cell, "T{")) {
            m->in_cell = true;
        } else if (!is_rule(cell)) {
            str_clear(&m->line);
            man_decode(m, cell, &m->line);
            flow_text(&m->flow, m->line.data ? m->line.data : "", m->line.len);
        }
        if (!tab)
            break;
        flow_cell(&m->flow);
        p = tab + 1;
    }
    if (!m->in_cell)
        flow_break(&m->flow);
}

void
man_table_line(struct man *m, struct span line)
{
    const char *end = line.p + line.n;

    if (m->table_format) {
        if (end[-1] == ';')
            table_options(m, line);
        m->table_format = end[-1] != '.';
        return;
    }
    if (m->in_cell) { /* T}, perhaps with more cells behind */
        m->in_cell = false;
        line.p += 2;
        if (line.p < end && *line.p == m->table_tab) {
            flow_cell(&m->flow);
            line.p++;
        }
    }
    table_row(m, line.p, end);
}

/* ---- the table of macros ------------------------------------------------------------ */

enum action {
    PARAGRAPH, BREAK, SPACE, HEADING, TAG, MARKED, WORDS, JOINED, LITERAL, FILLED, LINK, LINK_END,
    OPTION, TABLE, TABLE_END, SYNOPSIS, TABLE_HEAD
};

static const struct {
    const char *names; /* apart by spaces, and around them */
    enum action action;
} macros[] = {
    {" PP LP P HP Pp Sp sp ", PARAGRAPH},
    {" br RS RE YS ti in ce ", BREAK},
    {" SH SS ", HEADING},
    {" TP TQ ", TAG},
    {" IP ", MARKED},
    {" B I R SM SB CW C L ", WORDS},
    {" BI BR IB IR RB RI ", JOINED},
    {" nf EX Vb DS Ds CS ", LITERAL},
    {" fi EE Ve DE De CE ", FILLED},
    {" UR MT ", LINK},
    {" UE ME ", LINK_END},
    {" OP ", OPTION},
    {" TS ", TABLE},
    {" TE ", TABLE_END},
    {" T& ", TABLE_HEAD},
    {" SY ", SYNOPSIS},
};

static int
find_macro(struct span name)
{
    char spaced[8] = " ";

    if (name.n > 4)
        return -1;
    memcpy(spaced + 1, name.p, name.n);
    spaced[name.n + 1] = ' ';
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        if (strstr(macros[i].names, spaced))
            return (int)macros[i].action;
    return -1;
}

static void
take_action(struct man *m, enum action action, struct span rest)
{
    switch (action) {
    case PARAGRAPH:
    case SPACE:
        flow_paragraph(&m->flow);
        break;
    case BREAK:
        flow_break(&m->flow);
        break;
    case HEADING:
        heading(m, rest);
        break;
    case TAG:
        flow_paragraph(&m->flow);
        m->tag_next = true;
        break;
    case MARKED:
        indented(m, rest);
        break;
    case WORDS:
        add_arguments(m, rest, true);
        break;
    case JOINED:
        add_arguments(m, rest, false);
        break;
    case LITERAL:
        man_set_literal(m, true);
        break;
    case FILLED:
        man_set_literal(m, false);
        break;
    case LINK:
        begin_link(m, rest);
        break;
    case LINK_END:
        end_link(m, rest);
        break;
    case OPTION:
        option(m, rest);
        break;
    case TABLE:
        begin_table(m);
        break;
    case TABLE_HEAD:
        m->table_format = m->in_table;
        break;
    case TABLE_END:
        end_table(m);
        break;
    case SYNOPSIS:
        flow_break(&m->flow);
        add_arguments(m, rest, true);
        break;
    }
}

bool
man_macro(struct man *m, struct span name, struct span rest)
{
    int action = find_macro(name);

    if (action >= 0)
        take_action(m, (enum action)action, rest);
    return action >= 0;
}
