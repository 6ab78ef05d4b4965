/* Documents of a split: read, given their fields, chosen and brought into their order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "eval/python_random.h"
#include "eval/task_definition.h"

enum { FIELDS_MAX = 64 << 20, ALL_FIELDS_MAX = 1 << 30 };

/* The bytes of a value's texts. */
static size_t
size_of(const json_t *value)
{
    size_t size = 16 + json_string_length(value);

    for (size_t i = 0; i < json_array_size(value); i++)
        size += size_of(json_array_get(value, i));
    return size;
}

/* A new reference to the field's value, or NULL (recorded). */
static json_t *
field_value(const struct field *f, const json_t *document)
{
    size_t size = 0;

    if (!f->list) {
        json_t *value = template_value(f->texts.data[0], document);

        if (value && f->then)
            value = pipes_apply(f->then, value, &(struct scope){document, NULL});
        return value;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < f->texts.len; i++) {
        json_t *value = template_value(f->texts.data[i], document);

        size += value ? size_of(value) : 0;
        if (value && size > FIELDS_MAX)
            err_set(STATUS_INPUT, "the texts grow too long");
        if (json_array_append_new(list, value) < 0 || size > FIELDS_MAX) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* A document's fields with those that the task adds: a new object, or NULL. Adds up their size. */
static json_t *
add_fields(const struct task_definition *d, json_t *row, size_t *total)
{
    json_t *document = json_copy(row);

    for (size_t i = 0; i < d->fields.len; i++) {
        json_t *value = field_value(&d->fields.data[i], document);

        if (value && (*total += size_of(value)) > ALL_FIELDS_MAX) {
            err_set(STATUS_INPUT, "the texts of all documents grow too long");
            json_decref(value);
            value = NULL;
        }
        if (json_object_set_new(document, d->fields.data[i].name, value) < 0) {
            err_prefix("field %s", d->fields.data[i].name);
            json_decref(document);
            return NULL;
        }
    }
    return document;
}

/* 1, 0, or -1: a field that a condition names is not there. */
static int
chosen(const struct task_definition *d, const json_t *document)
{
    for (size_t i = 0; i < d->conditions.len; i++) {
        const struct condition *c = &d->conditions.data[i];
        const json_t *value = json_object_get(document, c->name);
        struct str text = {0};

        if (!value)
            return err_set(STATUS_INPUT, "no field %s, which documents are chosen by", c->name);
        if (!json_is_null(value) && template_text_of(value, &text) < 0)
            return err_prefix("field %s", c->name);
        bool same = strcmp(text.data ? text.data : "", c->text) == 0;
        str_release(&text);
        if (same != c->keep)
            return 0;
    }
    return 1;
}

/* Python's random.Random(seed).shuffle of the list, and its first part. */
static void
reorder(const struct split *s, document_list *list)
{
    size_t n = list->len, *order = mem_array(n + 1, sizeof *order);
    json_t **documents = list->data;
    struct python_random r;

    for (size_t i = 0; i < n; i++)
        order[i] = i;
    if (s->shuffle_seed >= 0) {
        python_random_seed(&r, (uint64_t)s->shuffle_seed);
        python_random_shuffle(&r, order, n);
    }
    size_t kept = s->fraction < 1 ? (size_t)((double)n * s->fraction) : n;
    *list = (document_list){0};
    for (size_t i = 0; i < n; i++)
        if (i < kept)
            vec_push(list, documents[order[i]]);
        else
            json_decref(documents[order[i]]);
    free(documents);
    free(order);
}

int
task_documents(const struct task_definition *d, const struct split *s, const char *dir,
               document_list *out)
{
    document_list rows = {0};
    size_t total = 0;
    int result = documents_read(&s->source, dir, &rows);

    *out = (document_list){0};
    for (size_t i = 0; result == 0 && i < rows.len; i++) {
        json_t *document = add_fields(d, rows.data[i], &total);
        int keep = document ? chosen(d, document) : -1;

        if (keep == 1)
            vec_push(out, document);
        else
            json_decref(document);
        if (keep < 0)
            result = err_prefix("%s document %zu", s->name, i);
    }
    documents_release(&rows);
    if (result < 0)
        documents_release(out);
    else
        reorder(s, out);
    return result;
}
