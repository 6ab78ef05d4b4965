#ifndef EVAL_PIPES_H
#define EVAL_PIPES_H

#include "eval/template.h"

/*
 * Pipes: small functions from a value to a value, written `name:argument:argument`, several with
 * `|` between them. In arguments \n and \t are a line end and a tab, and \\ \: \| \} those
 * characters; any other backslash stays. A pipe of text takes numbers as their text, and of a list
 * each element.
 *
 *   of text     trim, trim_left, trim_right (Python's strip), lower, upper, capitalize,
 *               replace:a:b, replace_pattern:p:b (Python's re.sub: \1 in b is a group),
 *               before:x, before_last:x, after:x, after_last:x (all of the text where x is not in it;
 *               before_last: nothing)
 *   of lists    join:x, not_empty (without empty texts and nulls); anything else stays as it is
 *   numbers     index:a:b:… (which argument the text is, from 0), index_in:path (which element of
 *               that list)
 *   otherwise   default:x (of what is not there or null)
 */
struct pipes; /* a chain */

/* Named chains of one task. */
struct pipe_names {
    VEC(char *) names;
    VEC(struct pipes *) chains;
};
void pipe_names_release(struct pipe_names *n);

/*
 * Parses a chain up to the end of text[0..n), or, with `brace`, to the first '}' that no backslash
 * stands before; *used is the number of bytes, '}' not among them. NULL: `why`.
 */
struct pipes *pipes_new(const char *text, size_t n, bool brace, const struct pipe_names *names,
                        size_t *used, char *why, size_t why_size);
void pipes_free(struct pipes *p);

/* Appends the pipes of a further text to a chain. 0 or -1 (`why`). */
int pipes_add(struct pipes *p, const char *text, size_t n, const struct pipe_names *names,
              char *why, size_t why_size);

/*
 * What comes out: a new reference; NULL: an error is recorded. `value` is taken over; NULL stands
 * for a name that is not there, which only default: takes.
 */
json_t *pipes_apply(const struct pipes *p, json_t *value, const struct scope *scope);

#endif
