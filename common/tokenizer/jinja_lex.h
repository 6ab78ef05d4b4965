#ifndef TOKENIZER_JINJA_LEX_H
#define TOKENIZER_JINJA_LEX_H

#include "tokenizer/jinja_value.h"

/*
 * A template's text as tokens, in the environment that transformers sets up: trim_blocks (the
 * newline behind a block goes), lstrip_blocks (so does white space between a line's start and
 * a block), the last newline of the text dropped, line ends made \n.
 */
enum jinja_token_type {
    TOKEN_END,
    TOKEN_DATA,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_VARIABLE_BEGIN,
    TOKEN_VARIABLE_END,
    TOKEN_NAME,
    TOKEN_CONSTANT, /* a string (type STRING) or a number */
    TOKEN_OPERATOR  /* text is one of the operators */
};

struct jinja_token {
    enum jinja_token_type type;
    int line;
    struct value value; /* text of data, names (NUL-terminated) and operators; or a constant */
};

/* All tokens of text, the last one TOKEN_END; in run's pool. NULL: failed. */
struct jinja_token *jinja_lex(struct jinja_run *run, const char *text, size_t n);

#endif
