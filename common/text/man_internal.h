#ifndef TEXT_MAN_INTERNAL_H
#define TEXT_MAN_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/vec.h"
#include "text/flow.h"

/* What the files man*.c share: one page on its way to text. */

struct span {
    const char *p;
    size_t n;
};

enum { MAN_ARGUMENTS = 64, MAN_STRINGS = 256, MAN_STRING_BYTES = 256, MAN_BLOCKS = 64 };

struct man_string {
    char name[16];
    char value[MAN_STRING_BYTES];
};

struct man {
    const char *p, *end;  /* what is left of the page */
    struct flow flow;
    struct str line;      /* the decoded line */
    bool joined;          /* \c: the next line goes on without a space */

    VEC(struct man_string) strings; /* .ds */
    bool else_taken[MAN_BLOCKS];    /* of the last .ie at each depth: its .el is to be read */
    unsigned depth;                 /* open \{ blocks that are being read */

    bool tag_next;        /* the next line is the tag of .TP */
    bool heading_next;    /* the next line is the heading of .SH */
    bool linked;          /* .UR has had no text yet */
    struct str link;

    bool in_table, table_format; /* .TS; its format lines are not over yet */
    char table_tab;
    bool in_cell;         /* inside T{ … T} */

    bool mdoc;
    struct str name;      /* .Nm */
    bool no_space;        /* mdoc: the next word follows without a space */
};

/* Appends text[0..n) with its escapes resolved to *out. Sets m->joined at \c. */
void man_decode(struct man *m, struct span text, struct str *out);

/* The value of a register as conditions see it. */
int man_register(struct span name);

/* Takes "\(xx", "\[name]" or "\X" names apart: p stands behind the escape's letter. */
struct span man_escape_name(const char **p, const char *end);

/* Cuts a request's line at its blanks, quoted arguments whole. Returns their number. */
size_t man_arguments(struct span line, struct span args[MAN_ARGUMENTS]);

bool man_is(struct span s, const char *word);

/* Decodes and lays out a line of text, with the line end behind it. */
void man_text_line(struct man *m, struct span line);

/* What has to happen when a line of text is complete (tags, headings). */
void man_line_done(struct man *m);

void man_set_literal(struct man *m, bool on);

/* man(7) and common macros. true: it was one. */
bool man_macro(struct man *m, struct span name, struct span rest);

/* mdoc(7) macros. true: it was one. */
bool mdoc_macro(struct man *m, struct span name, struct span rest);

/* A line of text inside .TS and .TE. */
void man_table_line(struct man *m, struct span line);

#endif
