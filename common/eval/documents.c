/* Finding the files of a source, and reading lines, JSON and its nested rows. */
#include "eval/documents.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

enum { FILE_LIMIT = 1 << 30, ROW_MEMBERS_MAX = 1 << 26 };

void
document_source_release(struct document_source *s)
{
    for (size_t i = 0; i < s->files.len; i++) {
        for (size_t k = 0; k < s->files.data[i].names.len; k++)
            free(s->files.data[i].names.data[k]);
        vec_release(&s->files.data[i].names);
    }
    vec_release(&s->files);
    template_path_release(&s->rows);
    for (size_t i = 0; i < s->columns.len; i++)
        free(s->columns.data[i]);
    vec_release(&s->columns);
}

void
documents_release(document_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        json_decref(list->data[i]);
    vec_release(list);
}

const char *
document_name_fault(const char *name)
{
    if (!*name)
        return "an empty file name";
    if (*name == '/')
        return "a file name may not begin with /";
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t n = strcspn(part, "/");

        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
            return "a file name may not have empty parts, . or ..";
    }
    return NULL;
}

/* The path of the first name that is there, allocated; NULL (recorded) when none is. */
static char *
find_file(const struct document_file *file, const char *dir)
{
    struct str looked = {0};

    for (size_t i = 0; i < file->names.len; i++) {
        char *path = file_join(dir, file->names.data[i]);

        if (file_exists(path)) {
            str_release(&looked);
            return path;
        }
        str_addf(&looked, "%s%s", i ? ", " : "", file->names.data[i]);
        free(path);
    }
    err_set(STATUS_FAILED, "%s: no such file there: %s", dir, looked.data ? looked.data : "");
    str_release(&looked);
    return NULL;
}

static int
read_text(const struct document_source *s, const char *path, const struct str *text,
          document_list *out)
{
    const char *data = text->data ? text->data : "";
    size_t n = text->len;

    if (n >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0) { /* a byte order mark */
        data += 3;
        n -= 3;
    }
    switch (s->format) {
    case FORMAT_JSONL: return documents_read_jsonl(path, data, n, out);
    case FORMAT_JSON: return documents_read_json(path, data, n, &s->rows, out);
    case FORMAT_TSV: return documents_read_tsv(path, data, n, s, out);
    case FORMAT_XML: return documents_read_xml(path, data, n, &s->rows, out);
    case FORMAT_XWINOGRAD: return documents_read_xwinograd(path, data, n, out);
    case FORMAT_WIKITEXT: return documents_read_wikitext(path, data, n, out);
    }
    return -1;
}

int
documents_read(const struct document_source *s, const char *dir, document_list *out)
{
    for (size_t i = 0; i < s->files.len; i++) {
        struct str text = {0};
        char *path = find_file(&s->files.data[i], dir);
        int result = -1;

        if (path && file_load(path, FILE_LIMIT, &text) == 0)
            result = read_text(s, path, &text, out);
        str_release(&text);
        free(path);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* ---- lines ---- */

bool
documents_line(const char *text, size_t n, size_t *at, const char **line, size_t *line_n)
{
    if (*at >= n)
        return false;
    const char *begin = text + *at, *newline = memchr(begin, '\n', n - *at);
    *line = begin;
    *line_n = newline ? (size_t)(newline - begin) : n - *at;
    *at += *line_n + 1;
    if (*line_n && begin[*line_n - 1] == '\r')
        --*line_n;
    return true;
}

int
documents_read_jsonl(const char *path, const char *text, size_t n, document_list *out)
{
    size_t at = 0, number = 0, line_n;
    const char *line;

    while (documents_line(text, n, &at, &line, &line_n)) {
        struct json_doc doc = {0};
        const json_t *object;

        number++;
        if (line_n == 0)
            continue;
        char *name = mem_printf("%s: line %zu", path, number);
        int result = json_doc_parse(&doc, name, line, line_n);
        if (result == 0 && (result = json_root_object(&doc, &object)) == 1)
            vec_push(out, json_incref(doc.root));
        json_doc_release(&doc);
        free(name);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* ---- nested rows ---- */

struct flattening {
    const char *path;
    const struct template_path *rows;
    document_list *out;
    size_t members; /* written so far: rows that repeat large parents are refused */
};

/* Adds the members of `from` but `except` to `to`. 0 or -1. */
static int
add_members(struct flattening *f, json_t *to, json_t *from, const char *except)
{
    const char *key;
    json_t *value;

    f->members += json_object_size(from);
    if (f->members > ROW_MEMBERS_MAX)
        return err_set(STATUS_INPUT, "%s: the rows repeat too many members", f->path);
    json_object_foreach(from, key, value) if (!except || strcmp(key, except) != 0)
        json_object_set(to, key, value);
    return 0;
}

static int flatten(struct flattening *f, json_t *value, size_t level, json_t *around);

static int
flatten_object(struct flattening *f, json_t *object, size_t level, json_t *around)
{
    bool last = level == f->rows->segments.len;
    const char *key = last ? NULL : f->rows->segments.data[level];
    json_t *row = json_object();
    int result = -1;

    if (add_members(f, row, around, NULL) < 0 || add_members(f, row, object, key) < 0)
        goto out;
    if (last) {
        vec_push(f->out, json_incref(row));
        result = 0;
    } else if (json_object_get(object, key)) {
        result = flatten(f, json_object_get(object, key), level + 1, row);
    } else {
        err_set(STATUS_INPUT, "%s: an object without the '%s' of the rows", f->path, key);
    }
out:
    json_decref(row);
    return result;
}

static int
flatten(struct flattening *f, json_t *value, size_t level, json_t *around)
{
    if (json_is_object(value))
        return flatten_object(f, value, level, around);
    if (!json_is_array(value))
        return err_set(STATUS_INPUT, "%s: expected objects in the rows", f->path);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (flatten(f, json_array_get(value, i), level, around) < 0)
            return -1;
    return 0;
}

int
documents_flatten(const char *path, json_t *value, const struct template_path *rows,
                  document_list *out)
{
    struct flattening f = {path, rows, out, 0};
    json_t *around = json_object();
    int result = flatten(&f, value, 0, around);

    json_decref(around);
    return result;
}

int
documents_read_json(const char *path, const char *text, size_t n, const struct template_path *rows,
                    document_list *out)
{
    struct json_doc doc = {0};
    int result = json_doc_parse(&doc, path, text, n);

    if (result == 0)
        result = documents_flatten(path, doc.root, rows, out);
    json_doc_release(&doc);
    return result;
}
