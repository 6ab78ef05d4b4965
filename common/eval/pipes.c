/* The table of pipes, their parsing and what each does. */
#include "eval/pipes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "eval/pyregex.h"
#include "eval/pystr.h"

enum {
    ARGS_MAX = 64,
    PIPES_MAX = 256,
    CHAIN_DEPTH_MAX = 8,
    TEXT_MAX = 16 << 20,
    LIST_MAX = 64 << 20
};

struct pipe_step {
    const struct pipe_kind *kind; /* NULL: `chain` */
    VEC(struct str) args;
    struct python_pattern *pattern;
    struct template_path path;
    const struct pipes *chain;
};

struct pipes {
    VEC(struct pipe_step) steps;
    int depth; /* of named chains within named chains */
};

/* A pipe is of text (appends to *out) or of any value (takes it over, gives a new one or NULL). */
struct pipe_kind {
    const char *name;
    size_t least, most; /* arguments */
    int (*text)(const struct pipe_step *step, struct piece s, struct str *out);
    json_t *(*value)(const struct pipe_step *step, json_t *value, const struct scope *scope);
};

/* ---- of text ---- */

static struct piece
argument(const struct pipe_step *step, size_t i)
{
    const struct str *s = &step->args.data[i];
    return (struct piece){s->data ? s->data : "", s->len};
}

static struct piece
trim_left(struct piece s)
{
    while (s.n) {
        size_t used;

        if (!python_is_space(python_peek(s, &used)))
            break;
        s.data += used;
        s.n -= used;
    }
    return s;
}

static int
add(struct str *out, const char *data, size_t n)
{
    str_add(out, data, n);
    return 0;
}

static int
pipe_trim(const struct pipe_step *step, struct piece s, struct str *out)
{
    (void)step;
    s = python_strip(s);
    return add(out, s.data, s.n);
}

static int
pipe_trim_left(const struct pipe_step *step, struct piece s, struct str *out)
{
    (void)step;
    s = trim_left(s);
    return add(out, s.data, s.n);
}

static int
pipe_trim_right(const struct pipe_step *step, struct piece s, struct str *out)
{
    (void)step;
    s = python_rstrip(s);
    return add(out, s.data, s.n);
}

static int
pipe_lower(const struct pipe_step *step, struct piece s, struct str *out)
{
    (void)step;
    python_lower(s, out);
    return 0;
}

static int
pipe_upper(const struct pipe_step *step, struct piece s, struct str *out)
{
    (void)step;
    while (s.n) {
        size_t used;

        str_add_utf8(out, (uint32_t)utf8proc_toupper((utf8proc_int32_t)python_peek(s, &used)));
        s.data += used;
        s.n -= used;
    }
    return 0;
}

/* str.capitalize: the first character in title case, all others in lower case. */
static int
pipe_capitalize(const struct pipe_step *step, struct piece s, struct str *out)
{
    size_t used;

    (void)step;
    if (!s.n)
        return 0;
    str_add_utf8(out, (uint32_t)utf8proc_totitle((utf8proc_int32_t)python_peek(s, &used)));
    python_lower((struct piece){s.data + used, s.n - used}, out);
    return 0;
}

static int
pipe_replace(const struct pipe_step *step, struct piece s, struct str *out)
{
    struct piece what = argument(step, 0), with = argument(step, 1);
    const char *at, *end = s.data + s.n;

    while ((at = memmem(s.data, (size_t)(end - s.data), what.data, what.n))) {
        str_add(out, s.data, (size_t)(at - s.data));
        str_add(out, with.data, with.n);
        s.data = at + what.n;
        if (out->len > TEXT_MAX)
            return err_set(STATUS_INPUT, "replace: the text grows too long");
    }
    return add(out, s.data, (size_t)(end - s.data));
}

static int
pipe_replace_pattern(const struct pipe_step *step, struct piece s, struct str *out)
{
    return python_replace(step->pattern, s, argument(step, 1), out);
}

