#include "json/json.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

/* ---- reading -------------------------------------------------------------------- */

/*
 * Nesting of `text`, counted before the parser recurses over it. Only brackets
 * outside strings count; what else is wrong the parser finds.
 */
static int
depth_of(const char *text, size_t n)
{
    int depth = 0, deepest = 0;
    bool string = false;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (c == '"')
            string = !string;
        else if (string)
            i += c == '\\';
        else if (c == '[' || c == '{')
            deepest = ++depth > deepest ? depth : deepest;
        else if (c == ']' || c == '}')
            depth--;
    }
    return deepest;
}

int
json_doc_parse(struct json_doc *doc, const char *name, const void *text, size_t n)
{
    /* NUL may stand in strings (vocabularies have it); the getters of C strings refuse it. */
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_error_t error;

    *doc = (struct json_doc){0};
    if (depth_of(text, n) > JSON_DOC_DEPTH)
        return err_set(STATUS_INPUT, "%s: nested more than %d deep", name, JSON_DOC_DEPTH);
    doc->root = json_loadb(text, n, flags, &error);
    if (!doc->root)
        return err_set(STATUS_INPUT, "%s: line %d: not JSON: %s", name, error.line, error.text);
    doc->name = mem_strdup(name);
    return 0;
}

int
json_doc_load(struct json_doc *doc, const char *path, size_t limit)
{
    struct str text = {0};
    int result;

    *doc = (struct json_doc){0};
    result = file_load(path, limit ? limit : JSON_DOC_LIMIT, &text);
    if (result == 0)
        result = json_doc_parse(doc, path, text.data, text.len);
    str_release(&text);
    return result;
}

void
json_doc_release(struct json_doc *doc)
{
    json_decref(doc->root);
    free(doc->name);
    *doc = (struct json_doc){0};
}

/* ---- errors ---------------------------------------------------------------------- */

static void
add_key(struct str *path, const char *key)
{
    if (path->len)
        str_addc(path, '.');
    str_adds(path, key);
}

/*
 * Appends the way from `here` to `target` to path; false (path as it was) when
 * target is not below. Searched only when an error is reported, so that reading
 * carries no path along; containers are never shared within a document.
 */
static bool
find_path(const json_t *here, const json_t *target, struct str *path)
{
    size_t length = path->len, index;
    const char *key;
    json_t *value;

    if (here == target)
        return true;
    if (json_is_object(here)) {
        void *iter = json_object_iter((json_t *)(uintptr_t)here);

        for (; iter; iter = json_object_iter_next((json_t *)(uintptr_t)here, iter)) {
            key = json_object_iter_key(iter);
            value = json_object_iter_value(iter);
            if (!json_is_object(value) && !json_is_array(value))
                continue;
            add_key(path, key);
            if (find_path(value, target, path))
                return true;
            path->len = length;
        }
    }
    json_array_foreach(here, index, value) {
        if (!json_is_object(value) && !json_is_array(value))
            continue;
        str_addf(path, "[%zu]", index);
        if (find_path(value, target, path))
            return true;
        path->len = length;
    }
    return false;
}

__attribute__((format(printf, 4, 0))) static int
fail(const struct json_doc *doc, const json_t *container, const struct str *member,
     const char *fmt, va_list ap)
{
    struct str path = {0}, text = {0};

    find_path(doc->root, container, &path);
    if (path.data)
        path.data[path.len] = '\0';
    if (member->len) {
        if (path.len && member->data[0] != '[')
            str_addc(&path, '.');
        str_add(&path, member->data, member->len);
    }
    str_vaddf(&text, fmt, ap);
    err_set(STATUS_INPUT, "%s: %s%s%s", doc->name, path.len ? path.data : "",
            path.len ? ": " : "", text.data ? text.data : "");
    str_release(&path);
    str_release(&text);
    return -1;
}

int
json_fail(const struct json_doc *doc, const json_t *container, const char *key, const char *fmt,
          ...)
{
    struct str member = {0};
    va_list ap;

    if (key)
        str_adds(&member, key);
    va_start(ap, fmt);
    fail(doc, container, &member, fmt, ap);
    va_end(ap);
    str_release(&member);
    return -1;
}

