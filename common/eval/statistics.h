#ifndef EVAL_STATISTICS_H
#define EVAL_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/threads.h"

/* Means and standard errors, in the order of operations of the harnesses' Python. */

double mean(const double *values, size_t n); /* sum from left to right / n; n = 0: NaN */

/* Sample standard deviation / sqrt(n): the harness's mean_stderr. n < 2: NaN. */
double mean_stderr(const double *values, size_t n);

/*
 * The harness's bootstrap_stderr of a statistic over n samples: chunks of at most 1,000 draws,
 * chunk i from random.Random(i), each draw random.choices(samples, k=n); the sample standard
 * deviation of all values. NaN where iterations or n make no deviation. `statistic` gets the
 * indices drawn.
 */
typedef double bootstrap_statistic(const void *arg, const size_t *draw, size_t n);
double bootstrap_stderr(bootstrap_statistic *statistic, const void *arg, size_t n,
                        int64_t iterations, struct threads *threads);

/*
 * The median of 1,000 means of n values drawn by numpy.random.choice after numpy.random.seed(1234):
 * the middle of rouge_score's BootstrapAggregator in a run of the harness.
 */
double bootstrap_median_of_means(const double *values, size_t n);

#endif
