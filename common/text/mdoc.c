#include <string.h>

#include "text/man_internal.h"

/* mdoc(7): macros that mark what words are, and may follow each other on a line. */

enum kind {
    WORDS,     /* its arguments as they are */
    FLAG,      /* each argument with a dash before it */
    ENCLOSE,   /* the rest of the line in a pair of marks */
    OPEN,      /* one half of such a pair */
    CLOSE,     /* the other */
    CONSTANT,  /* stands for a text, its arguments behind it */
    NAME,      /* .Nm: the program's name when it has no argument */
    REFERENCE, /* .Xr name section */
    FUNCTION,  /* .Fn name argument… */
    NO_SPACE,  /* .Ns */
    PREFIX,    /* .Pf */
    TAB,       /* .Ta */
    NOTHING    /* left out with its arguments */
};

static const struct inline_macro {
    const char *name;
    enum kind kind;
    const char *before, *after;
} inlines[] = {
    {"Fl", FLAG, "-", ""},          {"Ar", WORDS, "", ""},        {"Cm", WORDS, "", ""},
    {"Pa", WORDS, "", ""},          {"Ev", WORDS, "", ""},        {"Dv", WORDS, "", ""},
    {"Em", WORDS, "", ""},          {"Sy", WORDS, "", ""},        {"Li", WORDS, "", ""},
    {"No", WORDS, "", ""},          {"Va", WORDS, "", ""},        {"Vt", WORDS, "", ""},
    {"Fa", WORDS, "", ""},          {"Ft", WORDS, "", ""},        {"Ic", WORDS, "", ""},
    {"Er", WORDS, "", ""},          {"An", WORDS, "", ""},        {"Tn", WORDS, "", ""},
    {"Ms", WORDS, "", ""},          {"Mt", WORDS, "", ""},        {"Lk", WORDS, "", ""},
    {"Lb", WORDS, "", ""},          {"St", WORDS, "", ""},        {"Ad", WORDS, "", ""},
    {"Sx", WORDS, "", ""},          {"Cd", WORDS, "", ""},        {"Ot", WORDS, "", ""},
    {"In", ENCLOSE, "#include <", ">"}, {"Op", ENCLOSE, "[", "]"}, {"Pq", ENCLOSE, "(", ")"},
    {"Bq", ENCLOSE, "[", "]"},      {"Brq", ENCLOSE, "{", "}"},   {"Dq", ENCLOSE, "“", "”"},
    {"Sq", ENCLOSE, "‘", "’"},      {"Ql", ENCLOSE, "‘", "’"},    {"Qq", ENCLOSE, "\"", "\""},
    {"Aq", ENCLOSE, "<", ">"},      {"Oo", OPEN, "[", ""},        {"Oc", CLOSE, "", "]"},
    {"Po", OPEN, "(", ""},          {"Pc", CLOSE, "", ")"},       {"Bo", OPEN, "[", ""},
    {"Bc", CLOSE, "", "]"},         {"Bro", OPEN, "{", ""},       {"Brc", CLOSE, "", "}"},
    {"Do", OPEN, "“", ""},          {"Dc", CLOSE, "", "”"},       {"So", OPEN, "‘", ""},
    {"Sc", CLOSE, "", "’"},         {"Qo", OPEN, "\"", ""},       {"Qc", CLOSE, "", "\""},
    {"Ao", OPEN, "<", ""},          {"Ac", CLOSE, "", ">"},       {"Bx", CONSTANT, "BSD", ""},
    {"Fx", CONSTANT, "FreeBSD", ""}, {"Nx", CONSTANT, "NetBSD", ""},
    {"Ox", CONSTANT, "OpenBSD", ""}, {"Dx", CONSTANT, "DragonFly", ""},
    {"Ux", CONSTANT, "UNIX", ""},   {"At", CONSTANT, "AT&T UNIX", ""},
    {"Ud", CONSTANT, "currently under development.", ""},
    {"Nm", NAME, "", ""},           {"Xr", REFERENCE, "", ""},    {"Fn", FUNCTION, "", ""},
    {"Ns", NO_SPACE, "", ""},       {"Ap", NO_SPACE, "'", ""},    {"Pf", PREFIX, "", ""},
    {"Ta", TAB, "", ""},            {"Ex", NOTHING, "", ""},      {"Rv", NOTHING, "", ""},
    {"Sm", NOTHING, "", ""},        {"Bk", NOTHING, "", ""},      {"Ek", NOTHING, "", ""},
    {"Xo", WORDS, "", ""},          {"Xc", WORDS, "", ""},        {"Es", NOTHING, "", ""},
    {"Db", NOTHING, "", ""},        {"Hf", NOTHING, "", ""},
};

