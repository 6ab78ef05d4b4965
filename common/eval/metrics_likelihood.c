/* Perplexities: of the target, of whole texts by their words or bytes. */
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "eval/metrics.h"
#include "eval/statistics.h"

static double
perplexity(const void *arg, const size_t *draw, size_t n)
{
    const double *ll = arg;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ll[draw ? draw[i] : i];
    return exp(-(sum / (double)n));
}

int
compute_perplexity(const struct metric_input *in, struct metric_output *out)
{
    size_t n = in->run->samples.len;
    for (size_t i = 0; i < n; i++)
        out->value[i] = sample_result(in, i, 0)->log_likelihood;
    out->score = perplexity(out->value, NULL, n);
    out->stderr_ = bootstrap_stderr(perplexity, out->value, n, in->options->bootstrap_iters,
                                    in->options->threads);
    return 0;
}

/* Σ log p / Σ words (bytes) of the text as the documents have it, before any normaliser. */
static double
per_unit(const struct metric_input *in, struct metric_output *out, bool words)
{
    double sum = 0, units = 0;
    for (size_t i = 0; i < in->run->samples.len; i++) {
        const struct sample *s = &in->run->samples.data[i];
        struct piece text = piece_in(&s->original);
        out->value[i] = sample_result(in, i, 0)->log_likelihood;
        sum += out->value[i];
        units += (double)(words ? python_blank_parts(text) : text.n);
    }
    return sum / units;
}

int
compute_word_perplexity(const struct metric_input *in, struct metric_output *out)
{
    out->score = exp(-per_unit(in, out, true));
    return 0;
}

int
compute_byte_perplexity(const struct metric_input *in, struct metric_output *out)
{
    out->score = exp(-per_unit(in, out, false));
    return 0;
}

int
compute_bits_per_byte(const struct metric_input *in, struct metric_output *out)
{
    out->score = -per_unit(in, out, false) / log(2);
    return 0;
}
