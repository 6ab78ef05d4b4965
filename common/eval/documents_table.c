/* Tables of cells between tabs, and the one that XWinograd is published in. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "eval/documents.h"

enum { CELLS_MAX = 4096 };

struct cell {
    const char *data;
    size_t n;
};
typedef VEC(struct cell) cell_list;

static int
split_cells(const char *path, size_t number, const char *line, size_t n, cell_list *out)
{
    const char *end = line + n;

    vec_clear(out);
    for (;;) {
        const char *tab = memchr(line, '\t', (size_t)(end - line));
        const char *stop = tab ? tab : end;
        struct cell cell = {line, (size_t)(stop - line)};

        if (out->len == CELLS_MAX)
            return err_set(STATUS_INPUT, "%s: line %zu: more than %d cells", path, number,
                           CELLS_MAX);
        vec_push(out, cell);
        if (!tab)
            return 0;
        line = tab + 1;
    }
}

/* Sets a member to a cell's text. 0 or -1. */
static int
set_cell(const char *path, size_t number, json_t *row, const char *key, struct cell cell)
{
    json_t *value = json_stringn(cell.data, cell.n);

    if (!value || json_object_set_new(row, key, value) < 0)
        return err_set(STATUS_INPUT, "%s: line %zu: not UTF-8", path, number);
    return 0;
}

typedef VEC(char *) name_list;

static int
add_row(const char *path, size_t number, const cell_list *cells, char *const *names, size_t count,
        document_list *out)
{
    json_t *row = json_object();
    int result = 0;

    if (cells->len != count)
        result = err_set(STATUS_INPUT, "%s: line %zu: %zu cells, expected %zu", path, number,
                         cells->len, count);
    for (size_t i = 0; result == 0 && i < count; i++)
        result = set_cell(path, number, row, names[i], cells->data[i]);
    if (result == 0)
        vec_push(out, json_incref(row));
    json_decref(row);
    return result;
}

int
documents_read_tsv(const char *path, const char *text, size_t n, const struct document_source *s,
                   document_list *out)
{
    cell_list cells = {0};
    name_list header = {0};
    size_t at = 0, number = 0, line_n;
    const char *line;
    int result = 0;

    while (result == 0 && documents_line(text, n, &at, &line, &line_n)) {
        number++;
        if (line_n == 0)
            continue;
        result = split_cells(path, number, line, line_n, &cells);
        if (result < 0)
            break;
        if (s->columns.len)
            result = add_row(path, number, &cells, s->columns.data, s->columns.len, out);
        else if (header.len)
            result = add_row(path, number, &cells, header.data, header.len, out);
        else
            for (size_t i = 0; i < cells.len; i++)
                vec_push(&header, mem_strndup(cells.data[i].data, cells.data[i].n));
    }
    for (size_t i = 0; i < header.len; i++)
        free(header.data[i]);
    vec_release(&header);
    vec_release(&cells);
    return result;
}

/* ---- XWinograd ---- */

enum { LANGUAGE, SOURCE, ORIGINAL, SENTENCE, TOKENS, PRONOUN, CANDIDATES, COLUMNS };

/* A line: its cells, and the JSON in three of them. */
struct schema {
    const char *sentence; /* NUL-terminated copies are not needed: n bytes */
    size_t n;
    struct json_doc tokens, pronoun, candidates;
};

/*
 * Where a token stands in the sentence behind `from`. The tokens `` and '' stand for quotation
 * marks (Penn Treebank), in the sentence as themselves or as ". NULL: nowhere.
 */
static const char *
find_token(const struct schema *s, size_t from, const char *token, size_t *length)
{
    size_t n = strlen(token);
    const char *found = memmem(s->sentence + from, s->n - from, token, n);

    if (!found && (strcmp(token, "``") == 0 || strcmp(token, "''") == 0)) {
        n = 1;
        found = memchr(s->sentence + from, '"', s->n - from);
    }
    *length = n;
    return found;
}

/* The bytes [*begin, *end) of the sentence that tokens [first, last) cover. 0 or -1. */
static int
find_tokens(const struct schema *s, int64_t first, int64_t last, size_t *begin, size_t *end)
{
    size_t at = 0, length;

    for (int64_t i = 0; i < last; i++) {
        const char *token;

        if (json_at_string(&s->tokens, s->tokens.root, (size_t)i, &token) < 0)
            return -1;
        const char *found = find_token(s, at, token, &length);
        if (!found)
            return json_fail_at(&s->tokens, s->tokens.root, (size_t)i,
                                "the token is not in the sentence");
        if (i == first)
            *begin = (size_t)(found - s->sentence);
        at = (size_t)(found - s->sentence) + length;
    }
    *end = at;
    return 0;
}

