#ifndef EVAL_METRICS_H
#define EVAL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "eval/pyregex.h"
#include "eval/pystr.h"
#include "eval/scores.h"
#include "eval/task.h"
#include "json/json.h"

/*
 * The "metrics" of a task file, as scores.h describes them; private to the files metrics*.c,
 * scores*.c.
 */

enum { METRIC_OUTPUTS = 8 };

enum bleu_tokenizer { BLEU_13A, BLEU_NONE, BLEU_CHAR };

/* How a sample's value stands in the harness's samples file. */
enum metric_form {
    FORM_VALUE,   /* a number */
    FORM_COUNTED, /* [log p, words or bytes] */
    FORM_CLASSES, /* [right choice, chosen one] */
    FORM_TEXTS    /* [target, answer] */
};

struct metric_kind;

struct metric {
    const struct metric_kind *kind;
    char *names[METRIC_OUTPUTS]; /* of its scores */
    double scale;
    bool ignore_case, ignore_punctuation, ignore_numbers;
    VEC(struct python_pattern *) ignored; /* regexes_to_ignore */
    piece_list ignored_words;             /* of the document */
    bool by_command, plain_mean;
    enum bleu_tokenizer tokenizer;
};
typedef VEC(struct metric) metric_list;

/* A sample's texts as a metric takes them: normalised, perhaps split by the command. */
struct metric_texts {
    struct piece answer;
    piece_list targets;
};

struct metric_input {
    const struct metric *metric;
    const struct task *task;
    const struct task_run *run;
    const struct result *results;     /* of all requests of the run */
    const struct metric_texts *texts; /* [samples]; generation */
    const struct scores_options *options;
};

struct metric_output {
    double *value; /* [samples], NaN at first */
    double score, stderr_;
};

struct metric_kind {
    const char *name;
    const char *outputs[METRIC_OUTPUTS]; /* none: one, by the metric's name */
    unsigned types;                      /* bits: 1 << enum output_type */
    const char *keys;                    /* of its object in the task file */
    bool lower_is_better;
    enum metric_form form;
    int (*compute)(const struct metric_input *in, struct metric_output *out);
};

/* Reads "metrics". The task's document must outlive the list. 0, or -1: the place is named. */
int metrics_read(const struct task *t, metric_list *out);
void metrics_release(metric_list *list);
size_t metric_outputs(const struct metric *m);

/* The result of a sample's index-th request. */
static inline const struct result *
sample_result(const struct metric_input *in, size_t sample, size_t index)
{
    return &in->results[in->run->samples.data[sample].request + index];
}

/* Mean of out->value and its standard error. */
void metric_finish_mean(const struct metric_input *in, struct metric_output *out);

/* The choice with the greatest score as numpy.argmax has it: the first, and NaN is greatest. */
size_t metric_argmax(const double *scores, size_t n);

/* Computations; 0 or -1. */
int compute_acc(const struct metric_input *in, struct metric_output *out);
int compute_acc_norm(const struct metric_input *in, struct metric_output *out);
int compute_acc_bytes(const struct metric_input *in, struct metric_output *out);
int compute_acc_mutual_info(const struct metric_input *in, struct metric_output *out);
int compute_brier_score(const struct metric_input *in, struct metric_output *out);
int compute_is_greedy(const struct metric_input *in, struct metric_output *out);
int compute_balanced_acc(const struct metric_input *in, struct metric_output *out);
int compute_mcc(const struct metric_input *in, struct metric_output *out);
int compute_macro_f1(const struct metric_input *in, struct metric_output *out);
int compute_f1(const struct metric_input *in, struct metric_output *out);
int compute_perplexity(const struct metric_input *in, struct metric_output *out);
int compute_word_perplexity(const struct metric_input *in, struct metric_output *out);
int compute_byte_perplexity(const struct metric_input *in, struct metric_output *out);
int compute_bits_per_byte(const struct metric_input *in, struct metric_output *out);
int compute_exact_match(const struct metric_input *in, struct metric_output *out);
int compute_integer_match(const struct metric_input *in, struct metric_output *out);
int compute_token_sort_ratio(const struct metric_input *in, struct metric_output *out);
int compute_set_f1(const struct metric_input *in, struct metric_output *out);
int compute_squad(const struct metric_input *in, struct metric_output *out);
int compute_squad_v2(const struct metric_input *in, struct metric_output *out);
int compute_word_f1(const struct metric_input *in, struct metric_output *out);
int compute_rouge1(const struct metric_input *in, struct metric_output *out);
int compute_rouge2(const struct metric_input *in, struct metric_output *out);
int compute_rouge_l(const struct metric_input *in, struct metric_output *out);
int compute_bleu(const struct metric_input *in, struct metric_output *out);
int compute_chrf(const struct metric_input *in, struct metric_output *out);
int compute_chrf_words(const struct metric_input *in, struct metric_output *out);
int compute_ter(const struct metric_input *in, struct metric_output *out);

#endif
