/* The lines of --log-samples, in the fields of lm_eval 0.4.13's samples_*.jsonl. */
#include <math.h>
#include <string.h>

#include "eval/metrics.h"
#include "eval/scores.h"
#include "eval/sha256.h"
#include "json/write.h"

static void
put_hash(struct json_writer *w, const char *key, const char *data, size_t n)
{
    char hex[65];
    json_put_string(w, key, sha256_hex(n ? data : "", n, hex));
}

/*
 * A value of a document as Python's json.dumps writes it. Only recursion depth is bounded: by the
 * reader's.
 */
static void
put_value(struct json_writer *w, const char *key, const json_t *value)
{
    if (json_is_object(value)) {
        json_t *object = (json_t *)(uintptr_t)value; /* jansson's iterators want it so */
        json_begin_object(w, key);
        for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at))
            put_value(w, json_object_iter_key(at), json_object_iter_value(at));
        json_end_object(w);
    } else if (json_is_array(value)) {
        json_begin_array(w, key);
        for (size_t i = 0; i < json_array_size(value); i++)
            put_value(w, NULL, json_array_get(value, i));
        json_end_array(w);
    } else if (json_is_string(value)) {
        json_put_bytes(w, key, json_string_value(value), json_string_length(value));
    } else if (json_is_integer(value)) {
        json_put_int(w, key, json_integer_value(value));
    } else if (json_is_real(value)) {
        json_put_real(w, key, json_real_value(value));
    } else if (json_is_boolean(value)) {
        json_put_bool(w, key, json_is_true(value));
    } else {
        json_put_null(w, key);
    }
}

static void
put_text(struct json_writer *w, const char *key, const struct str *s)
{
    json_put_bytes(w, key, s->data ? s->data : "", s->len);
}

/* {"until": […], …}: the arguments that are not their defaults. */
static void
put_generation(struct json_writer *w, const struct request *r)
{
    json_begin_object(w, "arg_1");
    json_begin_array(w, "until");
    for (size_t i = 0; i < r->until.len; i++)
        json_put_string(w, NULL, r->until.data[i]);
    json_end_array(w);
    json_put_bool(w, "do_sample", r->temperature > 0);
    if (r->temperature > 0)
        json_put_real(w, "temperature", r->temperature);
    if (r->max_new > 0)
        json_put_int(w, "max_gen_toks", r->max_new);
    json_end_object(w);
}

static void
put_arguments(struct json_writer *w, const struct request *requests, size_t n)
{
    json_begin_object(w, "arguments");
    for (size_t i = 0; i < n; i++) {
        char key[40];
        snprintf(key, sizeof key, "gen_args_%zu", i);
        json_begin_object(w, key);
        put_text(w, "arg_0",
                 requests[i].type == REQUEST_ROLLING ? &requests[i].continuation
                                                     : &requests[i].context);
        if (requests[i].type == REQUEST_GENERATE)
            put_generation(w, &requests[i]);
        else if (requests[i].type == REQUEST_LOGLIKELIHOOD)
            put_text(w, "arg_1", &requests[i].continuation);
        json_end_object(w);
    }
    json_end_object(w);
}

/* The harness has all numbers of responses as text. */
static void
put_log_likelihood(struct json_writer *w, const struct request *r, const struct result *result)
{
    struct str number = {0};
    str_add_real(&number, result->log_likelihood);
    if (r->type == REQUEST_LOGLIKELIHOOD)
        json_begin_array(w, NULL);
    json_put_string(w, NULL, number.data);
    if (r->type == REQUEST_LOGLIKELIHOOD) {
        json_put_string(w, NULL, result->is_greedy ? "True" : "False");
        json_end_array(w);
    }
    str_release(&number);
}

static void
put_responses(struct json_writer *w, const struct request *requests, const struct result *results,
              size_t n)
{
    json_begin_array(w, "resps");
    for (size_t i = 0; i < n; i++) {
        json_begin_array(w, NULL);
        if (requests[i].type == REQUEST_GENERATE)
            put_text(w, NULL, &results[i].text);
        else
            put_log_likelihood(w, &requests[i], &results[i]);
        json_end_array(w);
    }
    json_end_array(w);
}