/* Where `what` first or last stands in s, or NULL. */
static const char *
find(struct piece s, struct piece what, bool last)
{
    const char *found = NULL, *at = s.data, *end = s.data + s.n;

    while ((at = memmem(at, (size_t)(end - at), what.data, what.n))) {
        found = at++;
        if (!last)
            break;
    }
    return found;
}

static int
pipe_before(const struct pipe_step *step, struct piece s, struct str *out)
{
    const char *at = find(s, argument(step, 0), false);
    return add(out, s.data, at ? (size_t)(at - s.data) : s.n);
}

static int
pipe_before_last(const struct pipe_step *step, struct piece s, struct str *out)
{
    const char *at = find(s, argument(step, 0), true);
    return add(out, s.data, at ? (size_t)(at - s.data) : 0);
}

static int
after(struct piece s, struct piece what, bool last, struct str *out)
{
    const char *at = find(s, what, last), *begin = at ? at + what.n : s.data;
    return add(out, begin, (size_t)(s.data + s.n - begin));
}

static int
pipe_after(const struct pipe_step *step, struct piece s, struct str *out)
{
    return after(s, argument(step, 0), false, out);
}

static int
pipe_after_last(const struct pipe_step *step, struct piece s, struct str *out)
{
    return after(s, argument(step, 0), true, out);
}

/* ---- of values ---- */

static json_t *
string_of(const struct str *s)
{
    json_t *value = json_stringn(s->data ? s->data : "", s->len);

    if (!value)
        err_set(STATUS_INPUT, "not UTF-8");
    return value;
}

static json_t *
pipe_join(const struct pipe_step *step, json_t *value, const struct scope *scope)
{
    struct piece between = argument(step, 0);
    struct str out = {0};
    json_t *result = NULL;

    (void)scope;
    if (!json_is_array(value))
        return value;
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (i)
            str_add(&out, between.data, between.n);
        if (template_text_of(json_array_get(value, i), &out) < 0)
            goto out;
        if (out.len > TEXT_MAX) {
            err_set(STATUS_INPUT, "join: the text grows too long");
            goto out;
        }
    }
    result = string_of(&out);
out:
    str_release(&out);
    json_decref(value);
    return result;
}

static json_t *
pipe_not_empty(const struct pipe_step *step, json_t *value, const struct scope *scope)
{
    (void)step, (void)scope;
    if (!json_is_array(value))
        return value;
    json_t *result = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *one = json_array_get(value, i);

        if (!json_is_null(one) && !(json_is_string(one) && json_string_length(one) == 0))
            json_array_append(result, one);
    }
    json_decref(value);
    return result;
}

static json_t *
pipe_default(const struct pipe_step *step, json_t *value, const struct scope *scope)
{
    (void)scope;
    if (value && !json_is_null(value))
        return value;
    json_decref(value);
    return string_of(&step->args.data[0]);
}

/* The value's text; false: it has none (recorded). The value is let go. */
static bool
take_text(json_t *value, struct str *out)
{
    int result = template_text_of(value, out);

    json_decref(value);
    return result == 0;
}

static json_t *
pipe_index(const struct pipe_step *step, json_t *value, const struct scope *scope)
{
    struct str text = {0};
    json_t *result = NULL;

    (void)scope;
    if (take_text(value, &text)) {
        struct piece s = {text.data ? text.data : "", text.len};

        for (size_t i = 0; i < step->args.len && !result; i++)
            if (piece_equal(s, argument(step, i)))
                result = json_integer((json_int_t)i);
        if (!result)
            err_set(STATUS_INPUT, "index: '%.100s' is none of its arguments", s.data);
    }
    str_release(&text);
    return result;
}

