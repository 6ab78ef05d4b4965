#ifndef EVAL_TEMPLATE_H
#define EVAL_TEMPLATE_H

#include <stddef.h>

#include "base/str.h"
#include "base/vec.h"
#include "json/json.h"

/*
 * The templates of a task file, over a document (a JSON object):
 *
 *   ${question}              a field; ${a.b} a member; ${list.0} an element, ${list.-1} the last
 *   ${answers.text}          of a list: the member of each element, a list
 *   ${#list}…${/list}        once for each element; ${.} is it, ${.text} its member; other names
 *                            are looked for around it
 *   ${question|trim|replace:a:b}   through pipes, from left to right (pipes.h)
 *   $${                      the characters ${
 *
 * Text comes from strings, numbers and truth values (True and False, as Python writes them); a
 * list, an object, null or a name that is not there is an error.
 */
struct template;
struct pipe_names; /* the named chains of pipes of a task (pipes.h); NULL: none */

/* NULL: `why` says what is wrong. `names` must outlive the template. */
struct template *template_new(const char *text, size_t n, const struct pipe_names *names, char *why,
                              size_t why_size);
void template_free(struct template *t);

/* Appends the text. 0, or -1: STATUS_INPUT names what is missing. */
int template_render(const struct template *t, const json_t *document, struct str *out);

/*
 * The value: of a template that is one ${…} alone whatever it names, else the text as a string.
 * A new reference, or NULL: STATUS_INPUT.
 */
json_t *template_value(const struct template *t, const json_t *document);

/* ---- for pipes.c ---- */

/* Where names are looked for: a document, and the elements of lists around a place. */
struct scope {
    const json_t *value;
    const struct scope *outer;
};

struct template_path {
    bool item; /* "." and ".a": the innermost element */
    VEC(char *) segments;
};

/* Parses a path of n bytes. 0, or -1: `why`. */
int template_path_parse(struct template_path *p, const char *text, size_t n, char *why,
                        size_t why_size);
void template_path_release(struct template_path *p);

/* A new reference; NULL: there is nothing of that name (no error is recorded). */
json_t *template_path_find(const struct template_path *p, const struct scope *scope);

/* Appends a string, number or truth value. 0 or -1 (recorded). */
int template_text_of(const json_t *value, struct str *out);

#endif
