/* The pipes and documents of a task file. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "eval/task_reading.h"

/* ---- pipes ---- */

/* Adds the pipes in a list of strings to a chain. 0 or -1. */
static int
get_chain(const struct reading *r, const json_t *list, struct pipes **out)
{
    char why[READING_WHY_SIZE];

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text;
        size_t n, used;
        int result = 0;

        if (json_at_bytes(r->doc, list, i, &text, &n) < 0)
            return -1;
        if (*out)
            result = pipes_add(*out, text, n, task_pipe_names(r), why, sizeof why);
        else if (!(*out = pipes_new(text, n, false, task_pipe_names(r), &used, why, sizeof why)))
            result = -1;
        if (result < 0)
            return json_fail_at(r->doc, list, i, "%s", why);
    }
    return 0;
}

int
task_read_pipes(const struct reading *r, const json_t *root)
{
    const json_t *object = NULL;
    const char *name;
    json_t *value;

    if (json_get_object(r->doc, root, "pipes", JSON_MAY, &object) < 0)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        const json_t *list;
        struct pipes *chain = NULL;

        if (json_get_array(r->doc, object, name, JSON_NEED, &list) < 0)
            return -1;
        if (json_array_size(list) == 0)
            return json_fail(r->doc, object, name, "expected pipes");
        int result = get_chain(r, list, &chain);
        if (result < 0) {
            pipes_free(chain);
            return -1;
        }
        vec_push(&r->d->pipes.names, mem_strdup(name));
        vec_push(&r->d->pipes.chains, chain);
    }
    return 0;
}

/* ---- documents ---- */

static int
add_file_name(const struct reading *r, const json_t *list, size_t i, struct document_file *file)
{
    const char *name;

    if (json_at_string(r->doc, list, i, &name) < 0)
        return -1;
    const char *fault = document_name_fault(name);
    if (fault)
        return json_fail_at(r->doc, list, i, "%s", fault);
    vec_push(&file->names, mem_strdup(name));
    return 0;
}

/* "files": each a name, or a list of names the first of which that is there is read. 0 or -1. */
static int
read_files(const struct reading *r, const json_t *object, struct document_source *s)
{
    const json_t *list;

    if (json_get_array(r->doc, object, "files", JSON_NEED, &list) < 0)
        return -1;
    if (json_array_size(list) == 0)
        return json_fail(r->doc, object, "files", "expected names of files");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        struct document_file file = {0};
        int result = 0;

        if (json_is_array(one) && json_array_size(one) > 0)
            for (size_t k = 0; result == 0 && k < json_array_size(one); k++)
                result = add_file_name(r, one, k, &file);
        else
            result = add_file_name(r, list, i, &file);
        vec_push(&s->files, file);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int
read_columns(const struct reading *r, const json_t *object, struct document_source *s)
{
    const json_t *list = NULL;

    if (json_get_array(r->doc, object, "columns", JSON_MAY, &list) < 0)
        return -1;
    if (list && s->format != FORMAT_TSV)
        return json_fail(r->doc, object, "columns", "only tsv has columns");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name;

        if (json_at_string(r->doc, list, i, &name) < 0)
            return -1;
        vec_push(&s->columns, mem_strdup(name));
    }
    return 0;
}

static int
read_split(const struct reading *r, const json_t *object, struct split *s)
{
    int format = 0;
    const char *rows = NULL;
    char why[READING_WHY_SIZE];

    s->shuffle_seed = -1;
    s->fraction = 1;
    if (json_only_keys(r->doc, object, "files|format|rows|columns|shuffle_seed|fraction") < 0 ||
        json_get_choice(r->doc, object, "format", JSON_NEED, DOCUMENT_FORMATS, &format) < 0 ||
        json_get_string(r->doc, object, "rows", JSON_MAY, &rows) < 0 ||
        json_get_int(r->doc, object, "shuffle_seed", JSON_MAY, 0, INT64_MAX, &s->shuffle_seed) <
            0 ||
        json_get_real(r->doc, object, "fraction", JSON_MAY, &s->fraction) < 0)
        return -1;
    s->source.format = (enum document_format)format;
    if (!(s->fraction > 0 && s->fraction <= 1))
        return json_fail(r->doc, object, "fraction", "must be above 0 and at most 1");
    if (rows && format != FORMAT_JSON && format != FORMAT_XML)
        return json_fail(r->doc, object, "rows", "only json and xml have rows");
    if (!rows && format == FORMAT_XML)
        return json_fail(r->doc, object, "rows", "missing, expected the path of an element");
    if (rows && template_path_parse(&s->source.rows, rows, strlen(rows), why, sizeof why) < 0)
        return json_fail(r->doc, object, "rows", "%s", why);
    return read_files(r, object, &s->source) < 0 || read_columns(r, object, &s->source) < 0 ? -1
                                                                                            : 0;
}

