#include "eval/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "eval/filters.h"
#include "eval/metrics.h"
#include "eval/normalise.h"
#include "eval/words.h"

/* What a task file says about scoring, parsed. */
struct plan {
    filter_chains filters;
    normaliser normaliser;
    metric_list metrics;
    size_t outputs; /* scores behind each filter */
    bool by_command;
};

static void
plan_release(struct plan *p)
{
    filters_release(&p->filters);
    normaliser_release(&p->normaliser);
    metrics_release(&p->metrics);
}

/* Only answers that are text can be filtered and normalised. */
static int
refuse_text_keys(const struct task *t)
{
    static const char *const keys[] = {"filters", "normalise"};
    for (size_t i = 0; i < 2; i++)
        if (json_object_get(t->root, keys[i]))
            return json_fail(&t->doc, t->root, keys[i], "only a generate_until task has it");
    return 0;
}

static int
plan_read(const struct task *t, struct plan *p)
{
    const json_t *filters = NULL;
    *p = (struct plan){0};
    if (t->output_type != OUTPUT_GENERATE && refuse_text_keys(t) < 0)
        return -1;
    if (json_get_object(&t->doc, t->root, "filters", JSON_MAY, &filters) < 0 ||
        filters_read(&t->doc, filters, &p->filters) < 0 ||
        normaliser_read(&t->doc, t->root, &p->normaliser) < 0 || metrics_read(t, &p->metrics) < 0) {
        plan_release(p);
        return -1;
    }
    for (size_t i = 0; i < p->metrics.len; i++) {
        p->outputs += metric_outputs(&p->metrics.data[i]);
        p->by_command |= p->metrics.data[i].by_command;
    }
    return 0;
}

int
scores_check(const struct task *t)
{
    struct plan p;
    if (plan_read(t, &p) < 0)
        return -1;
    plan_release(&p);
    return 0;
}

/*
 * The texts of all samples: answers behind each filter and targets, normalised. In `all` first the
 * answers [filters][samples], then the targets of one sample behind those of the other.
 */
struct texts {
    VEC(char *) owned;
    piece_list all, words; /* words: the same by --words-command, or empty */
    word_lines lines;
    size_t samples;
};

static void
texts_release(struct texts *t)
{
    for (size_t i = 0; i < t->owned.len; i++)
        free(t->owned.data[i]);
    vec_release(&t->owned);
    vec_release(&t->all);
    vec_release(&t->words);
    word_lines_release(&t->lines);
}

static int
add_text(const struct plan *p, struct piece text, struct texts *t)
{
    struct str out = {0};
    if (normalise(&p->normaliser, text, &out) < 0) {
        str_release(&out);
        return -1;
    }
    str_reserve(&out, 1);
    struct piece done = {out.data, out.len};
    vec_push(&t->owned, str_take(&out));
    vec_push(&t->all, done);
    return 0;
}

static int
filter_answers(const struct plan *p, const struct task_run *run, const struct result *results,
               struct task_scores *out)
{
    for (size_t i = 0; i < run->samples.len; i++) {
        const struct str *answer = &results[run->samples.data[i].request].text;
        for (size_t f = 0; f < p->filters.len; f++) {
            struct str filtered = {0};
            str_reserve(&filtered, 1);
            if (filter_apply(&p->filters.data[f], piece_in(answer), &filtered) < 0) {
                str_release(&filtered);
                return err_prefix("%s: document %zu", out->task, i);
            }
            out->filtered[i * p->filters.len + f] = str_take(&filtered);
        }
    }
    return 0;
}

static int
collect_texts(const struct plan *p, const struct task_run *run, const struct task_scores *s,
              struct texts *t)
{
    t->samples = run->samples.len;
    for (size_t f = 0; f < p->filters.len; f++)
        for (size_t i = 0; i < t->samples; i++)
            if (add_text(p, piece_of(s->filtered[i * p->filters.len + f]), t) < 0)
                return err_prefix("%s: document %zu", s->task, i);
    for (size_t i = 0; i < t->samples; i++)
        for (size_t k = 0; k < run->samples.data[i].targets.len; k++)
            if (add_text(p, piece_of(run->samples.data[i].targets.data[k]), t) < 0)
                return err_prefix("%s: document %zu", s->task, i);
    return 0;
}

static int
run_command(const struct scores_options *o, struct texts *t)
{
    if (words_by_command(o->words_command, &t->all, &t->lines) < 0)
        return -1;
    for (size_t i = 0; i < t->lines.len; i++)
        vec_push(&t->words, piece_of(t->lines.data[i]));
    return 0;
}

/* The answers behind one filter, each with its targets, as a metric takes them. */
static struct metric_texts *
texts_of(const struct texts *t, const struct task_run *run, size_t filters, size_t filter,
         bool by_command)
{
    const struct piece *from = by_command ? t->words.data : t->all.data;
    struct metric_texts *texts = mem_zarray(t->samples, sizeof *texts);
    const struct piece *target = from + filters * t->samples;
    for (size_t i = 0; i < t->samples; i++) {
        texts[i].answer = from[filter * t->samples + i];
        for (size_t k = 0; k < run->samples.data[i].targets.len; k++)
            vec_push(&texts[i].targets, *target++);
    }
    return texts;
}

static void
free_texts(struct metric_texts *texts, size_t samples)
{
    for (size_t i = 0; texts && i < samples; i++)
        vec_release(&texts[i].targets);
    free(texts);
}

