/* Metrics of the choice with the greatest log-likelihood, a value of each document. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "eval/metrics.h"

/* By what a choice's log-likelihood is divided, or what is subtracted. */
enum norm { NORM_NONE, NORM_CODE_POINTS, NORM_BYTES, NORM_UNCONDITIONAL };

static double
choice_score(const struct metric_input *in, size_t sample, size_t choice, enum norm norm)
{
    const struct sample *s = &in->run->samples.data[sample];
    double ll = sample_result(in, sample, choice)->log_likelihood;
    switch (norm) {
    case NORM_CODE_POINTS: return ll / (double)python_length(piece_of(s->choices.data[choice]));
    case NORM_BYTES: return ll / (double)strlen(s->choices.data[choice]);
    case NORM_UNCONDITIONAL:
        return ll - sample_result(in, sample, s->choices.len + choice)->log_likelihood;
    case NORM_NONE: break;
    }
    return ll;
}

static int
check_requests(const struct metric_input *in, size_t sample, enum norm norm)
{
    const struct sample *s = &in->run->samples.data[sample];
    if (norm == NORM_UNCONDITIONAL && s->requests != 2 * s->choices.len)
        return err_set(STATUS_INPUT,
                       "%s: acc_mutual_info needs the requests of the choices without context",
                       in->task->name);
    if (!s->choices.len || s->requests < s->choices.len)
        return err_set(STATUS_INPUT, "%s: document %zu has not a request for each choice",
                       in->task->name, sample);
    return 0;
}

static int
accuracy(const struct metric_input *in, struct metric_output *out, enum norm norm)
{
    for (size_t i = 0; i < in->run->samples.len; i++) {
        const struct sample *s = &in->run->samples.data[i];
        if (check_requests(in, i, norm) < 0)
            return -1;
        double *scores = mem_array(s->choices.len, sizeof *scores);
        for (size_t c = 0; c < s->choices.len; c++)
            scores[c] = choice_score(in, i, c, norm);
        out->value[i] = (int64_t)metric_argmax(scores, s->choices.len) == s->label;
        free(scores);
    }
    metric_finish_mean(in, out);
    return 0;
}

int
compute_acc(const struct metric_input *in, struct metric_output *out)
{
    return accuracy(in, out, NORM_NONE);
}

int
compute_acc_norm(const struct metric_input *in, struct metric_output *out)
{
    return accuracy(in, out, NORM_CODE_POINTS);
}

int
compute_acc_bytes(const struct metric_input *in, struct metric_output *out)
{
    return accuracy(in, out, NORM_BYTES);
}

int
compute_acc_mutual_info(const struct metric_input *in, struct metric_output *out)
{
    return accuracy(in, out, NORM_UNCONDITIONAL);
}

/* Is the right continuation what the model would write? Of a task without choices: its only one. */
int
compute_is_greedy(const struct metric_input *in, struct metric_output *out)
{
    for (size_t i = 0; i < in->run->samples.len; i++) {
        const struct sample *s = &in->run->samples.data[i];
        if (in->task->output_type == OUTPUT_LOGLIKELIHOOD)
            out->value[i] = sample_result(in, i, 0)->is_greedy;
        else if (check_requests(in, i, NORM_NONE) < 0)
            return -1;
        else
            out->value[i] = s->label >= 0 && (size_t)s->label < s->choices.len &&
                            sample_result(in, i, (size_t)s->label)->is_greedy;
    }
    metric_finish_mean(in, out);
    return 0;
}

/* Squared distance of the choices' probabilities (a softmax over them) from the right one's. */
static double
brier(const struct metric_input *in, size_t sample)
{
    const struct sample *s = &in->run->samples.data[sample];
    double greatest = -(double)INFINITY, sum = 0, distance = 0;
    for (size_t c = 0; c < s->choices.len; c++)
        greatest = fmax(greatest, sample_result(in, sample, c)->log_likelihood);
    for (size_t c = 0; c < s->choices.len; c++)
        sum += exp(sample_result(in, sample, c)->log_likelihood - greatest);
    for (size_t c = 0; c < s->choices.len; c++) {
        double p = exp(sample_result(in, sample, c)->log_likelihood - greatest) / sum;
        double d = p - ((int64_t)c == s->label ? 1 : 0);
        distance += d * d;
    }
    return distance;
}

int
compute_brier_score(const struct metric_input *in, struct metric_output *out)
{
    for (size_t i = 0; i < in->run->samples.len; i++) {
        if (check_requests(in, i, NORM_NONE) < 0)
            return -1;
        if (in->run->samples.data[i].choices.len != in->run->samples.data[0].choices.len)
            return err_set(STATUS_INPUT, "%s: brier_score needs as many choices in each document",
                           in->task->name);
        out->value[i] = brier(in, i);
    }
    metric_finish_mean(in, out);
    out->stderr_ = (double)NAN; /* the harness gives none */
    return 0;
}
