#include "eval/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "eval/statistics.h"

#define CHOICE (1u << OUTPUT_MULTIPLE_CHOICE | 1u << OUTPUT_MULTIPLE_INPUT)
#define LIKELIHOOD (1u << OUTPUT_LOGLIKELIHOOD)
#define ROLLING (1u << OUTPUT_ROLLING)
#define TEXT (1u << OUTPUT_GENERATE)
#define COMMON "metric|name|scale"

static const struct metric_kind kinds[] = {
    {.name = "acc", .types = CHOICE, .compute = compute_acc},
    {.name = "acc", .types = LIKELIHOOD, .compute = compute_is_greedy},
    {.name = "acc_norm", .types = CHOICE, .compute = compute_acc_norm},
    {.name = "acc_bytes", .types = CHOICE, .compute = compute_acc_bytes},
    {.name = "acc_mutual_info", .types = CHOICE, .compute = compute_acc_mutual_info},
    {.name = "exact_match", .types = CHOICE, .compute = compute_is_greedy},
    {.name = "balanced_acc",
     .types = CHOICE,
     .form = FORM_CLASSES,
     .compute = compute_balanced_acc},
    {.name = "mcc", .types = CHOICE, .form = FORM_CLASSES, .compute = compute_mcc},
    {.name = "macro_f1", .types = CHOICE, .form = FORM_CLASSES, .compute = compute_macro_f1},
    {.name = "f1", .types = CHOICE, .form = FORM_CLASSES, .compute = compute_f1},
    {.name = "brier_score",
     .types = CHOICE,
     .lower_is_better = true,
     .compute = compute_brier_score},
    {.name = "perplexity",
     .types = LIKELIHOOD,
     .lower_is_better = true,
     .compute = compute_perplexity},
    {.name = "word_perplexity",
     .types = ROLLING,
     .lower_is_better = true,
     .form = FORM_COUNTED,
     .compute = compute_word_perplexity},
    {.name = "byte_perplexity",
     .types = ROLLING,
     .lower_is_better = true,
     .form = FORM_COUNTED,
     .compute = compute_byte_perplexity},
    {.name = "bits_per_byte",
     .types = ROLLING,
     .lower_is_better = true,
     .form = FORM_COUNTED,
     .compute = compute_bits_per_byte},
    {.name = "exact_match",
     .types = TEXT,
     .keys = COMMON "|ignore_case|ignore_punctuation|ignore_numbers|regexes_to_ignore",
     .compute = compute_exact_match},
    {.name = "integer_match", .types = TEXT, .compute = compute_integer_match},
    {.name = "token_sort_ratio", .types = TEXT, .compute = compute_token_sort_ratio},
    {.name = "set_f1", .types = TEXT, .compute = compute_set_f1},
    {.name = "squad_v2",
     .types = TEXT,
     .keys = "metric|scale",
     .outputs = {"exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact", "NoAns_f1",
                 "best_exact", "best_f1"},
     .compute = compute_squad_v2},
    {.name = "squad",
     .types = TEXT,
     .keys = "metric|scale",
     .outputs = {"exact", "f1"},
     .compute = compute_squad},
    {.name = "word_f1",
     .types = TEXT,
     .keys = COMMON "|words|ignore_words",
     .compute = compute_word_f1},
    {.name = "rouge1",
     .types = TEXT,
     .keys = COMMON "|words|mean",
     .form = FORM_TEXTS,
     .compute = compute_rouge1},
    {.name = "rouge2",
     .types = TEXT,
     .keys = COMMON "|words|mean",
     .form = FORM_TEXTS,
     .compute = compute_rouge2},
    {.name = "rougeL",
     .types = TEXT,
     .keys = COMMON "|words|mean",
     .form = FORM_TEXTS,
     .compute = compute_rouge_l},
    {.name = "bleu",
     .types = TEXT,
     .keys = COMMON "|words|tokenize",
     .form = FORM_TEXTS,
     .compute = compute_bleu},
    {.name = "chrf",
     .types = TEXT,
     .keys = COMMON "|words",
     .form = FORM_TEXTS,
     .compute = compute_chrf},
    {.name = "chrf++",
     .types = TEXT,
     .keys = COMMON "|words",
     .form = FORM_TEXTS,
     .compute = compute_chrf_words},
    {.name = "ter",
     .types = TEXT,
     .keys = COMMON "|words",
     .lower_is_better = true,
     .form = FORM_TEXTS,
     .compute = compute_ter},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct metric_kind *
find_kind(const char *name, enum output_type type, bool *known)
{
    *known = false;
    for (size_t i = 0; i < KINDS; i++) {
        bool same = strcmp(kinds[i].name, name) == 0;
        if (same && kinds[i].types >> type & 1)
            return &kinds[i];
        *known |= same;
    }
    return NULL;
}

static int
read_patterns(const struct json_doc *doc, const json_t *object, struct metric *m)
{
    const json_t *list = NULL;
    if (json_get_array(doc, object, "regexes_to_ignore", JSON_MAY, &list) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct piece pattern;
        char why[200];
        if (json_at_bytes(doc, list, i, &pattern.data, &pattern.n) < 0)
            return -1;
        struct python_pattern *p = python_pattern_new(pattern, why, sizeof why);
        if (!p)
            return json_fail_at(doc, list, i, "%s", why);
        vec_push(&m->ignored, p);
    }
    return 0;
}

static int
read_words(const struct json_doc *doc, const json_t *object, struct metric *m)
{
    const json_t *list = NULL;
    int unused;
    int by_command = json_get_choice(doc, object, "words", JSON_MAY, "command", &unused);
    if (by_command < 0 || json_get_array(doc, object, "ignore_words", JSON_MAY, &list) < 0)
        return -1;
    m->by_command = by_command > 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct piece word;
        if (json_at_bytes(doc, list, i, &word.data, &word.n) < 0)
            return -1;
        vec_push(&m->ignored_words, word);
    }
    return 0;
}

