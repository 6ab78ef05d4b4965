#ifndef TOKENIZER_MATCH_H
#define TOKENIZER_MATCH_H

#include <stddef.h>

#include "json/json.h"
#include "tokenizer/regex.h"

/* The "pattern" of Split and Replace: a literal string or a regular expression. */
struct matcher {
    char *literal; /* NULL: regex */
    size_t length;
    struct regex *regex;
};

/* Reads {"String": s} or {"Regex": s} from the member "pattern". 0 or -1. */
int matcher_load(struct matcher *m, const struct json_doc *doc, const json_t *object);
void matcher_release(struct matcher *m);

/* Matches from left to right; start with {0}. */
struct match_cursor {
    size_t from;   /* where the search goes on */
    size_t behind; /* end of the last match + 1; 0: none yet */
};

/*
 * The next match in text[0..n): 1 and its borders, 0 when there is none, -1 on an
 * error. An empty match right behind the last one is passed over.
 */
int matcher_next(const struct matcher *m, struct regex_scratch *s, const char *text, size_t n,
                 struct match_cursor *c, size_t *begin, size_t *end);

#endif