int
json_fail_at(const struct json_doc *doc, const json_t *array, size_t index, const char *fmt, ...)
{
    struct str member = {0};
    va_list ap;

    str_addf(&member, "[%zu]", index);
    va_start(ap, fmt);
    fail(doc, array, &member, fmt, ap);
    va_end(ap);
    str_release(&member);
    return -1;
}

/* ---- getters --------------------------------------------------------------------- */

/* One value and where it stands: a member (key) or an element (index) of container. */
struct place {
    const struct json_doc *doc;
    const json_t *container;
    const char *key;
    size_t index;
    const json_t *value;
};

static int
place_fail(const struct place *p, const char *expected)
{
    if (p->key)
        return json_fail(p->doc, p->container, p->key, "expected %s", expected);
    return json_fail_at(p->doc, p->container, p->index, "expected %s", expected);
}

/* 1: p holds a value; 0: absent, and may be; -1 */
static int
member(struct place *p, const struct json_doc *doc, const json_t *object, const char *key,
       enum json_need need, const char *expected)
{
    *p = (struct place){.doc = doc, .container = object, .key = key};
    p->value = json_object_get(object, key);
    if (p->value && (need == JSON_NEED || !json_is_null(p->value)))
        return 1;
    if (need == JSON_MAY)
        return 0;
    return json_fail(doc, object, key, "missing, expected %s", expected);
}

static int
element(struct place *p, const struct json_doc *doc, const json_t *array, size_t index,
        const char *expected)
{
    *p = (struct place){.doc = doc, .container = array, .index = index};
    p->value = json_array_get(array, index);
    if (p->value)
        return 1;
    return json_fail_at(doc, array, index, "missing, expected %s", expected);
}

static int
as_int(const struct place *p, int64_t min, int64_t max, int64_t *out)
{
    char expected[96];
    int64_t value = json_integer_value(p->value);

    if (json_is_integer(p->value) && value >= min && value <= max) {
        *out = value;
        return 1;
    }
    if (min == INT64_MIN && max == INT64_MAX)
        return place_fail(p, "an integer");
    if (max == INT64_MAX)
        snprintf(expected, sizeof expected, "an integer ≥ %lld", (long long)min);
    else
        snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)min,
                 (long long)max);
    return place_fail(p, expected);
}

static int
as_real(const struct place *p, double *out)
{
    if (!json_is_number(p->value))
        return place_fail(p, "a number");
    *out = json_number_value(p->value);
    return 1;
}

static int
as_bytes(const struct place *p, const char **out, size_t *n)
{
    if (!json_is_string(p->value))
        return place_fail(p, "a string");
    *out = json_string_value(p->value);
    *n = json_string_length(p->value);
    return 1;
}

static int
as_string(const struct place *p, const char **out)
{
    const char *text = "";
    size_t n = 0;

    if (as_bytes(p, &text, &n) < 0)
        return -1;
    if (strlen(text) != n)
        return place_fail(p, "a string without NUL");
    *out = text;
    return 1;
}

static int
as_container(const struct place *p, bool object, const json_t **out)
{
    if (object ? !json_is_object(p->value) : !json_is_array(p->value))
        return place_fail(p, object ? "an object" : "an array");
    *out = p->value;
    return 1;
}

int
json_get_int(const struct json_doc *doc, const json_t *object, const char *key,
             enum json_need need, int64_t min, int64_t max, int64_t *out)
{
    struct place p;
    int found = member(&p, doc, object, key, need, "an integer");

    return found > 0 ? as_int(&p, min, max, out) : found;
}

int
json_get_real(const struct json_doc *doc, const json_t *object, const char *key,
              enum json_need need, double *out)
{
    struct place p;
    int found = member(&p, doc, object, key, need, "a number");

    return found > 0 ? as_real(&p, out) : found;
}

int
json_get_bool(const struct json_doc *doc, const json_t *object, const char *key,
              enum json_need need, bool *out)
{
    struct place p;
    int found = member(&p, doc, object, key, need, "true or false");

    if (found <= 0)
        return found;
    if (!json_is_boolean(p.value))
        return place_fail(&p, "true or false");
    *out = json_is_true(p.value);
    return 1;
}

