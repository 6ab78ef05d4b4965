#ifndef EVAL_SCORES_H
#define EVAL_SCORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/threads.h"
#include "eval/task.h"

/*
 * Metrics: what a task file's "filters", "normalise" and "metrics" make of results, as the harness
 * computes it. The three keys, all of which may be left out but "metrics":
 *
 *   "filters": {"strict-match": [{"function": "regex", "regex_pattern": "#### (\\-?[0-9.,]+)"},
 *                                "take_first"], …}
 *
 * Generation only. Each name is a chain whose steps run in order over the answer; every metric
 * is computed behind each chain and is printed as "metric,name". Left out: "none", the answer as
 * it is.
 * A step is the name of a function, or an object with "function" and its arguments:
 *   take_first         nothing: there is one answer
 *   remove_whitespace  Python's strip()
 *   lowercase          Python's lower()
 *   regex              regex_pattern (Python's syntax), group_select (0: which match, negative from
 *                      the end), fallback ("[invalid]"): the match, its group, or its first group
 *                      that is not empty, stripped. No match of that number: the fallback
 *   map                mapping_dict (text to text), default_value (where the answer is no key)
 *
 *   "normalise": ["nfkc", …]   generation only: steps on answer and targets, before all metrics:
 *   nfkc, lower, strip, squeeze (blanks to one space each, none at the ends), ascii_punct (deletes
 *   Python's string.punctuation), no_emoji, neologdn, {"delete": "pattern"} (Python's re.sub to "")
 *
 *   "metrics": ["acc", {"metric": "exact_match", "ignore_case": true}, …]
 *
 * A name, or an object with "metric" and its arguments. Of every metric: "name" (what it is
 * printed as, where it is not the metric's own), "scale" (a factor, 100 for per cent).
 *
 * multiple_choice, multiple_input:
 *   acc, acc_norm (log p by code points of the choice), acc_bytes, acc_mutual_info (needs the
 *   unconditional requests), exact_match (the right choice is_greedy), balanced_acc, mcc, macro_f1,
 *   f1 (of class 1), brier_score
 * loglikelihood: perplexity (of the target's log p, a document each), acc (is_greedy)
 * rolling: word_perplexity, byte_perplexity, bits_per_byte
 * generate_until:
 *   exact_match       with any target; ignore_case, ignore_punctuation, ignore_numbers,
 *                     regexes_to_ignore ([patterns])
 *   integer_match     the answer's last number is an integer and the first target (mgsm's "acc")
 *   token_sort_ratio  fuzzywuzzy's, 0..1, first target (llm-jp-eval's "char_f1")
 *   set_f1            of the sets of lines, first target (llm-jp-eval)
 *   squad_v2          exact, f1, HasAns_exact, HasAns_f1, NoAns_exact, NoAns_f1, best_exact,
 *                     best_f1 of the official script, in per cent; no target: unanswerable; needs
 *                     "no_answer" in the task. Takes no "name"
 *   squad             exact, f1 of SQuAD 1.1's script, in per cent. Takes no "name"
 *   word_f1           F1 of the multisets of words, best target; "ignore_words": [words left out]
 *   rouge1, rouge2, rougeL   F-measure of rouge_score, first target; the value is the median of
 *                     1,000 bootstrap means as its aggregator gives it; "mean": true takes the mean
 *   bleu, chrf, chrf++, ter   sacrebleu's corpus scores; bleu: "tokenize": "13a" (default), "none",
 *                     "char"
 *   "words": "command" (word_f1, rouge*, bleu, chrf*, ter): answer and targets go through
 *   --words-command first, a line each (line ends become spaces); word_f1 and rouge* then split
 *   at blanks.
 *   Without it word_f1 splits at blanks and rouge* takes runs of [a-z0-9] in lower case.
 */
struct score {
    char *metric; /* "acc", "exact_match" */
    char *filter; /* "none", "strict-match" */
    double value;
    double stderr_; /* NaN: none (N/A) */
    bool higher_is_better;
    size_t samples;
    const char *kind; /* the metric's own name, where `metric` is the task's for it */
    int form;         /* how --log-samples has it; scores_samples.c's */
};

struct task_scores {
    char *task;
    VEC(struct score) scores; /* those behind the first filter, then behind the next … */
    size_t samples;
    size_t metrics;  /* values a sample */
    double *value;   /* [samples][metrics], in the order of `scores`, before "scale"; of classes the
                             chosen one, of perplexities log p; NaN where it has none */
    char **filtered; /* [samples][filters]: the answer behind each filter; NULL: not text */
    size_t filters;
    char **filter_names; /* [filters] */
    bool *filter_lists;  /* [filters]: a chain without take_first, a list of one in the samples */
};

/* Are the file's filters and metrics known and fit for its output_type? 0, or -1: the place. */
int scores_check(const struct task *t);

struct scores_options {
    const char *words_command; /* NULL: refused where a metric needs it */
    int64_t bootstrap_iters;   /* 100,000 as the harness; 0: no standard errors */
    struct threads *threads;   /* for the bootstrap; NULL: one. Changes no result */
};

/*
 * Before the model is asked: would scores_compute fail whatever it answers? Where metrics take
 * words the command must be given, and must end well on an empty input. 0, or -1: STATUS_USAGE,
 * STATUS_FAILED.
 */
int scores_ready(const struct task *t, const struct scores_options *o);

/* 0 or -1. */
int scores_compute(const struct task *t, const struct task_run *run, const struct result *results,
                   const struct scores_options *o, struct task_scores *out);
void task_scores_release(struct task_scores *s);

/*
 * The lines of --log-samples of a document, one for each filter, in the fields of the harness's own
 * samples file. squad_v2's scores are numbers there (the harness repeats the answers instead).
 */
void sample_write(const struct task *t, const struct task_run *run, size_t sample,
                  const struct result *results, const struct task_scores *s, struct str *out);

/*
 * A group's score from those of its tasks: the mean, weighted by their samples or not, and its
 * standard error (pooled, or of the plain mean; NaN where one of stderrs [n] is).
 */
void scores_group(const double *values, const double *stderrs, const size_t *samples, size_t n,
                  bool weight_by_size, double *value, double *stderr_);

#endif
