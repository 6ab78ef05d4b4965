/* Reads a run's log back, for pages and curves. */
#include "cmd/llm-train/run_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/lines.h"

static const int64_t STEP_LIMIT = (int64_t)1 << 50;

enum { LOG_LIMIT = 1 << 30, LABEL = 160 };

static struct series *
series_of(struct run_log *r, const char *name)
{
    struct series fresh = {0};
    size_t n = r->series.len;

    /* Events name their numbers in one order: most often it is the next one. */
    for (size_t k = 0; k < n; k++) {
        size_t i = (r->next + k) % n;
        if (strcmp(r->series.data[i].name, name) == 0) {
            r->next = i + 1;
            return &r->series.data[i];
        }
    }
    fresh.name = mem_strdup(name);
    vec_push(&r->series, fresh);
    return &r->series.data[n];
}

const struct series *
run_log_series(const struct run_log *r, const char *name)
{
    for (size_t i = 0; i < r->series.len; i++)
        if (strcmp(r->series.data[i].name, name) == 0)
            return &r->series.data[i];
    return NULL;
}

/* The run stands at `step` again: what it had done from there on is void. */
static void
go_back(struct run_log *r, int64_t step)
{
    for (size_t i = 0; i < r->series.len; i++) {
        struct points *p = &r->series.data[i].points;
        while (p->len > 0 && p->data[p->len - 1].step > step)
            p->len--;
    }
}

static void
add_point(struct run_log *r, const char *name, int64_t step, double value)
{
    struct points *p = &series_of(r, name)->points;

    while (p->len > 0 && p->data[p->len - 1].step >= step)
        p->len--;
    vec_push(p, ((struct point){step, value}));
}

static void
add_mark(struct run_log *r, int64_t step, const char *kind, const char *text)
{
    vec_push(&r->marks, ((struct mark){step, mem_strdup(kind), mem_strdup(text ? text : "")}));
}

static const char *
text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* Every number of an object, as series "prefix NAME suffix". */
static void
add_numbers(struct run_log *r, const json_t *o, int64_t step, const char *prefix, const char *suffix)
{
    char name[2 * LABEL];
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        if (!json_is_number(v) || strcmp(key, "step") == 0 || strlen(key) > LABEL / 2)
            continue;
        snprintf(name, sizeof name, "%s%s%s%s", prefix, key, *suffix ? "/" : "", suffix);
        add_point(r, name, step, json_number_value(v));
    }
}

/* Members of an array of objects that a text names. */
static void
add_named(struct run_log *r, const json_t *array, int64_t step, const char *prefix, const char *key)
{
    size_t i;
    json_t *o;

    json_array_foreach(array, i, o) {
        const char *name = text_of(o, key);
        if (name && strlen(name) < LABEL)
            add_numbers(r, o, step, prefix, name);
    }
}

/* A group of tensors: its kind, and the layer it belongs to. */
static void
add_groups(struct run_log *r, const json_t *array, int64_t step)
{
    char name[LABEL];
    size_t i;
    json_t *o;

    json_array_foreach(array, i, o) {
        const char *kind = text_of(o, "kind");
        const json_t *layer = json_object_get(o, "layer");
        if (!kind || strlen(kind) > LABEL / 2)
            continue;
        if (json_is_integer(layer))
            snprintf(name, sizeof name, "%s %lld", kind, (long long)json_integer_value(layer));
        else
            snprintf(name, sizeof name, "%s", kind);
        add_numbers(r, o, step, "health/", name);
    }
}

static void
add_step(struct run_log *r, const json_t *o, int64_t step)
{
    add_numbers(r, o, step, "", "");
    r->seconds += json_number_value(json_object_get(o, "seconds"));
    if (text_of(o, "precision"))
        add_mark(r, step, "precision", text_of(o, "precision"));
}

static int
add_event(struct run_log *r, struct json_lines *l)
{
    const json_t *o = l->object;
    const char *event;
    int64_t step = 0;

    if (json_get_string(&l->doc, o, "event", JSON_NEED, &event) < 0 ||
        json_get_int(&l->doc, o, "step", JSON_MAY, 0, STEP_LIMIT, &step) < 0)
        return -1;
    if (strcmp(event, "start") == 0) {
        go_back(r, step);
        json_doc_release(&r->start);
        r->start = l->doc;
        r->start.name = mem_strdup(l->doc.name);
        json_incref(r->start.root);
    } else if (strcmp(event, "step") == 0) {
        add_step(r, o, step);
    } else if (strcmp(event, "valid") == 0) {
        add_numbers(r, o, step, "valid/", "");
        add_named(r, json_object_get(o, "sources"), step, "valid/", "source");
    } else if (strcmp(event, "tensor_health") == 0) {
        add_numbers(r, o, step, "health/", "");
        add_groups(r, json_object_get(o, "groups"), step);
    } else if (strcmp(event, "skip") == 0 || strcmp(event, "rewind") == 0 || strcmp(event, "end") == 0) {
        add_mark(r, step, event, text_of(o, "why"));
    } else if (strcmp(event, "save") == 0) {
        add_mark(r, step, text_of(o, "error") ? "not saved" : event, text_of(o, "error"));
    }
    return 0;
}

static char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *begin = slash ? slash + 1 : path;
    char *name = mem_strdup(begin), *dot = strrchr(name, '.');

    if (dot && dot != name)
        *dot = '\0';
    return name;
}

/* A line that has no end yet is left to the run that writes it. */
static void
drop_open_line(struct str *text)
{
    while (text->len > 0 && text->data[text->len - 1] != '\n')
        text->len--;
    if (text->data)
        text->data[text->len] = '\0';
}

int
run_log_read(struct run_log *r, const char *path)
{
    struct json_lines l;
    const struct series *loss;
    int got = -1;

    *r = (struct run_log){.name = base_name(path)};
    if (json_lines_open(&l, path, LOG_LIMIT) == 0) {
        drop_open_line(&l.text);
        while ((got = json_lines_next(&l)) > 0)
            if (add_event(r, &l) < 0) {
                got = -1;
                break;
            }
    }
    json_lines_close(&l);
    if (got < 0)
        return -1;
    loss = run_log_series(r, "loss");
    if (!loss || loss->points.len == 0)
        return err_set(STATUS_INPUT, "%s: no step event: not the log of a training run", path);
    r->steps = loss->points.data[loss->points.len - 1].step;
    return 0;
}

void
run_log_release(struct run_log *r)
{
    for (size_t i = 0; i < r->series.len; i++) {
        free(r->series.data[i].name);
        vec_release(&r->series.data[i].points);
    }
    for (size_t i = 0; i < r->marks.len; i++) {
        free(r->marks.data[i].kind);
        free(r->marks.data[i].text);
    }
    vec_release(&r->series);
    vec_release(&r->marks);
    json_doc_release(&r->start);
    free(r->name);
}