int
json_get_string(const struct json_doc *doc, const json_t *object, const char *key,
                enum json_need need, const char **out)
{
    struct place p;
    int found = member(&p, doc, object, key, need, "a string");

    return found > 0 ? as_string(&p, out) : found;
}

int
json_get_bytes(const struct json_doc *doc, const json_t *object, const char *key,
               enum json_need need, const char **out, size_t *n)
{
    struct place p;
    int found = member(&p, doc, object, key, need, "a string");

    return found > 0 ? as_bytes(&p, out, n) : found;
}

/* Which of "a|b|c" is text; -1: none. */
static int
choice_of(const char *choices, const char *text)
{
    size_t length = strlen(text);

    for (int n = 0;; n++) {
        size_t l = strcspn(choices, "|");

        if (l == length && memcmp(choices, text, l) == 0)
            return n;
        if (!choices[l])
            return -1;
        choices += l + 1;
    }
}

int
json_get_choice(const struct json_doc *doc, const json_t *object, const char *key,
                enum json_need need, const char *choices, int *out)
{
    const char *text;
    int found = json_get_string(doc, object, key, need, &text), n;

    if (found <= 0)
        return found;
    n = choice_of(choices, text);
    if (n < 0)
        return json_fail(doc, object, key, "'%s' is not supported; known: %s", text, choices);
    *out = n;
    return 1;
}

int
json_get_object(const struct json_doc *doc, const json_t *object, const char *key,
                enum json_need need, const json_t **out)
{
    struct place p;
    int found = member(&p, doc, object, key, need, "an object");

    return found > 0 ? as_container(&p, true, out) : found;
}

int
json_get_array(const struct json_doc *doc, const json_t *object, const char *key,
               enum json_need need, const json_t **out)
{
    struct place p;
    int found = member(&p, doc, object, key, need, "an array");

    return found > 0 ? as_container(&p, false, out) : found;
}

int
json_at_int(const struct json_doc *doc, const json_t *array, size_t index, int64_t min,
            int64_t max, int64_t *out)
{
    struct place p;

    return element(&p, doc, array, index, "an integer") < 0 ? -1 : as_int(&p, min, max, out);
}

int
json_at_real(const struct json_doc *doc, const json_t *array, size_t index, double *out)
{
    struct place p;

    return element(&p, doc, array, index, "a number") < 0 ? -1 : as_real(&p, out);
}

int
json_at_string(const struct json_doc *doc, const json_t *array, size_t index, const char **out)
{
    struct place p;

    return element(&p, doc, array, index, "a string") < 0 ? -1 : as_string(&p, out);
}

int
json_at_bytes(const struct json_doc *doc, const json_t *array, size_t index, const char **out,
              size_t *n)
{
    struct place p;

    return element(&p, doc, array, index, "a string") < 0 ? -1 : as_bytes(&p, out, n);
}

int
json_at_object(const struct json_doc *doc, const json_t *array, size_t index, const json_t **out)
{
    struct place p;

    return element(&p, doc, array, index, "an object") < 0 ? -1 : as_container(&p, true, out);
}

int
json_at_array(const struct json_doc *doc, const json_t *array, size_t index, const json_t **out)
{
    struct place p;

    return element(&p, doc, array, index, "an array") < 0 ? -1 : as_container(&p, false, out);
}

int
json_root_object(const struct json_doc *doc, const json_t **out)
{
    if (!json_is_object(doc->root))
        return json_fail(doc, doc->root, NULL, "expected an object");
    *out = doc->root;
    return 1;
}

int
json_root_array(const struct json_doc *doc, const json_t **out)
{
    if (!json_is_array(doc->root))
        return json_fail(doc, doc->root, NULL, "expected an array");
    *out = doc->root;
    return 1;
}

int
json_only_keys(const struct json_doc *doc, const json_t *object, const char *keys)
{
    json_t *mutable = (json_t *)(uintptr_t)object; /* jansson's iterators take no const */

    for (void *i = json_object_iter(mutable); i; i = json_object_iter_next(mutable, i)) {
        const char *key = json_object_iter_key(i);

        if (choice_of(keys, key) < 0)
            return json_fail(doc, object, key, "unknown key; known: %s", keys);
    }
    return 0;
}