/* The sentence with _ in the place of the pronoun. 0 or -1. */
static int
blank_pronoun(const struct schema *s, json_t *row)
{
    const json_t *list, *span;
    int64_t first, last;
    size_t begin = 0, end = 0;
    struct str text = {0};

    if (json_root_array(&s->tokens, &list) < 0 || json_root_array(&s->pronoun, &list) < 0 ||
        json_at_array(&s->pronoun, list, 1, &span) < 0 ||
        json_at_int(&s->pronoun, span, 0, 0, INT32_MAX, &first) < 0 ||
        json_at_int(&s->pronoun, span, 1, first + 1, INT32_MAX, &last) < 0 ||
        find_tokens(s, first, last, &begin, &end) < 0)
        return -1;
    str_add(&text, s->sentence, begin);
    str_addc(&text, '_');
    str_add(&text, s->sentence + end, s->n - end);
    json_object_set_new(row, "sentence", json_stringn(text.data, text.len));
    str_release(&text);
    return 0;
}

/* Hugging Face's set names the second candidate first. 0 or -1. */
static int
add_options(const struct schema *s, json_t *row)
{
    const json_t *list, *one[2];
    const char *text[2];

    if (json_root_array(&s->candidates, &list) < 0)
        return -1;
    if (json_array_size(list) != 2)
        return json_fail(&s->candidates, list, NULL, "expected two candidates");
    for (size_t i = 0; i < 2; i++)
        if (json_at_array(&s->candidates, list, i, &one[i]) < 0 ||
            json_at_string(&s->candidates, one[i], 0, &text[i]) < 0)
            return -1;
    bool right[2] = {json_is_true(json_array_get(one[0], 3)),
                     json_is_true(json_array_get(one[1], 3))};
    if (right[0] == right[1])
        return json_fail(&s->candidates, list, NULL, "expected one right candidate");
    json_object_set_new(row, "option1", json_string(text[1]));
    json_object_set_new(row, "option2", json_string(text[0]));
    json_object_set_new(row, "answer", json_string(right[1] ? "1" : "2"));
    return 0;
}

static int
add_schema(const char *path, size_t number, const cell_list *cells, document_list *out)
{
    const struct cell *c = cells->data;
    json_t *row = json_object();
    char *name = mem_printf("%s: line %zu", path, number);
    struct schema s = {0};
    int result = -1;

    if (cells->len != COLUMNS) {
        err_set(STATUS_INPUT, "%s: %zu cells, expected %d", name, cells->len, COLUMNS);
        goto out;
    }
    s.sentence = c[SENTENCE].data;
    s.n = c[SENTENCE].n;
    if (set_cell(path, number, row, "language", c[LANGUAGE]) < 0 ||
        set_cell(path, number, row, "sentence", c[SENTENCE]) < 0 || /* is UTF-8 */
        json_doc_parse(&s.tokens, name, c[TOKENS].data, c[TOKENS].n) < 0 ||
        json_doc_parse(&s.pronoun, name, c[PRONOUN].data, c[PRONOUN].n) < 0 ||
        json_doc_parse(&s.candidates, name, c[CANDIDATES].data, c[CANDIDATES].n) < 0 ||
        blank_pronoun(&s, row) < 0 || add_options(&s, row) < 0)
        goto out;
    vec_push(out, json_incref(row));
    result = 0;
out:
    json_doc_release(&s.tokens);
    json_doc_release(&s.pronoun);
    json_doc_release(&s.candidates);
    free(name);
    json_decref(row);
    return result;
}

int
documents_read_xwinograd(const char *path, const char *text, size_t n, document_list *out)
{
    cell_list cells = {0};
    size_t at = 0, number = 0, line_n;
    const char *line;
    int result = 0;

    while (result == 0 && documents_line(text, n, &at, &line, &line_n)) {
        number++;
        if (line_n == 0)
            continue;
        result = split_cells(path, number, line, line_n, &cells);
        if (result == 0)
            result = add_schema(path, number, &cells, out);
    }
    vec_release(&cells);
    return result;
}
