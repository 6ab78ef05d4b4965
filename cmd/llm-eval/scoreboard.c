#include "cmd/llm-eval/scoreboard.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "json/lines.h"
#include "json/write.h"

enum { FILE_LIMIT = 64 << 20, COLUMNS = 7 };

void
scoreboard_add(struct scoreboard *b, const struct board_row *row)
{
    struct board_row copy = *row;
    copy.task = mem_strdup(row->task);
    copy.harness = mem_strdup(row->harness);
    copy.metric = mem_strdup(row->metric);
    copy.filter = mem_strdup(row->filter);
    vec_push(&b->rows, copy);
}

void
scoreboard_release(struct scoreboard *b)
{
    for (size_t i = 0; i < b->rows.len; i++) {
        const struct board_row *r = &b->rows.data[i];
        const char *const own[] = {r->task, r->harness, r->metric, r->filter};
        for (size_t k = 0; k < sizeof own / sizeof *own; k++)
            free((void *)(uintptr_t)own[k]);
    }
    vec_release(&b->rows);
    free(b->model);
    *b = (struct scoreboard){0};
}

/* ---- JSON lines ---- */

static void
put_value(struct json_writer *w, const char *key, double value)
{
    if (isfinite(value))
        json_put_real(w, key, value);
    else
        json_put_null(w, key);
}

void
scoreboard_json(const struct scoreboard *b, struct str *out)
{
    for (size_t i = 0; i < b->rows.len; i++) {
        const struct board_row *r = &b->rows.data[i];
        struct json_writer w = {.out = out};
        json_begin_object(&w, NULL);
        json_put_string(&w, "model", b->model);
        json_put_string(&w, "task", r->task);
        json_put_int(&w, "version", r->version);
        json_put_string(&w, "harness", r->harness);
        json_put_int(&w, "shots", r->shots);
        json_put_int(&w, "samples", r->samples);
        json_put_string(&w, "metric", r->metric);
        json_put_string(&w, "filter", r->filter);
        put_value(&w, "value", r->value);
        put_value(&w, "stderr", r->stderr_);
        json_put_bool(&w, "higher_is_better", r->higher_is_better);
        json_end_object(&w);
        str_addc(out, '\n');
    }
}

static int
read_row(struct scoreboard *b, const struct json_doc *doc, const json_t *root)
{
    struct board_row r = {.value = NAN, .stderr_ = NAN};
    const char *model;
    if (json_only_keys(doc, root,
                       "model|task|version|harness|shots|samples|metric|filter|value|stderr|"
                       "higher_is_better") < 0 ||
        json_get_string(doc, root, "model", JSON_NEED, &model) < 0 ||
        json_get_string(doc, root, "task", JSON_NEED, &r.task) < 0 ||
        json_get_string(doc, root, "harness", JSON_NEED, &r.harness) < 0 ||
        json_get_string(doc, root, "metric", JSON_NEED, &r.metric) < 0 ||
        json_get_string(doc, root, "filter", JSON_NEED, &r.filter) < 0 ||
        json_get_int(doc, root, "version", JSON_NEED, INT32_MIN, INT32_MAX, &r.version) < 0 ||
        json_get_int(doc, root, "shots", JSON_NEED, 0, INT32_MAX, &r.shots) < 0 ||
        json_get_int(doc, root, "samples", JSON_NEED, 0, INT64_MAX, &r.samples) < 0 ||
        json_get_real(doc, root, "value", JSON_MAY, &r.value) < 0 ||
        json_get_real(doc, root, "stderr", JSON_MAY, &r.stderr_) < 0 ||
        json_get_bool(doc, root, "higher_is_better", JSON_NEED, &r.higher_is_better) < 0)
        return -1;
    if (!b->model)
        b->model = mem_strdup(model);
    scoreboard_add(b, &r);
    return 0;
}

int
scoreboard_load(struct scoreboard *b, const char *path)
{
    struct json_lines l;
    *b = (struct scoreboard){0};
    int result = json_lines_open(&l, path, FILE_LIMIT);
    for (int more = 1; result == 0 && (more = json_lines_next(&l)) != 0;)
        result = more < 0 ? -1 : read_row(b, &l.doc, l.object);
    json_lines_close(&l);
    if (result == 0 && b->rows.len == 0)
        result = err_set(STATUS_INPUT, "%s: no scores in it", path);
    if (result < 0)
        scoreboard_release(b);
    return result;
}

/* ---- tables ---- */

static bool
same_score(const struct board_row *a, const struct board_row *b)
{
    return strcmp(a->task, b->task) == 0 && strcmp(a->metric, b->metric) == 0 &&
           strcmp(a->filter, b->filter) == 0;
}

static const struct board_row *
find_row(const struct scoreboard *b, const struct board_row *like)
{
    for (size_t i = 0; i < b->rows.len; i++)
        if (same_score(&b->rows.data[i], like))
            return &b->rows.data[i];
    return NULL;
}

static char *
real_text(double value)
{
    return isnan(value) ? mem_strdup("-") : mem_printf("%.4f", value);
}

/* The cells of a table, row by row; the first is the heading. */
struct cells {
    size_t columns;
    VEC(char *) text;
};

