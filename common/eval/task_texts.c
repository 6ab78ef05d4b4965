/* A document's choices and targets as texts and numbers. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "eval/pystr.h"
#include "eval/task_making.h"
#include "text/classes.h"

void
task_texts_release(request_texts *list)
{
    for (size_t i = 0; i < list->len; i++)
        free(list->data[i]);
    vec_release(list);
}

/* Appends a value's text, which may not hold NUL. 0 or -1. */
static int
push_text(request_texts *list, const json_t *value)
{
    struct str text = {0};

    str_reserve(&text, 0);
    if (template_text_of(value, &text) < 0 || (text.len && memchr(text.data, '\0', text.len))) {
        if (text.len && memchr(text.data, '\0', text.len))
            err_set(STATUS_INPUT, "a NUL byte in the text");
        str_release(&text);
        return -1;
    }
    str_addc(&text, '\0');
    vec_push(list, str_take(&text));
    return 0;
}

/* Appends a list's texts, or the one text. 0 or -1. */
int
task_push_texts(request_texts *list, const json_t *value)
{
    if (!json_is_array(value))
        return push_text(list, value);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (push_text(list, json_array_get(value, i)) < 0)
            return -1;
    return 0;
}

int
task_push_template(request_texts *list, const struct template *t, const json_t *document)
{
    json_t *value = template_value(t, document);
    int result = value ? task_push_texts(list, value) : -1;

    json_decref(value);
    return result;
}

int
task_choices(const struct task_definition *d, const json_t *document, request_texts *out)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < d->doc_to_choice.len; i++)
        result = task_push_template(out, d->doc_to_choice.data[i], document);
    if (result == 0 && d->choices && out->len == 0)
        result = err_set(STATUS_INPUT, "no choices");
    return result < 0 ? err_prefix("doc_to_choice") : 0;
}

/* The number that a text of digits alone is; false: it is no such text. */
static bool
digits(const json_t *value, int64_t *out)
{
    const char *s = json_string_value(value);
    size_t n = json_string_length(value);

    if (!s || n == 0 || n > 18 || strspn(s, "0123456789") != n)
        return false;
    *out = strtoll(s, NULL, 10);
    return true;
}

/* A number of a choice: an integer, or (as the harness reads it) a text of digits. */
bool
task_choice_number(const json_t *value, int64_t *out)
{
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    return digits(value, out);
}

/* The right choice's number, or -1. */
int64_t
task_label(const json_t *value, const request_texts *choices)
{
    int64_t number;

    if (task_choice_number(value, &number))
        return number >= 0 && (size_t)number < choices->len ? number : -1;
    for (size_t i = 0; json_is_string(value) && i < choices->len; i++)
        if (strcmp(choices->data[i], json_string_value(value)) == 0)
            return (int64_t)i;
    return -1;
}

/* repr() of a str in Python. */
static void
add_repr(struct str *out, const char *s, size_t n)
{
    char quote = memchr(s, '\'', n) && !memchr(s, '"', n) ? '"' : '\'';

    str_addc(out, quote);
    for (size_t at = 0, used; at < n; at += used) {
        uint32_t c = python_peek((struct piece){s + at, n - at}, &used);
        uint16_t class = text_classes()[c];

        if (c == (uint32_t)quote || c == '\\')
            str_addf(out, "\\%c", (int)c);
        else if (c == '\n' || c == '\r' || c == '\t')
            str_addf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (!(class & CLASS_OTHER) && (c == ' ' || !(class & CLASS_SPACE)))
            str_add(out, s + at, used);
        else
            str_addf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    }
    str_addc(out, quote);
}

/* str() of a value in Python. 0 or -1. */
int
task_add_python_text(struct str *out, const json_t *value)
{
    if (json_is_null(value)) {
        str_adds(out, "None");
        return 0;
    }
    if (!json_is_array(value))
        return template_text_of(value, out);
    str_addc(out, '[');
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);

        if (i)
            str_adds(out, ", ");
        if (json_is_string(one))
            add_repr(out, json_string_value(one), json_string_length(one));
        else if (task_add_python_text(out, one) < 0)
            return -1;
    }
    str_addc(out, ']');
    return 0;
}
