/* What each pipe does, and which arguments it takes. */
#include "eval/pipe_kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

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
        if (out->len > PIPE_TEXT_MAX)
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

json_t *
pipe_string(const struct str *s)
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
        if (out.len > PIPE_TEXT_MAX) {
            err_set(STATUS_INPUT, "join: the text grows too long");
            goto out;
        }
    }
    result = pipe_string(&out);
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
    return pipe_string(&step->args.data[0]);
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
    {"trim", 0, 0, pipe_trim, NULL, false},
    {"trim_left", 0, 0, pipe_trim_left, NULL, false},
    {"trim_right", 0, 0, pipe_trim_right, NULL, false},
    {"lower", 0, 0, pipe_lower, NULL, false},
    {"upper", 0, 0, pipe_upper, NULL, false},
    {"capitalize", 0, 0, pipe_capitalize, NULL, false},
    {"replace", 2, 2, pipe_replace, NULL, false},
    {"replace_pattern", 2, 2, pipe_replace_pattern, NULL, false},
    {"before", 1, 1, pipe_before, NULL, false},
    {"before_last", 1, 1, pipe_before_last, NULL, false},
    {"after", 1, 1, pipe_after, NULL, false},
    {"after_last", 1, 1, pipe_after_last, NULL, false},
    {"join", 1, 1, NULL, pipe_join, false},
    {"not_empty", 0, 0, NULL, pipe_not_empty, false},
    {"index", 1, PIPE_ARGS_MAX, NULL, pipe_index, false},
    {"index_in", 1, 1, NULL, pipe_index_in, false},
    {"default", 1, 1, NULL, pipe_default, true},
};

const struct pipe_kind *
pipe_kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

/* Checks the arguments and prepares patterns and paths. 0 or -1 (`why`). */
int
pipe_step_prepare(struct pipe_step *step, const char *name, char *why, size_t why_size)
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
