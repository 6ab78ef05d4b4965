/* Chains of pipes: parsed, and applied to values. */
#include "eval/pipes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "eval/pipe_kinds.h"

enum { PIPES_MAX = 256, CHAIN_DEPTH_MAX = 8 };

struct pipes {
    VEC(struct pipe_step) steps;
    int depth; /* of named chains within named chains */
};

/* ---- parsing ---- */

struct reader {
    const char *text;
    size_t n, at;
    bool brace;
};

static bool
at_end(const struct reader *r)
{
    return r->at >= r->n || (r->brace && r->text[r->at] == '}');
}

/* A name or an argument: up to the next ':', '|' or the end, escapes undone. */
static void
read_word(struct reader *r, struct str *out)
{
    str_reserve(out, 0);
    for (; !at_end(r) && r->text[r->at] != ':' && r->text[r->at] != '|'; r->at++) {
        char c = r->text[r->at], next = r->at + 1 < r->n ? r->text[r->at + 1] : '\0';

        if (c == '\\' && next && strchr("nt\\:|}", next)) {
            c = next == 'n' ? '\n' : next == 't' ? '\t' : next;
            r->at++;
        }
        str_addc(out, c);
    }
}

static const struct pipes *
find_chain(const struct pipe_names *names, const char *name)
{
    for (size_t i = 0; names && i < names->names.len; i++)
        if (strcmp(names->names.data[i], name) == 0)
            return names->chains.data[i];
    return NULL;
}

static void
step_release(struct pipe_step *step)
{
    for (size_t i = 0; i < step->args.len; i++)
        str_release(&step->args.data[i]);
    vec_release(&step->args);
    python_pattern_free(step->pattern);
    template_path_release(&step->path);
}

static int
read_step(struct reader *r, struct pipes *p, const struct pipe_names *names, char *why,
          size_t why_size)
{
    struct pipe_step step = {0};
    struct str name = {0};

    read_word(r, &name);
    while (!at_end(r) && r->text[r->at] == ':' && step.args.len < PIPE_ARGS_MAX) {
        struct str word = {0};

        r->at++;
        read_word(r, &word);
        vec_push(&step.args, word);
    }
    step.kind = pipe_kind_find(name.data);
    step.chain = step.kind ? NULL : find_chain(names, name.data);
    int result = pipe_step_prepare(&step, name.data, why, why_size);
    if (result == 0 && step.chain && step.chain->depth >= p->depth)
        p->depth = step.chain->depth + 1;
    if (result == 0 && (p->depth > CHAIN_DEPTH_MAX || p->steps.len == PIPES_MAX)) {
        snprintf(why, why_size, "too many pipes");
        result = -1;
    }
    vec_push(&p->steps, step);
    str_release(&name);
    return result;
}

static int
read_steps(struct reader *r, struct pipes *p, const struct pipe_names *names, char *why,
           size_t why_size)
{
    for (;;) {
        if (read_step(r, p, names, why, why_size) < 0)
            return -1;
        if (at_end(r))
            return 0;
        if (r->text[r->at] != '|') {
            snprintf(why, why_size, "too many arguments of a pipe");
            return -1;
        }
        r->at++;
    }
}

struct pipes *
pipes_new(const char *text, size_t n, bool brace, const struct pipe_names *names, size_t *used,
          char *why, size_t why_size)
{
    struct reader r = {text, n, 0, brace};
    struct pipes *p = mem_zalloc(sizeof *p);

    if (read_steps(&r, p, names, why, why_size) < 0) {
        pipes_free(p);
        return NULL;
    }
    if (used)
        *used = r.at;
    return p;
}

int
pipes_add(struct pipes *p, const char *text, size_t n, const struct pipe_names *names, char *why,
          size_t why_size)
{
    struct reader r = {text, n, 0, false};
    return read_steps(&r, p, names, why, why_size);
}

void
pipes_free(struct pipes *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->steps.len; i++)
        step_release(&p->steps.data[i]);
    vec_release(&p->steps);
    free(p);
}

void
pipe_names_release(struct pipe_names *n)
{
    for (size_t i = 0; i < n->names.len; i++)
        free(n->names.data[i]);
    for (size_t i = 0; i < n->chains.len; i++)
        pipes_free(n->chains.data[i]);
    vec_release(&n->names);
    vec_release(&n->chains);
}

/* ---- applying ---- */

/* A pipe of text on a value that is no list; *total: the bytes so far. */
static json_t *
apply_text(const struct pipe_step *step, const json_t *value, size_t *total)
{
    struct str text = {0}, out = {0};
    json_t *result = NULL;

    if (template_text_of(value, &text) == 0 &&
        step->kind->text(step, (struct piece){text.data ? text.data : "", text.len}, &out) == 0)
        result = pipe_string(&out);
    *total += out.len;
    if (result && (out.len > PIPE_TEXT_MAX || *total > PIPE_LIST_MAX)) {
        err_set(STATUS_INPUT, "%s: the text grows too long", step->kind->name);
        json_decref(result);
        result = NULL;
    }
    str_release(&text);
    str_release(&out);
    return result;
}

static json_t *
apply_step(const struct pipe_step *step, json_t *value, const struct scope *scope)
{
    if (step->chain)
        return pipes_apply(step->chain, value, scope);
    if (!value && !step->kind->takes_nothing) {
        err_set(STATUS_INPUT, "is not in the document");
        return NULL;
    }
    if (step->kind->value)
        return step->kind->value(step, value, scope);
    size_t total = 0;
    json_t *result = json_is_array(value) ? json_array() : apply_text(step, value, &total);
    for (size_t i = 0; result && i < json_array_size(value); i++)
        if (json_array_append_new(result, apply_text(step, json_array_get(value, i), &total)) < 0) {
            json_decref(result); /* a part had no text, which is recorded */
            result = NULL;
        }
    json_decref(value);
    return result;
}

json_t *
pipes_apply(const struct pipes *p, json_t *value, const struct scope *scope)
{
    for (size_t i = 0; i < p->steps.len; i++) {
        value = apply_step(&p->steps.data[i], value, scope);
        if (!value)
            return NULL;
    }
    return value;
}
