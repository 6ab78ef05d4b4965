#ifndef TOKENIZER_JINJA_EVAL_H
#define TOKENIZER_JINJA_EVAL_H

#include "base/vec.h"
#include "tokenizer/jinja_tree.h"
#include "tokenizer/jinja_value.h"

/*
 * Evaluation of a parsed template. Scopes are as in Jinja: a loop's body has a new one for
 * each item, a macro's call has one below that of its definition, so have captures and
 * generation blocks; `if` has none. Assignments go to the innermost scope.
 */
struct binding {
    const char *name; /* interned */
    struct value value;
};

struct scope {
    struct scope *parent;
    struct binding *bindings;
    size_t n, cap;
};

struct jinja_macro {
    const struct node *node;
    struct scope *scope; /* of its definition */
};

/* The variable `loop`. */
struct loop {
    struct sequence *source; /* goes on at source->at */
    const struct node *node; /* for its test */
    struct scope *outer;
    int64_t index0;
    int64_t length;     /* -1: not known yet */
    bool peeked, ended; /* `next` was taken from the source; the source has no more */
    struct value current, previous, next;
    struct value changed; /* the last arguments of loop.changed, a tuple; or ABSENT */
};

/* The next item (peeking: which stays); false at the end. */
bool loop_pull(struct jinja_run *run, struct loop *loop, bool peek);
struct value loop_attribute(struct jinja_run *run, struct loop *loop, const char *name);

struct jinja_span {
    size_t begin, end;
};
struct jinja_spans VEC_BODY(struct jinja_span);

struct scope *scope_new(struct jinja_run *run, struct scope *parent);
void scope_set(struct jinja_run *run, struct scope *scope, const char *name, struct value v);

struct value jinja_eval(struct jinja_run *run, const struct node *node);
void jinja_assign(struct jinja_run *run, const struct node *target, struct value v);

/* Runs statements, putting out to run->out. */
enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };
enum flow jinja_execute(struct jinja_run *run, const struct node *node);
struct value
jinja_call_macro(struct jinja_run *run, const struct jinja_macro *macro, const struct arguments *a);

/* Calls any value; a builtin with its arguments put in order. */
struct value jinja_call(struct jinja_run *run, struct value callee, const struct arguments *a);
struct value jinja_invoke(struct jinja_run *run, const struct builtin *b, struct value self,
                          const struct arguments *a);

struct value jinja_attribute(struct jinja_run *run, struct value v, const char *name, size_t n);
struct value jinja_item(struct jinja_run *run, struct value v, struct value key);
struct value jinja_slice(struct jinja_run *run, struct value v, const struct value part[3]);

/* Operators (jinja_operators.c). */
struct value jinja_binary(struct jinja_run *run, char operator, struct value a, struct value b);
struct value jinja_sign(struct jinja_run *run, bool minus, struct value v);
bool jinja_compare(struct jinja_run *run, char operator, struct value a, struct value b);

/* Text & < > ' " as HTML entities: a safe string. */
struct value jinja_escape(struct jinja_run *run, struct value v);

/* "format" % values, and "format".format(…) (jinja_format.c). */
struct value jinja_percent(struct jinja_run *run, struct value format, struct value values);
struct value jinja_format(struct jinja_run *run, struct value format, const struct arguments *a);

#endif
