#ifndef TEXT_FLOW_H
#define TEXT_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Text as it flows out of markup: words with single spaces between them, lines,
 * and paragraphs with one empty line between them. A line break of the source
 * between two characters of a script that is written without spaces (kana, kanji,
 * full-width forms) becomes nothing, any other a space; behind full-width
 * punctuation blanks become nothing, too. Lines have no white space at their ends.
 */
struct flow {
    struct str *out;
    size_t start;       /* where this text begins in out */
    bool verbatim;      /* white space is kept as it is (pre, .nf) */
    bool space, folded; /* white space is owed; it had a line break in it */
    bool tab;           /* it stands between the cells of a table's row */
    unsigned breaks;    /* line ends owed: 1 a line, 2 a paragraph */
    const char *prefix; /* goes before the next line's first word (a list's mark) */
};

void flow_start(struct flow *f, struct str *out);

/* Words: white space in text[0..n) separates them (or is kept, in verbatim). */
void flow_text(struct flow *f, const char *text, size_t n);
void flow_code_point(struct flow *f, uint32_t c);

void flow_break(struct flow *f);     /* ends the line, if there is one */
void flow_paragraph(struct flow *f); /* ends the paragraph, if there is one */
void flow_newline(struct flow *f);   /* one more line end, counted (br; an empty line in pre) */
void flow_cell(struct flow *f);      /* a tab before the next word, unless it begins its line */
void flow_item(struct flow *f, const char *prefix); /* a new line that will begin so */

/* Ends the text with one newline (an empty text stays empty). */
void flow_end(struct flow *f);

#endif