/* Computes a metric and files its scores from column `at` on. */
static int
compute(const struct metric_input *in, const char *filter, size_t at, struct task_scores *out)
{
    const struct metric *m = in->metric;
    size_t samples = in->run->samples.len, n = metric_outputs(m);
    struct metric_output outputs[METRIC_OUTPUTS];
    for (size_t k = 0; k < n; k++) {
        outputs[k] = (struct metric_output){.score = (double)NAN, .stderr_ = (double)NAN};
        outputs[k].value = mem_array(samples, sizeof *outputs[k].value);
        for (size_t i = 0; i < samples; i++)
            outputs[k].value[i] = (double)NAN;
    }
    int result = m->kind->compute(in, outputs);
    for (size_t k = 0; k < n; k++) {
        double error = in->options->bootstrap_iters > 0 ? outputs[k].stderr_ : (double)NAN;
        vec_push(&out->scores, ((struct score){.metric = mem_strdup(m->names[k]),
                                               .filter = mem_strdup(filter),
                                               .value = outputs[k].score * m->scale,
                                               .stderr_ = error * m->scale,
                                               .higher_is_better = !m->kind->lower_is_better,
                                               .samples = samples,
                                               .kind = m->kind->name,
                                               .form = (int)m->kind->form}));
        for (size_t i = 0; i < samples; i++)
            out->value[i * out->metrics + at + k] = outputs[k].value[i];
        free(outputs[k].value);
    }
    return result;
}

static int
compute_all(const struct plan *p, const struct texts *texts, struct metric_input in,
            struct task_scores *out)
{
    size_t at = 0;
    for (size_t f = 0; f < p->filters.len; f++)
        for (size_t m = 0; m < p->metrics.len; m++) {
            struct metric_texts *own = NULL;
            in.metric = &p->metrics.data[m];
            if (in.task->output_type == OUTPUT_GENERATE)
                own = texts_of(texts, in.run, p->filters.len, f, in.metric->by_command);
            in.texts = own;
            int result = compute(&in, p->filters.data[f].name, at, out);
            free_texts(own, in.run->samples.len);
            if (result < 0)
                return -1;
            at += metric_outputs(in.metric);
        }
    return 0;
}

static int
need_command(const struct plan *p, const struct task *t, const struct scores_options *o)
{
    if (!p->by_command || o->words_command)
        return 0;
    return err_set(STATUS_USAGE,
                   "%s: its metrics take words: give --words-command (for example "
                   "'mecab -Owakati')",
                   t->name);
}

int
scores_ready(const struct task *t, const struct scores_options *o)
{
    struct plan p;
    piece_list none = {0};
    word_lines lines = {0};
    if (plan_read(t, &p) < 0)
        return -1;
    int result = need_command(&p, t, o);
    if (result == 0 && p.by_command)
        result = words_by_command(o->words_command, &none, &lines);
    word_lines_release(&lines);
    plan_release(&p);
    return result;
}

static int
compute_plan(const struct plan *p, const struct task *t, const struct task_run *run,
             const struct result *results, const struct scores_options *o, struct task_scores *out)
{
    struct metric_input in = {.task = t, .run = run, .results = results, .options = o};
    struct texts texts = {0};
    int result = 0;
    if (need_command(p, t, o) < 0)
        return -1;
    if (t->output_type == OUTPUT_GENERATE &&
        (filter_answers(p, run, results, out) < 0 || collect_texts(p, run, out, &texts) < 0 ||
         (p->by_command && run_command(o, &texts) < 0)))
        result = -1;
    else
        result = compute_all(p, &texts, in, out);
    texts_release(&texts);
    return result;
}

int
scores_compute(const struct task *t, const struct task_run *run, const struct result *results,
               const struct scores_options *o, struct task_scores *out)
{
    struct plan p;
    *out = (struct task_scores){0};
    if (!run->samples.len)
        return err_set(STATUS_INPUT, "%s: there are no documents to score", t->name);
    if (plan_read(t, &p) < 0)
        return -1;
    out->task = mem_strdup(t->name);
    out->samples = run->samples.len;
    out->metrics = p.filters.len * p.outputs;
    out->filters = p.filters.len;
    out->value = mem_array(out->samples, out->metrics * sizeof *out->value);
    out->filtered = mem_zarray(out->samples, out->filters * sizeof *out->filtered);
    out->filter_names = mem_zarray(out->filters, sizeof *out->filter_names);
    out->filter_lists = mem_zarray(out->filters, sizeof *out->filter_lists);
    for (size_t f = 0; f < out->filters; f++) {
        out->filter_names[f] = mem_strdup(p.filters.data[f].name);
        out->filter_lists[f] = !p.filters.data[f].takes_first;
    }
    int result = compute_plan(&p, t, run, results, o, out);
    plan_release(&p);
    if (result < 0)
        task_scores_release(out);
    return result;
}

void
task_scores_release(struct task_scores *s)
{
    for (size_t i = 0; i < s->scores.len; i++) {
        free(s->scores.data[i].metric);
        free(s->scores.data[i].filter);
    }
    for (size_t i = 0; i < s->samples * s->filters; i++)
        free(s->filtered[i]);
    for (size_t i = 0; i < s->filters; i++)
        free(s->filter_names[i]);
    vec_release(&s->scores);
    free(s->filter_names);
    free(s->filter_lists);
    free(s->filtered);
    free(s->value);
    free(s->task);
    *s = (struct task_scores){0};
}