static void
put_filtered(struct json_writer *w, const struct request *requests, const struct result *results,
             size_t n, const char *filtered, bool list)
{
    json_begin_array(w, "filtered_resps");
    for (size_t i = 0; i < n; i++) {
        if (requests[i].type != REQUEST_GENERATE) {
            put_log_likelihood(w, &requests[i], &results[i]);
            continue;
        }
        if (list)
            json_begin_array(w, NULL);
        json_put_string(w, NULL, filtered);
        if (list)
            json_end_array(w);
    }
    json_end_array(w);
}

static double
counted_units(const struct sample *s, const char *metric)
{
    struct piece text = piece_in(&s->original);
    return strcmp(metric, "word_perplexity") == 0 ? (double)python_blank_parts(text)
                                                  : (double)text.n;
}

static void
put_score(struct json_writer *w, const struct score *score, const struct sample *s, double value,
          const char *filtered)
{
    if (score->form == FORM_VALUE) {
        json_put_real(w, score->metric, value);
        return;
    }
    json_begin_array(w, score->metric);
    if (score->form == FORM_COUNTED) {
        json_put_real(w, NULL, value);
        json_put_int(w, NULL, (int64_t)counted_units(s, score->kind));
    } else if (score->form == FORM_CLASSES) {
        json_put_int(w, NULL, s->label);
        json_put_int(w, NULL, (int64_t)value);
    } else {
        json_put_string(w, NULL, s->targets.len ? s->targets.data[0] : "");
        json_put_string(w, NULL, filtered);
    }
    json_end_array(w);
}

static void
put_hashes(struct json_writer *w, const struct sample *s, const struct request *first)
{
    struct str doc = {0};
    struct json_writer indented = {.out = &doc, .indent = 2};
    const struct str *prompt = first->type == REQUEST_ROLLING ? &first->continuation
                                                              : &first->context;
    put_value(&indented, NULL, s->fields);
    put_hash(w, "doc_hash", doc.data, doc.len);
    put_hash(w, "prompt_hash", prompt->data, prompt->len);
    put_hash(w, "target_hash", s->target.data, s->target.len);
    str_release(&doc);
}

static void
write_filter(const struct task_run *run, size_t sample, const struct result *results,
             const struct task_scores *s, size_t filter, struct str *out)
{
    const struct sample *of = &run->samples.data[sample];
    const struct request *requests = &run->requests.data[of->request];
    const char *filtered = s->filtered[sample * s->filters + filter];
    size_t metrics = s->metrics / s->filters, from = filter * metrics;
    struct json_writer w = {.out = out};
    json_begin_object(&w, NULL);
    json_put_int(&w, "doc_id", of->document);
    put_value(&w, "doc", of->fields);
    put_text(&w, "target", &of->target);
    put_arguments(&w, requests, of->requests);
    put_responses(&w, requests, results + of->request, of->requests);
    put_filtered(&w, requests, results + of->request, of->requests, filtered,
                 s->filter_lists[filter]);
    json_put_string(&w, "filter", s->filter_names[filter]);
    json_begin_array(&w, "metrics");
    for (size_t m = from; m < from + metrics; m++)
        json_put_string(&w, NULL, s->scores.data[m].metric);
    json_end_array(&w);
    put_hashes(&w, of, requests);
    for (size_t m = from; m < from + metrics; m++)
        put_score(&w, &s->scores.data[m], of, s->value[sample * s->metrics + m], filtered);
    json_end_object(&w);
    str_addc(out, '\n');
}

void
sample_write(const struct task *t, const struct task_run *run, size_t sample,
             const struct result *results, const struct task_scores *s, struct str *out)
{
    (void)t;
    for (size_t filter = 0; filter < s->filters; filter++)
        write_filter(run, sample, results, s, filter, out);
}
