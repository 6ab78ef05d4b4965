#include "eval/corpus.h"

#include <stdlib.h>

#include "base/err.h"
#include "eval/statistics.h"

enum { DRAWS = 100 };

struct corpus {
    const struct corpus_score *kind;
    double *statistics; /* [samples][kind->statistics] */
};

static double
score(const void *arg, const size_t *draw, size_t n)
{
    const struct corpus *c = arg;
    double sums[CORPUS_STATISTICS] = {0};
    size_t width = c->kind->statistics;
    for (size_t i = 0; i < n; i++) {
        const double *s = c->statistics + (draw ? draw[i] : i) * width;
        for (size_t k = 0; k < width; k++)
            sums[k] += s[k];
    }
    return c->kind->score(sums);
}

int
corpus_compute(const struct metric_input *in, const struct corpus_score *kind,
               struct metric_output *out)
{
    size_t n = in->run->samples.len;
    struct corpus c = {.kind = kind};
    for (size_t i = 0; i < n; i++)
        if (!in->texts[i].targets.len)
            return err_set(STATUS_INPUT, "%s: document %zu has no target", in->task->name, i);
    c.statistics = mem_zarray(n * kind->statistics, sizeof *c.statistics);
    for (size_t i = 0; i < n; i++)
        kind->sentence(in->metric, &in->texts[i], c.statistics + i * kind->statistics);
    int64_t draws = in->options->bootstrap_iters < DRAWS ? in->options->bootstrap_iters : DRAWS;
    out->score = score(&c, NULL, n);
    out->stderr_ = bootstrap_stderr(score, &c, n, draws, NULL);
    free(c.statistics);
    return 0;
}
