#ifndef EVAL_PIPE_KINDS_H
#define EVAL_PIPE_KINDS_H

#include "eval/pipes.h"
#include "eval/pyregex.h"
#include "eval/pystr.h"

/* Arguments of a pipe; bytes of a text that it gives, and of a list's texts together. */
enum { PIPE_ARGS_MAX = 64, PIPE_TEXT_MAX = 16 << 20, PIPE_LIST_MAX = 64 << 20 };

struct pipe_step {
    const struct pipe_kind *kind; /* NULL: `chain` */
    VEC(struct str) args;
    struct python_pattern *pattern;
    struct template_path path;
    const struct pipes *chain;
};

/* A pipe is of text (appends to *out) or of any value (takes it over, gives a new one or NULL). */
struct pipe_kind {
    const char *name;
    size_t least, most; /* arguments */
    int (*text)(const struct pipe_step *step, struct piece s, struct str *out);
    json_t *(*value)(const struct pipe_step *step, json_t *value, const struct scope *scope);
    bool takes_nothing; /* the value may be NULL: a name that is not there */
};

/* NULL: there is none of that name. */
const struct pipe_kind *pipe_kind_find(const char *name);

/* Checks and prepares the arguments of a step that was read. 0 or -1 (`why`). */
int pipe_step_prepare(struct pipe_step *step, const char *name, char *why, size_t why_size);

/* A string of the text, NULL where it is not UTF-8 (recorded). */
json_t *pipe_string(const struct str *s);

#endif