static int
read_splits(const struct reading *r, const json_t *documents)
{
    const json_t *splits, *object;
    const char *name;
    json_t *value;

    if (json_get_object(r->doc, documents, "splits", JSON_NEED, &splits) < 0)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)splits, name, value)
    {
        struct split s = {.name = mem_strdup(name)};
        int result = json_get_object(r->doc, splits, name, JSON_NEED, &object);

        if (result == 1)
            result = read_split(r, object, &s);
        vec_push(&r->d->splits, s);
        if (result < 0)
            return -1;
    }
    if (r->d->splits.len == 0)
        return json_fail(r->doc, documents, "splits", "expected splits");
    return 0;
}

/* A field: a template, a list of them, or {"text": …, "then": [pipes]}. */
static int
read_field(const struct reading *r, const json_t *fields, const char *name, struct field *f)
{
    const json_t *value = json_object_get(fields, name), *list = NULL;
    struct template *t = NULL;

    if (json_is_array(value)) {
        f->list = true;
        return task_get_templates(r, value, &f->texts.data, &f->texts.len);
    }
    if (!json_is_object(value)) {
        int found = task_get_template(r, fields, name, JSON_NEED, &t);
        if (t)
            vec_push(&f->texts, t);
        return found < 0 ? -1 : 0;
    }
    if (json_only_keys(r->doc, value, "text|then") < 0 ||
        task_get_template(r, value, "text", JSON_NEED, &t) < 0)
        return -1;
    vec_push(&f->texts, t);
    return json_get_array(r->doc, value, "then", JSON_NEED, &list) < 0
               ? -1
               : get_chain(r, list, &f->then);
}

static int
read_fields(const struct reading *r, const json_t *documents)
{
    const json_t *fields = NULL;
    const char *name;
    json_t *value;

    if (json_get_object(r->doc, documents, "fields", JSON_MAY, &fields) < 0)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)fields, name, value)
    {
        struct field f = {.name = mem_strdup(name)};
        int result = read_field(r, fields, name, &f);

        vec_push(&r->d->fields, f);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* "keep" and "drop": names of fields and the text that they are compared with. */
static int
read_conditions(const struct reading *r, const json_t *documents, const char *key, bool keep)
{
    const json_t *object = NULL;
    const char *name, *text;
    json_t *value;

    if (json_get_object(r->doc, documents, key, JSON_MAY, &object) < 0)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (json_get_string(r->doc, object, name, JSON_NEED, &text) < 0)
            return -1;
        struct condition c = {mem_strdup(name), mem_strdup(text), keep};
        vec_push(&r->d->conditions, c);
    }
    return 0;
}

int
task_read_documents(const struct reading *r, const json_t *root)
{
    const json_t *object;
    struct task_definition *d = r->d;

    if (json_get_object(r->doc, root, "documents", JSON_NEED, &object) < 0 ||
        json_only_keys(r->doc, object, "published|license|note|splits|fields|keep|drop") < 0 ||
        task_get_strings(r, object, "published", &d->published.data, &d->published.len) < 0 ||
        json_get_string(r->doc, object, "license", JSON_MAY, &d->license) < 0 ||
        json_get_string(r->doc, object, "note", JSON_MAY, &d->note) < 0)
        return -1;
    if (read_splits(r, object) < 0 || read_fields(r, object) < 0 ||
        read_conditions(r, object, "keep", true) < 0 ||
        read_conditions(r, object, "drop", false) < 0)
        return -1;
    return 0;
}
