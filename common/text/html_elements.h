#ifndef TEXT_HTML_ELEMENTS_H
#define TEXT_HTML_ELEMENTS_H

#include <stdbool.h>
#include <stddef.h>

/* What the elements of HTML mean for the text of a page: tables, no state. */

enum html_action {
    HTML_INLINE,    /* nothing: the text goes on */
    HTML_BREAK,     /* a line of its own */
    HTML_PARAGRAPH, /* a paragraph of its own */
    HTML_ITEM,      /* a line that begins with a mark */
    HTML_CELL,      /* a tab, unless first on its line */
    HTML_NEWLINE,   /* br */
    HTML_PRE,       /* a paragraph whose white space counts */
    HTML_QUOTE,     /* quotation marks around */
    HTML_DROP,      /* left out with all it holds */
    HTML_RAW        /* left out; its content is no markup, up to the end tag */
};

/* An element's or attribute's name or value as it stands in the source. */
struct html_word {
    const char *p;
    size_t n;
};

/* The attributes that matter; n = 0: absent. */
struct html_attributes {
    struct html_word id, class_names, role, type, hidden;
};

enum html_action html_action(struct html_word name);

/* Elements without an end tag. */
bool html_is_void(struct html_word name);

/* Is this element, which html_action keeps, navigation by its attributes? */
bool html_is_chrome(struct html_word name, const struct html_attributes *a);

bool html_word_is(struct html_word w, const char *lower);

#endif
