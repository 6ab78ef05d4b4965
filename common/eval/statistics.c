#include "eval/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "eval/python_random.h"
#include "eval/scores.h"

enum { CHUNK = 1000, ROUGE_DRAWS = 1000, NUMPY_SEED = 1234 };

double
mean(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return n ? sum / (double)n : (double)NAN;
}

static double
sample_stddev(const double *values, size_t n)
{
    double mu = mean(values, n), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (values[i] - mu) * (values[i] - mu);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : (double)NAN;
}

double
mean_stderr(const double *values, size_t n)
{
    return sample_stddev(values, n) / sqrt((double)n);
}

struct bootstrap {
    bootstrap_statistic *statistic;
    const void *arg;
    size_t n, chunk;
    double *values; /* [chunks][chunk] */
};

static int
bootstrap_chunk(void *arg, size_t cell, int worker)
{
    const struct bootstrap *b = arg;
    struct python_random random;
    size_t *draw = mem_array(b->n, sizeof *draw);
    (void)worker;
    python_random_seed(&random, cell);
    for (size_t i = 0; i < b->chunk; i++) {
        python_random_choices(&random, b->n, b->n, draw);
        b->values[cell * b->chunk + i] = b->statistic(b->arg, draw, b->n);
    }
    free(draw);
    return 0;
}

double
bootstrap_stderr(bootstrap_statistic *statistic, const void *arg, size_t n, int64_t iterations,
                 struct threads *threads)
{
    if (iterations < 1 || n < 2)
        return (double)NAN;
    struct bootstrap b = {.statistic = statistic, .arg = arg, .n = n};
    b.chunk = iterations < CHUNK ? (size_t)iterations : CHUNK;
    size_t chunks = (size_t)iterations / b.chunk;
    b.values = mem_array(chunks * b.chunk, sizeof *b.values);
    threads_run(threads, chunks, bootstrap_chunk, &b);
    double stddev = sample_stddev(b.values, chunks * b.chunk);
    free(b.values);
    return stddev;
}

static int
compare_doubles(const void *a, const void *b)
{
    double x, y;
    x = *(const double *)a;
    y = *(const double *)b;
    return (x > y) - (x < y);
}

double
bootstrap_median_of_means(const double *values, size_t n)
{
    if (!n)
        return (double)NAN;
    struct python_random random;
    size_t *draw = mem_array(n, sizeof *draw);
    double means[ROUGE_DRAWS];
    numpy_random_seed(&random, NUMPY_SEED);
    for (size_t i = 0; i < ROUGE_DRAWS; i++) {
        double sum = 0;
        numpy_random_choice(&random, n, n, draw);
        for (size_t j = 0; j < n; j++)
            sum += values[draw[j]];
        means[i] = sum / (double)n;
    }
    free(draw);
    qsort(means, ROUGE_DRAWS, sizeof *means, compare_doubles);
    /* numpy.percentile(…, 50) interpolates in the middle of an even number from above */
    double low = means[ROUGE_DRAWS / 2 - 1], high = means[ROUGE_DRAWS / 2];
    return high - (high - low) * 0.5;
}

void
scores_group(const double *values, const double *stderrs, const size_t *samples, size_t n,
             bool weight_by_size, double *value, double *stderr_)
{
    double sum = 0, squares = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        double size = weight_by_size ? (double)samples[i] : 1;
        sum += values[i] * size;
        total += size;
        squares += weight_by_size ? (size - 1) * (stderrs[i] * stderrs[i]) * size
                                  : stderrs[i] * stderrs[i];
    }
    *value = n ? sum / total : (double)NAN;
    if (!n)
        *stderr_ = (double)NAN;
    else if (weight_by_size)
        *stderr_ = sqrt(squares / (total - (double)n) / total);
    else
        *stderr_ = sqrt(squares) / (double)n;
}
