#ifndef TOKENIZER_JINJA_TREE_H
#define TOKENIZER_JINJA_TREE_H

#include "base/vec.h"
#include "tokenizer/jinja_lex.h"
#include "tokenizer/jinja_value.h"

/*
 * A parsed template. One kind of node for all; which members are used stands beside the kinds
 * (a, b, c: nodes; items: several). Names are interned: the same name is the same pointer.
 */
enum node_kind {
    /* expressions */
    NODE_CONSTANT,    /* value */
    NODE_NAME,        /* name; function: the global one of that name */
    NODE_LIST,        /* items */
    NODE_TUPLE,       /* items */
    NODE_DICT,        /* items: key, value, key, … */
    NODE_ATTRIBUTE,   /* a.name */
    NODE_ITEM,        /* a[b] */
    NODE_SLICE,       /* a[items[0]:items[1]:items[2]], each may be NULL */
    NODE_CALL,        /* a(call) */
    NODE_FILTER,      /* a | function(call) */
    NODE_TEST,        /* a is function(call) */
    NODE_NOT,         /* a */
    NODE_NEGATE,      /* a */
    NODE_PLUS,        /* a */
    NODE_BINARY,      /* a operator b: + - * / // % ** */
    NODE_COMPARE,     /* items, operators between them: == … in, not in ('n') */
    NODE_CONCATENATE, /* items */
    NODE_AND,         /* a, b */
    NODE_OR,          /* a, b */
    NODE_CONDITIONAL, /* a if b else c (may be NULL) */
    NODE_CAPTURED,    /* what the block around put out: base of its filters */
    /* statements */
    NODE_BLOCK,        /* items, one after another */
    NODE_DATA,         /* value */
    NODE_OUTPUT,       /* a */
    NODE_IF,           /* if a: b else c (may be NULL) */
    NODE_FOR,          /* for a in b if test: items[0], else items[1] (may be NULL); name: "loop" */
    NODE_SET,          /* a = b */
    NODE_SET_BLOCK,    /* a = b of what c puts out */
    NODE_FILTER_BLOCK, /* puts out b of what c puts out */
    NODE_WITH,         /* items: target, value, …; c */
    NODE_MACRO,        /* name, items: parameters (NODE_NAME, its default in a); c */
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_GENERATION,         /* c */
    NODE_NAMESPACE_ATTRIBUTE /* a target: name.value */
};

struct call {
    struct node **values;
    size_t n;
    const char **keywords;
    struct node **keyword_values;
    size_t keywords_n;
    struct node *more, *more_keywords; /* *a, **b */
};

struct node {
    enum node_kind kind;
    int line;
    const char *operators; /* one character each: 'p' is **, 'f' is //, 'i' in, 'n' not in, … */
    const char *name;
    struct value value;
    struct node *a, *b, *c, *test;
    struct node **items;
    size_t n;
    const struct builtin *function;
    struct call *call;
};

/* The builtin of that name, NULL: not in the subset (jinja_builtins.c). */
const struct builtin *jinja_filter(const char *name);
const struct builtin *jinja_test(const char *name);
const struct builtin *jinja_function(const char *name);
const struct builtin *jinja_method(struct value self, const char *name);
/* Is it a method of Python's that the subset does not have? */
bool jinja_method_refused(const char *name);

/* ---- while parsing ------------------------------------------------------------- */

struct parser {
    struct jinja_run *run;
    const struct jinja_token *token; /* the current one */
    const char **names;              /* interned */
    size_t names_n, names_cap;
    int depth;
    int loops;       /* that `break` may leave */
    int macros;      /* around: names that only macros have */
    bool generation; /* a generation block was seen */
};

bool parser_at(const struct parser *p, const char *operator); /* an operator */
bool parser_at_name(const struct parser *p, const char *name);
bool parser_skip(struct parser *p, const char *operator); /* true: was there */
bool parser_skip_name(struct parser *p, const char *name);
void parser_expect(struct parser *p, const char *operator);
const char *parser_name(struct parser *p); /* expects any name; interned, "" on failure */
struct node *parser_node(struct parser *p, enum node_kind kind);
struct nodes VEC_BODY(struct node *);
/* The items of a node; the vector is released. */
void parser_give(struct parser *p, struct node *node, struct nodes *items);
void *parser_copy(struct parser *p, const void *items, size_t n, size_t size);
bool parser_enter(struct parser *p); /* false: too deep (parser_leave is due all the same) */
void parser_leave(struct parser *p);
void parser_next(struct parser *p);
void parser_unexpected(struct parser *p);

/* Expressions; `conditional`: with `a if b else c`. */
struct node *parse_expression(struct parser *p, bool conditional);
/* One, or a tuple without parentheses; `end`: a name that ends it (NULL). */
struct node *parse_tuple(struct parser *p, bool conditional, const char *end);
struct node *parse_filters(struct parser *p, struct node *base, bool first_without_bar);
/* A literal, a name or what is in brackets; with attributes, items and calls; with filters and tests. */
struct node *parse_primary(struct parser *p, bool namespaces);
struct node *parse_postfix(struct parser *p, struct node *node);
struct node *parse_filters_and_tests(struct parser *p, struct node *node);
/* What can be assigned to; `namespaces`: also x.y. */
struct node *parse_target(struct parser *p, const char *end, bool namespaces);

/* The whole: a NODE_BLOCK, NULL: failed. *generation: it has {% generation %}. */
struct node *jinja_parse(struct jinja_run *run, const char *text, size_t n, bool *generation);

#endif