/* The arguments; those that are not this metric's are not in its keys. */
static int
read_arguments(const struct json_doc *doc, const json_t *object, struct metric *m)
{
    const char *name = NULL;
    int tokenizer = BLEU_13A;
    if (json_only_keys(doc, object, m->kind->keys ? m->kind->keys : COMMON) < 0 ||
        json_get_string(doc, object, "name", JSON_MAY, &name) < 0 ||
        json_get_real(doc, object, "scale", JSON_MAY, &m->scale) < 0 ||
        json_get_bool(doc, object, "ignore_case", JSON_MAY, &m->ignore_case) < 0 ||
        json_get_bool(doc, object, "ignore_punctuation", JSON_MAY, &m->ignore_punctuation) < 0 ||
        json_get_bool(doc, object, "ignore_numbers", JSON_MAY, &m->ignore_numbers) < 0 ||
        json_get_bool(doc, object, "mean", JSON_MAY, &m->plain_mean) < 0 ||
        json_get_choice(doc, object, "tokenize", JSON_MAY, "13a|none|char", &tokenizer) < 0 ||
        read_patterns(doc, object, m) < 0 || read_words(doc, object, m) < 0)
        return -1;
    m->tokenizer = (enum bleu_tokenizer)tokenizer;
    if (name) {
        free(m->names[0]);
        m->names[0] = mem_strdup(name);
    }
    return 0;
}

static int
read_metric(const struct task *t, const json_t *list, size_t index, metric_list *out)
{
    const json_t *item = json_array_get(list, index);
    const char *name = json_string_value(item);
    bool known;
    if (!name && (json_at_object(&t->doc, list, index, &item) < 0 ||
                  json_get_string(&t->doc, item, "metric", JSON_NEED, &name) < 0))
        return -1;
    const struct metric_kind *kind = find_kind(name, t->output_type, &known);
    if (!kind)
        return json_fail_at(&t->doc, list, index,
                            known ? "'%s' is no metric of this output_type"
                                  : "the metric '%s' is not supported",
                            name);
    vec_push(out, ((struct metric){.kind = kind, .scale = 1}));
    struct metric *m = &out->data[out->len - 1];
    for (size_t i = 0; i < metric_outputs(m); i++)
        m->names[i] = mem_strdup(kind->outputs[0] ? kind->outputs[i] : kind->name);
    return json_is_object(item) ? read_arguments(&t->doc, item, m) : 0;
}

/* Two scores of one name could not be told apart. */
static int
check_names(const struct task *t, const json_t *list, const metric_list *metrics)
{
    for (size_t i = 0; i < metrics->len; i++)
        for (size_t j = 0; j < i; j++)
            for (size_t a = 0; a < metric_outputs(&metrics->data[i]); a++)
                for (size_t b = 0; b < metric_outputs(&metrics->data[j]); b++)
                    if (!strcmp(metrics->data[i].names[a], metrics->data[j].names[b]))
                        return json_fail_at(&t->doc, list, i, "a second score called '%s'",
                                            metrics->data[i].names[a]);
    return 0;
}

int
metrics_read(const struct task *t, metric_list *out)
{
    const json_t *list;
    if (json_get_array(&t->doc, t->root, "metrics", JSON_NEED, &list) < 0)
        return -1;
    if (!json_array_size(list))
        return json_fail(&t->doc, t->root, "metrics", "expected at least one metric");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (read_metric(t, list, i, out) < 0)
            return -1;
    return check_names(t, list, out);
}

void
metrics_release(metric_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        struct metric *m = &list->data[i];
        for (size_t j = 0; j < METRIC_OUTPUTS; j++)
            free(m->names[j]);
        for (size_t j = 0; j < m->ignored.len; j++)
            python_pattern_free(m->ignored.data[j]);
        vec_release(&m->ignored);
        vec_release(&m->ignored_words);
    }
    vec_release(list);
}

size_t
metric_outputs(const struct metric *m)
{
    size_t n = 1;
    while (n < METRIC_OUTPUTS && m->kind->outputs[n])
        n++;
    return n;
}

void
metric_finish_mean(const struct metric_input *in, struct metric_output *out)
{
    out->score = mean(out->value, in->run->samples.len);
    out->stderr_ = mean_stderr(out->value, in->run->samples.len);
}

size_t
metric_argmax(const double *scores, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n && !isnan(scores[best]); i++)
        if (isnan(scores[i]) || scores[i] > scores[best])
            best = i;
    return best;
}