static const struct inline_macro *
find_inline(struct span name)
{
    for (size_t i = 0; i < sizeof inlines / sizeof *inlines; i++)
        if (man_is(name, inlines[i].name))
            return &inlines[i];
    return NULL;
}

/* ---- words on a line ------------------------------------------------------------------ */

static bool
is_closing(struct span w)
{
    return w.n == 1 && *w.p && strchr(".,:;)]?!", *w.p);
}

static bool
is_opening(struct span w)
{
    return w.n == 1 && (*w.p == '(' || *w.p == '[');
}

/* What is written goes to m->line; spaces stand between words but for m->no_space. */
static void
put(struct man *m, const char *before, struct span word, bool spaced)
{
    if (m->line.len && spaced && !m->no_space)
        str_addc(&m->line, ' ');
    str_adds(&m->line, before);
    man_decode(m, word, &m->line);
    m->no_space = false;
}

static void
put_word(struct man *m, const char *before, struct span word)
{
    put(m, before, word, !is_closing(word));
    m->no_space = is_opening(word);
}

static void
put_text(struct man *m, const char *text, bool spaced)
{
    put(m, "", (struct span){text, strlen(text)}, spaced);
}

/* A line's arguments while they are read. */
struct words {
    struct span args[MAN_ARGUMENTS];
    size_t n, at;
    const char *closers[MAN_ARGUMENTS + 1];
    size_t open;
};

/* Is there an argument of the present macro left (not another macro)? */
static bool
has_argument(const struct words *w)
{
    return w->at < w->n && !find_inline(w->args[w->at]) && !is_closing(w->args[w->at]);
}

static void
put_reference(struct man *m, struct words *w)
{
    if (has_argument(w))
        put_word(m, "", w->args[w->at++]);
    if (!has_argument(w))
        return;
    str_addc(&m->line, '(');
    man_decode(m, w->args[w->at++], &m->line);
    str_addc(&m->line, ')');
}

static void
put_function(struct man *m, struct words *w)
{
    if (has_argument(w))
        put_word(m, "", w->args[w->at++]);
    str_addc(&m->line, '(');
    for (bool first = true; has_argument(w); first = false) {
        if (!first)
            str_adds(&m->line, ", ");
        man_decode(m, w->args[w->at++], &m->line);
    }
    str_addc(&m->line, ')');
}

static void
put_name(struct man *m, struct words *w)
{
    if (!has_argument(w)) {
        if (m->name.len)
            put(m, "", (struct span){m->name.data, m->name.len}, true);
        return;
    }
    if (!m->name.len)
        man_decode(m, w->args[w->at], &m->name);
    put_word(m, "", w->args[w->at++]);
}

static void
put_flags(struct man *m, struct words *w)
{
    if (!has_argument(w)) {
        put_text(m, "-", true); /* .Fl alone, or joined to what follows */
        return;
    }
    while (has_argument(w))
        put_word(m, "-", w->args[w->at++]);
}

/* Runs the macro that stands at w->args[w->at - 1]. */
static void
run_inline(struct man *m, const struct inline_macro *macro, struct words *w)
{
    switch (macro->kind) {
    case FLAG:
        put_flags(m, w);
        break;
    case ENCLOSE:
        put_text(m, macro->before, true);
        m->no_space = true;
        w->closers[w->open++] = macro->after;
        break;
    case OPEN:
        put_text(m, macro->before, true);
        m->no_space = true;
        break;
    case CLOSE:
        put_text(m, macro->after, false);
        break;
    case CONSTANT:
        put_text(m, macro->before, true);
        break;
    case NAME:
        put_name(m, w);
        break;
    case REFERENCE:
        put_reference(m, w);
        break;
    case FUNCTION:
        put_function(m, w);
        break;
    case NO_SPACE:
        if (*macro->before)
            put_text(m, macro->before, false);
        m->no_space = true;
        break;
    case PREFIX:
        if (has_argument(w))
            put_word(m, "", w->args[w->at++]);
        m->no_space = true;
        break;
    case TAB:
        str_adds(&m->line, "\n");
        m->no_space = true;
        break;
    case NOTHING:
        w->at = w->n;
        break;
    case WORDS:
        break;
    }
}

