/*
 * Drives metrics and Python's string semantics for tests/peers/eval_metrics.py: a JSON object a
 * line on standard input, an answer a line on standard output; {"error": "…"} where it failed.
 *
 *   a case of tests/unit/score_case.h   → {"scores": […], "values": […], "samples": ["…"]}
 *   {"call": NAME, "text": "…", …}      → {"result": …}; the names are in `calls`
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "eval/normalise.h"
#include "eval/pyregex.h"
#include "eval/pystr.h"
#include "eval/statistics.h"
#include "eval/token_sort.h"
#include "json/write.h"
#include "tests/unit/score_case.h"

static struct piece
text_of(const json_t *object, const char *key)
{
    const json_t *text = json_object_get(object, key);
    return (struct piece){text ? json_string_value(text) : "", text ? json_string_length(text) : 0};
}

/* A function from text to text. */
static const struct {
    const char *name;
    void (*run)(struct piece s, struct str *out);
} calls[] = {
    {"lower", python_lower},
    {"squeeze", python_squeeze},
    {"neologdn", neologdn},
    {"no_emoji", remove_emoji},
};

static void
call_pattern(const json_t *object, struct json_writer *w)
{
    char why[200];
    struct str out = {0};
    python_matches matches = {0};
    struct python_pattern *p = python_pattern_new(text_of(object, "pattern"), why, sizeof why);
    if (!p) {
        json_put_string(w, "error", why);
        return;
    }
    if (python_delete(p, text_of(object, "text"), &out) < 0 ||
        python_findall(p, text_of(object, "text"), &matches) < 0) {
        json_put_string(w, "error", err_text());
    } else {
        json_put_bytes(w, "deleted", out.data ? out.data : "", out.len);
        json_begin_array(w, "result");
        for (size_t i = 0; i < matches.len; i++)
            json_put_bytes(w, NULL, matches.data[i].text.data, matches.data[i].text.n);
        json_end_array(w);
    }
    python_pattern_free(p);
    vec_release(&matches);
    str_release(&out);
}

static void
call_group(const json_t *object, struct json_writer *w)
{
    const json_t *lists[3] = {json_object_get(object, "values"), json_object_get(object, "stderrs"),
                              json_object_get(object, "samples")};
    size_t n = json_array_size(lists[0]), samples[64];
    double values[64], stderrs[64], value, error;
    for (size_t i = 0; i < n && i < 64; i++) {
        values[i] = json_number_value(json_array_get(lists[0], i));
        stderrs[i] = json_number_value(json_array_get(lists[1], i));
        samples[i] = (size_t)json_integer_value(json_array_get(lists[2], i));
    }
    scores_group(values, stderrs, samples, n, json_is_true(json_object_get(object, "weight")),
                 &value, &error);
    json_begin_array(w, "result");
    json_put_real(w, NULL, value);
    json_put_real(w, NULL, error);
    json_end_array(w);
}

static void
call(const char *name, const json_t *object, struct json_writer *w)
{
    struct piece text = text_of(object, "text");
    struct str out = {0};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!strcmp(name, calls[i].name)) {
            calls[i].run(text, &out);
            json_put_bytes(w, "result", out.data ? out.data : "", out.len);
            str_release(&out);
            return;
        }
    if (!strcmp(name, "strip") || !strcmp(name, "rstrip")) {
        text = *name == 's' ? python_strip(text) : python_rstrip(text);
        json_put_bytes(w, "result", text.data, text.n);
    } else if (!strcmp(name, "length")) {
        json_put_uint(w, "result", python_length(text));
    } else if (!strcmp(name, "blank_parts")) {
        json_put_uint(w, "result", python_blank_parts(text));
    } else if (!strcmp(name, "token_sort_ratio")) {
        json_put_int(w, "result", token_sort_ratio(text, text_of(object, "other")));
    } else if (!strcmp(name, "pattern")) {
        call_pattern(object, w);
    } else if (!strcmp(name, "group")) {
        call_group(object, w);
    } else {
        json_put_string(w, "error", "no such call");
    }
}

static void
score(json_t *object, struct json_writer *w)
{
    struct score_case c;
    struct str line = {0};
    if (score_case_run(&c, json_incref(object)) < 0) {
        json_put_string(w, "error", err_text());
        score_case_release(&c);
        return;
    }
    json_begin_array(w, "scores");
    for (size_t i = 0; i < c.scores.scores.len; i++) {
        const struct score *s = &c.scores.scores.data[i];
        json_begin_object(w, NULL);
        json_put_string(w, "metric", s->metric);
        json_put_string(w, "filter", s->filter);
        json_put_real(w, "value", s->value);
        json_put_real(w, "stderr", s->stderr_);
        json_end_object(w);
    }
    json_end_array(w);
    json_begin_array(w, "values");
    for (size_t i = 0; i < c.scores.samples * c.scores.metrics; i++)
        json_put_real(w, NULL, c.scores.value[i]);
    json_end_array(w);
    json_begin_array(w, "samples");
    for (size_t i = 0; i < c.run.samples.len; i++)
        if (c.run.samples.data[i].fields) {
            str_clear(&line);
            sample_write(&c.task, &c.run, i, c.results.data, &c.scores, &line);
            json_put_bytes(w, NULL, line.data, line.len);
        }
    json_end_array(w);
    str_release(&line);
    score_case_release(&c);
}

int
main(void)
{
    char *line = NULL;
    size_t cap = 0;
    die_set_tool("eval_scores");
    while (getline(&line, &cap, stdin) > 0) {
        json_error_t error;
        json_t *object = json_loads(line, JSON_ALLOW_NUL, &error);
        if (!object)
            die(STATUS_INPUT, "%s", error.text);
        struct str out = {0};
        struct json_writer w = {.out = &out};
        const char *name = json_string_value(json_object_get(object, "call"));
        json_begin_object(&w, NULL);
        if (name)
            call(name, object, &w);
        else
            score(object, &w);
        json_end_object(&w);
        puts(out.data);
        fflush(stdout); /* it is waited for */
        str_release(&out);
        json_decref(object);
    }
    free(line);
    finish(STATUS_OK);
}
