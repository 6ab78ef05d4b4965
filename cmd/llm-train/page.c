/* --report: the logs of runs as one page. */
#include "cmd/llm-train/page.h"

#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd/llm-train/run_log.h"
#include "json/write.h"

enum { STRETCHES = 1500 }; /* points of a curve, at most */

/* [first step, mean] or, of several steps, [last step, mean, least, greatest]. */
static void
put_stretch(struct json_writer *w, const struct point *p, size_t n)
{
    double sum = 0, least = p->value, most = p->value;

    for (size_t i = 0; i < n; i++) {
        sum += p[i].value;
        least = p[i].value < least ? p[i].value : least;
        most = p[i].value > most ? p[i].value : most;
    }
    json_begin_array(w, NULL);
    json_put_int(w, NULL, p[n - 1].step);
    json_put_real(w, NULL, sum / (double)n);
    if (n > 1) {
        json_put_real(w, NULL, least);
        json_put_real(w, NULL, most);
    }
    json_end_array(w);
}

static void
put_series(struct json_writer *w, const struct series *s)
{
    size_t n = s->points.len, stretches = n < STRETCHES ? n : STRETCHES;

    json_begin_array(w, s->name);
    for (size_t i = 0; i < stretches; i++) {
        size_t begin = i * n / stretches, end = (i + 1) * n / stretches;
        put_stretch(w, s->points.data + begin, end - begin);
    }
    json_end_array(w);
}

static void
put_start(struct json_writer *w, const json_t *start)
{
    char *text = start ? json_dumps(start, JSON_COMPACT) : NULL;

    json_put_raw(w, "start", text ? text : "{}");
    free(text);
}

static void
put_run(struct json_writer *w, const struct run_log *r)
{
    json_begin_object(w, NULL);
    json_put_string(w, "name", r->name);
    json_put_int(w, "steps", r->steps);
    json_put_real(w, "seconds", r->seconds);
    put_start(w, r->start.root);
    json_begin_object(w, "series");
    for (size_t i = 0; i < r->series.len; i++)
        if (r->series.data[i].points.len > 0)
            put_series(w, &r->series.data[i]);
    json_end_object(w);
    json_begin_array(w, "marks");
    for (size_t i = 0; i < r->marks.len; i++) {
        json_begin_array(w, NULL);
        json_put_int(w, NULL, r->marks.data[i].step);
        json_put_string(w, NULL, r->marks.data[i].kind);
        json_put_string(w, NULL, r->marks.data[i].text);
        json_end_array(w);
    }
    json_end_array(w);
    json_end_object(w);
}

/* Within a script element '<' would let text end it. */
static void
add_escaped(struct str *out, const struct str *json)
{
    for (size_t i = 0; i < json->len; i++) {
        if (json->data[i] == '<')
            str_adds(out, "\\u003c");
        else
            str_addc(out, json->data[i]);
    }
}

/* The template's one "@RUNS@" becomes the data. */
static void
fill_template(struct str *out, const struct str *json)
{
    static const char place[] = "@RUNS@";
    const char *text = (const char *)page_files[0].text;
    size_t n = page_files[0].n;
    const char *at = memmem(text, n, place, sizeof place - 1);

    if (!at)
        die(STATUS_FAILED, "page.html: has no %s", place);
    str_add(out, text, (size_t)(at - text));
    add_escaped(out, json);
    at += sizeof place - 1;
    str_add(out, at, n - (size_t)(at - text));
}

int
page_write(const char *path, char **logs, int count)
{
    struct str json = {0}, page = {0};
    struct json_writer w = {.out = &json};

    json_begin_array(&w, NULL);
    for (int i = 0; i < count; i++) {
        struct run_log r;
        if (run_log_read(&r, logs[i]) < 0)
            die_err();
        put_run(&w, &r);
        run_log_release(&r);
    }
    json_end_array(&w);
    fill_template(&page, &json);
    if (file_store(path, page.data, page.len) < 0)
        die_err();
    str_release(&json);
    str_release(&page);
    return STATUS_OK;
}