/* Lays out words and macros from w->at on; pairs close before the line's last punctuation. */
static void
run_words(struct man *m, struct words *w)
{
    size_t last = w->n;

    while (last > w->at && is_closing(w->args[last - 1]))
        last--;
    while (w->at < w->n) {
        if (w->at >= last)
            while (w->open)
                put_text(m, w->closers[--w->open], false);
        struct span word = w->args[w->at++];
        const struct inline_macro *macro = find_inline(word);
        if (macro)
            run_inline(m, macro, w);
        else
            put_word(m, "", word);
    }
    while (w->open)
        put_text(m, w->closers[--w->open], false);
}

/* m->line is complete. */
static void
end_line(struct man *m)
{
    if (m->line.len && !m->joined && !m->no_space)
        str_addc(&m->line, '\n');
    m->no_space = m->joined = false;
    flow_text(&m->flow, m->line.data ? m->line.data : "", m->line.len);
    man_line_done(m);
}

static void
run_line(struct man *m, struct span rest)
{
    struct words w = {0};

    w.n = man_arguments(rest, w.args);
    str_clear(&m->line);
    m->no_space = false;
    run_words(m, &w);
    end_line(m);
}

/* ---- macros that lay lines out ---------------------------------------------------------- */

/* .Bd -literal: a display; others are filled. Nesting is counted by .Ed. */
static void
begin_display(struct man *m, struct span rest)
{
    bool literal = memmem(rest.p, rest.n, "-literal", 8) || memmem(rest.p, rest.n, "-unfilled", 9);

    flow_paragraph(&m->flow);
    if (literal)
        man_set_literal(m, true);
}

static void
item(struct man *m, struct span rest)
{
    flow_paragraph(&m->flow);
    run_line(m, rest);
    flow_break(&m->flow);
}

static void
heading(struct man *m, struct span rest)
{
    man_set_literal(m, false);
    flow_paragraph(&m->flow);
    run_line(m, rest);
    flow_paragraph(&m->flow);
}

/* .Nd: behind the name, on its line. */
static void
description(struct man *m, struct span rest)
{
    flow_text(&m->flow, " - ", 3);
    run_line(m, rest);
}

static bool
layout_macro(struct man *m, struct span name, struct span rest)
{
    if (man_is(name, "Sh") || man_is(name, "Ss"))
        heading(m, rest);
    else if (man_is(name, "It"))
        item(m, rest);
    else if (man_is(name, "Nd"))
        description(m, rest);
    else if (man_is(name, "Bd"))
        begin_display(m, rest);
    else if (man_is(name, "Ed"))
        man_set_literal(m, false);
    else if (man_is(name, "Pp") || man_is(name, "Lp") || man_is(name, "El"))
        flow_paragraph(&m->flow);
    else if (man_is(name, "Bl") || man_is(name, "Rs") || man_is(name, "Re"))
        flow_break(&m->flow);
    else if (man_is(name, "D1") || man_is(name, "Dl") || man_is(name, "Fd")) {
        flow_break(&m->flow);
        run_line(m, rest);
        flow_break(&m->flow);
    } else
        return man_is(name, "Dd") || man_is(name, "Dt") || man_is(name, "Os");
    return true;
}

/* .Fo name, .Fa arguments, .Fc: only the brackets are added. */
static bool
function_block(struct man *m, struct span name, struct span rest)
{
    if (man_is(name, "Fo")) {
        run_line(m, rest);
        m->flow.space = false;
        flow_text(&m->flow, "(", 1);
        return true;
    }
    if (man_is(name, "Fc")) {
        m->flow.space = false;
        flow_text(&m->flow, ")\n", 2);
        return true;
    }
    return false;
}

/* %A, %T, … of a reference: parts of a list. */
static bool
reference_part(struct man *m, struct span name, struct span rest)
{
    if (name.n != 2 || *name.p != '%')
        return false;
    run_line(m, rest);
    m->flow.space = false;
    flow_text(&m->flow, ", ", 2);
    return true;
}

bool
mdoc_macro(struct man *m, struct span name, struct span rest)
{
    const struct inline_macro *macro = find_inline(name);

    if (!macro)
        return layout_macro(m, name, rest) || function_block(m, name, rest) ||
               reference_part(m, name, rest);
    struct words w = {0};
    w.n = man_arguments(rest, w.args);
    str_clear(&m->line);
    m->no_space = false;
    if (macro->kind == CLOSE) /* the pair began on a line before: no space here */
        m->flow.space = false;
    run_inline(m, macro, &w);
    run_words(m, &w);
    end_line(m);
    return true;
}
