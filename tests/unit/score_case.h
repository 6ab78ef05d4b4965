#ifndef TESTS_SCORE_CASE_H
#define TESTS_SCORE_CASE_H

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "eval/scores.h"

/*
 * A task's scoring alone, from one JSON object, without documents or a model:
 *
 *   {"output_type": "generate_until", "task": {"metrics": […], "filters": {…}, "normalise": […]},
 *    "samples": [{"choices": […], "label": 0, "targets": […], "target": "…", "original": "…",
 *                 "doc": {…}, "requests": [{"ctx": "…", "cont": "…", "until": […]}],
 *                 "results": [{"log_likelihood": -1.5, "is_greedy": true, "text": "…"}]}],
 *    "words_command": "…", "bootstrap_iters": 1000}
 */
struct score_case {
    struct task task;
    struct task_run run;
    result_list results;
    struct scores_options options;
    struct task_scores scores;
    json_t *owner; /* texts are borrowed from it */
};

static inline void
case_texts(const json_t *list, request_texts *out)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        vec_push(out, mem_strdup(json_string_value(json_array_get(list, i))));
}

static inline void
case_text(const json_t *text, struct str *out)
{
    if (text)
        str_add(out, json_string_value(text), json_string_length(text));
}

static inline enum output_type
case_type(const char *name)
{
    static const char *const names[] = {"multiple_choice", "multiple_input", "loglikelihood",
                                        "loglikelihood_rolling", "generate_until"};
    for (int i = 0; i < 5; i++)
        if (name && !strcmp(name, names[i]))
            return (enum output_type)i;
    return OUTPUT_GENERATE;
}

static inline void
case_request(const json_t *of, const json_t *result, struct score_case *c)
{
    struct request r = {.max_new = json_integer_value(json_object_get(of, "max_new"))};
    struct result s = {
        .log_likelihood = json_number_value(json_object_get(result, "log_likelihood")),
        .is_greedy = json_is_true(json_object_get(result, "is_greedy"))};
    r.type = json_object_get(result, "text")         ? REQUEST_GENERATE
             : c->task.output_type == OUTPUT_ROLLING ? REQUEST_ROLLING
                                                     : REQUEST_LOGLIKELIHOOD;
    case_text(json_object_get(of, "ctx"), &r.context);
    case_text(json_object_get(of, "cont"), &r.continuation);
    case_texts(json_object_get(of, "until"), &r.until);
    case_text(json_object_get(result, "text"), &s.text);
    vec_push(&c->run.requests, r);
    vec_push(&c->results, s);
}

static inline void
case_sample(const json_t *from, struct score_case *c)
{
    const json_t *results = json_object_get(from, "results");
    struct sample s = {.document = (int64_t)c->run.samples.len,
                       .fields = json_object_get(from, "doc"),
                       .request = c->run.requests.len,
                       .requests = json_array_size(results),
                       .label = -1};
    if (json_object_get(from, "label"))
        s.label = json_integer_value(json_object_get(from, "label"));
    case_texts(json_object_get(from, "choices"), &s.choices);
    case_texts(json_object_get(from, "targets"), &s.targets);
    case_text(json_object_get(from, "target"), &s.target);
    case_text(json_object_get(from, "original"), &s.original);
    for (size_t i = 0; i < s.requests; i++)
        case_request(json_array_get(json_object_get(from, "requests"), i),
                     json_array_get(results, i), c);
    vec_push(&c->run.samples, s);
}

/* Makes and scores a case; it owns `object`. 0 or -1. Release in any case. */
static inline int
score_case_run(struct score_case *c, json_t *object)
{
    char *task = json_dumps(json_object_get(object, "task"), JSON_COMPACT);
    const json_t *samples = json_object_get(object, "samples");
    const json_t *iterations = json_object_get(object, "bootstrap_iters");
    static char name[] = "case";
    *c = (struct score_case){.owner = object, .task = {.name = name}};
    c->task.output_type = case_type(json_string_value(json_object_get(object, "output_type")));
    c->options.words_command = json_string_value(json_object_get(object, "words_command"));
    c->options.bootstrap_iters = iterations ? json_integer_value(iterations) : 100000;
    int result = json_doc_parse(&c->task.doc, "task", task, strlen(task));
    free(task);
    if (result < 0)
        return -1;
    c->task.root = c->task.doc.root;
    for (size_t i = 0; i < json_array_size(samples); i++)
        case_sample(json_array_get(samples, i), c);
    if (scores_check(&c->task) < 0)
        return -1;
    return scores_compute(&c->task, &c->run, c->results.data, &c->options, &c->scores);
}

static inline void
case_free_texts(request_texts *texts)
{
    for (size_t i = 0; i < texts->len; i++)
        free(texts->data[i]);
    vec_release(texts);
}

static inline void
score_case_release(struct score_case *c)
{
    task_scores_release(&c->scores);
    for (size_t i = 0; i < c->run.samples.len; i++) {
        case_free_texts(&c->run.samples.data[i].choices);
        case_free_texts(&c->run.samples.data[i].targets);
        str_release(&c->run.samples.data[i].target);
        str_release(&c->run.samples.data[i].original);
    }
    for (size_t i = 0; i < c->run.requests.len; i++) {
        case_free_texts(&c->run.requests.data[i].until);
        str_release(&c->run.requests.data[i].context);
        str_release(&c->run.requests.data[i].continuation);
        str_release(&c->results.data[i].text);
    }
    vec_release(&c->run.samples);
    vec_release(&c->run.requests);
    vec_release(&c->results);
    json_doc_release(&c->task.doc);
    json_decref(c->owner);
}

#endif
