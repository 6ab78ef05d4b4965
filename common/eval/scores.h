#ifndef EVAL_SCORES_H
#define EVAL_SCORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "eval/task.h"

/*
 * Metrics: what a task file's "filters" and "metrics" make of results, as the harness computes it.
 */
struct score {
    char *metric; /* "acc", "exact_match" */
    char *filter; /* "none", "strict-match" */
    double value;
    double stderr_; /* NaN: none (N/A) */
    bool higher_is_better;
    size_t samples;
};

/* One value of one sample, for --log-samples. */
struct sample_score {
    const char *metric, *filter;
    double value;
};

struct task_scores {
    char *task;
    VEC(struct score) scores;
    size_t metrics;       /* values a sample */
    double *value;        /* [samples][metrics], in the order of `scores`; NaN where it has none */
    char **filtered;      /* [samples][filters]: the answer behind each filter */
    size_t filters;
};

/* Are the filters and metrics of the file known and fit for its output type? 0 or -1 (names the place). */
int scores_check(const struct task *t);

struct scores_options {
    const char *words_command; /* NULL: refused where a metric needs it */
    int64_t bootstrap_iters;   /* 100,000 as the harness */
};

/* 0 or -1. */
int scores_compute(const struct task *t, const struct task_run *run, const struct result *results,
                   const struct scores_options *o, struct task_scores *out);
void task_scores_release(struct task_scores *s);

/* A line of --log-samples, in the fields of the harness's own samples file. */
void sample_write(const struct task *t, const struct task_run *run, size_t sample,
                  const struct result *results, const struct task_scores *s, struct str *out);

#endif