static void
fill_cells(const struct scoreboard *b, size_t boards, struct cells *out)
{
    static const char *const heading[COLUMNS] = {"task",  "version", "shots", "filter",
                                                 "metric", "value",   "stderr"};
    *out = (struct cells){.columns = COLUMNS + boards - 1};
    for (size_t i = 0; i < COLUMNS; i++)
        vec_push(&out->text, mem_strdup(boards > 1 && i == 5 ? b[0].model : heading[i]));
    for (size_t k = 1; k < boards; k++)
        vec_push(&out->text, mem_strdup(b[k].model));
    for (size_t i = 0; i < b[0].rows.len; i++) {
        const struct board_row *r = &b[0].rows.data[i];
        vec_push(&out->text, mem_strdup(r->task));
        vec_push(&out->text, mem_printf("%lld", (long long)r->version));
        vec_push(&out->text, mem_printf("%lld", (long long)r->shots));
        vec_push(&out->text, mem_strdup(r->filter));
        vec_push(&out->text, mem_strdup(r->metric));
        vec_push(&out->text, real_text(r->value));
        vec_push(&out->text, real_text(r->stderr_));
        for (size_t k = 1; k < boards; k++) {
            const struct board_row *other = find_row(&b[k], r);
            vec_push(&out->text, real_text(other ? other->value : (double)NAN));
        }
    }
}

static void
release_cells(struct cells *c)
{
    for (size_t i = 0; i < c->text.len; i++)
        free(c->text.data[i]);
    vec_release(&c->text);
}

/* Words to the left, numbers to the right. */
static bool
is_number(size_t column)
{
    return column == 1 || column == 2 || column >= 5;
}

static size_t
column_width(const struct cells *c, size_t column)
{
    size_t most = 0;
    for (size_t i = column; i < c->text.len; i += c->columns) {
        size_t n = utf8_count(c->text.data[i], strlen(c->text.data[i]));
        most = n > most ? n : most;
    }
    return most;
}

static void
add_spaces(struct str *out, size_t n)
{
    while (n--)
        str_addc(out, ' ');
}

static void
add_cell(struct str *out, const char *text, size_t width, bool right)
{
    size_t n = utf8_count(text, strlen(text)), pad = width > n ? width - n : 0;
    if (right)
        add_spaces(out, pad);
    str_adds(out, text);
    if (!right)
        add_spaces(out, pad);
}

void
scoreboard_text(const struct scoreboard *b, size_t boards, struct str *out)
{
    struct cells c;
    fill_cells(b, boards, &c);
    for (size_t i = 0; i < c.text.len; i++) {
        size_t column = i % c.columns;
        bool last = column + 1 == c.columns;
        add_cell(out, c.text.data[i], column_width(&c, column), is_number(column));
        str_adds(out, last ? "\n" : "  ");
    }
    release_cells(&c);
}

/* A bar in a name would end its cell. */
static void
add_markdown(struct str *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            str_addc(out, '\\');
        str_addc(out, *text);
    }
}

void
scoreboard_markdown(const struct scoreboard *b, size_t boards, struct str *out)
{
    struct cells c;
    fill_cells(b, boards, &c);
    for (size_t i = 0; i < c.text.len; i++) {
        str_adds(out, i % c.columns ? " | " : "| ");
        add_markdown(out, c.text.data[i]);
        if (i % c.columns + 1 < c.columns)
            continue;
        str_adds(out, " |\n");
        for (size_t k = 0; k < c.columns && i < c.columns; k++)
            str_adds(out, is_number(k) ? "|--:" : "|:--");
        str_adds(out, i < c.columns ? "|\n" : "");
    }
    release_cells(&c);
}

/* ---- thresholds ---- */

/* Does "task", "task/metric" or "task/metric/filter" (n bytes) name the row? */
static bool
is_named(const struct board_row *r, const char *name, size_t n)
{
    const char *const parts[] = {r->task, r->metric, r->filter};
    size_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(parts[i]);
        if (n - at < length || memcmp(name + at, parts[i], length) != 0)
            return false;
        at += length;
        if (at == n)
            return true;
        if (name[at++] != '/')
            return false;
    }
    return false;
}

static int
check_minimum(const struct scoreboard *b, const char *text, struct str *found)
{
    const char *equals = strrchr(text, '=');
    double least;
    if (!equals || equals == text || parse_double(equals + 1, &least) < 0)
        return err_set(STATUS_USAGE, "--min-score %s: expected TASK=X, as in gsm8k=0.5", text);
    for (size_t i = 0; i < b->rows.len; i++) {
        const struct board_row *r = &b->rows.data[i];
        if (!is_named(r, text, (size_t)(equals - text)))
            continue;
        bool reached = r->higher_is_better ? r->value >= least : r->value <= least;
        if (!reached)
            str_addf(found, "%s%s: %s (%s) is %.6g, wanted at %s %.6g", found->len ? "; " : "",
                     r->task, r->metric, r->filter, r->value,
                     r->higher_is_better ? "least" : "most", least);
        return 0;
    }
    return err_set(STATUS_USAGE, "--min-score %s: there is no score of that name", text);
}

int
scoreboard_check(const struct scoreboard *b, const struct opt_list *minima)
{
    struct str found = {0};
    int result = 0;
    for (size_t i = 0; i < minima->len && result == 0; i++)
        result = check_minimum(b, minima->data[i], &found);
    if (result == 0 && found.len)
        result = err_set(STATUS_DIFFERS, "%s", found.data);
    str_release(&found);
    return result;
}