static json_t *
pipe_index_in(const struct pipe_step *step, json_t *value, const struct scope *scope)
{
    struct str text = {0}, one = {0};
    json_t *list = template_path_find(&step->path, scope), *result = NULL;

    if (!take_text(value, &text))
        goto out;
    for (size_t i = 0; i < json_array_size(list) && !result; i++) {
        str_clear(&one);
        if (template_text_of(json_array_get(list, i), &one) < 0)
            goto out;
        if (one.len == text.len && (!one.len || memcmp(one.data, text.data, one.len) == 0))
            result = json_integer((json_int_t)i);
    }
    if (!result)
        err_set(STATUS_INPUT, "index_in: '%.100s' is not in the list", text.data ? text.data : "");
out:
    str_release(&text);
    str_release(&one);
    json_decref(list);
    return result;
}

static const struct pipe_kind kinds[] = {
    {"trim", 0, 0, pipe_trim, NULL},
    {"trim_left", 0, 0, pipe_trim_left, NULL},
    {"trim_right", 0, 0, pipe_trim_right, NULL},
    {"lower", 0, 0, pipe_lower, NULL},
    {"upper", 0, 0, pipe_upper, NULL},
    {"capitalize", 0, 0, pipe_capitalize, NULL},
    {"replace", 2, 2, pipe_replace, NULL},
    {"replace_pattern", 2, 2, pipe_replace_pattern, NULL},
    {"before", 1, 1, pipe_before, NULL},
    {"before_last", 1, 1, pipe_before_last, NULL},
    {"after", 1, 1, pipe_after, NULL},
    {"after_last", 1, 1, pipe_after_last, NULL},
    {"join", 1, 1, NULL, pipe_join},
    {"not_empty", 0, 0, NULL, pipe_not_empty},
    {"index", 1, ARGS_MAX, NULL, pipe_index},
    {"index_in", 1, 1, NULL, pipe_index_in},
    {"default", 1, 1, NULL, pipe_default},
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

static const struct pipe_kind *
find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
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

/* Checks the arguments and prepares patterns and paths. 0 or -1 (`why`). */
static int
prepare(struct pipe_step *step, const char *name, char *why, size_t why_size)
{
    char reason[200];

    if (!step->kind && !step->chain) {
        snprintf(why, why_size, "there is no pipe '%.60s'", name);
        return -1;
    }
    size_t n = step->args.len, least = step->kind ? step->kind->least : 0,
           most = step->kind ? step->kind->most : 0;
    if (n < least || n > most) {
        snprintf(why, why_size, "%.60s takes %zu argument%s, not %zu", name,
                 n < least ? least : most, (n < least ? least : most) == 1 ? "" : "s", n);
        return -1;
    }
    bool finds = step->kind &&
                 (step->kind->text == pipe_replace || step->kind->text == pipe_before ||
                  step->kind->text == pipe_before_last || step->kind->text == pipe_after ||
                  step->kind->text == pipe_after_last);
    if (finds && step->args.data[0].len == 0) {
        snprintf(why, why_size, "%.60s: the text to find is empty", name);
        return -1;
    }
    if (step->kind && step->kind->value == pipe_index_in)
        return template_path_parse(&step->path, step->args.data[0].data, step->args.data[0].len,
                                   why, why_size);
    if (!step->kind || step->kind->text != pipe_replace_pattern)
        return 0;
    step->pattern = python_pattern_new(argument(step, 0), reason, sizeof reason);
    if (!step->pattern)
        snprintf(why, why_size, "replace_pattern: %s", reason);
    return step->pattern ? 0 : -1;
}

static int
read_step(struct reader *r, struct pipes *p, const struct pipe_names *names, char *why,
          size_t why_size)
{
    struct pipe_step step = {0};
    struct str name = {0};

    read_word(r, &name);
    while (!at_end(r) && r->text[r->at] == ':' && step.args.len < ARGS_MAX) {
        struct str word = {0};

        r->at++;
        read_word(r, &word);
        vec_push(&step.args, word);
    }
    step.kind = find_kind(name.data);
    step.chain = step.kind ? NULL : find_chain(names, name.data);
    int result = prepare(&step, name.data, why, why_size);
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
        result = string_of(&out);
    *total += out.len;
    if (result && (out.len > TEXT_MAX || *total > LIST_MAX)) {
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
    if (!value && step->kind->value != pipe_default) {
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
