/*
 * Metrics of choices as classes, over all documents: balanced accuracy as Stability's harness has
 * it, MCC (Gorodkin, 2004), F1 and macro F1 as scikit-learn defines them.
 */
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "eval/metrics.h"
#include "eval/statistics.h"

enum { CLASSES_MAX = 4096 };

/* Classes are numbered from 0; a document without a right choice has a class of its own. */
struct classes {
    size_t n, samples;
    size_t *gold, *chosen; /* [samples] */
};

static void
classes_release(struct classes *c)
{
    free(c->gold);
    free(c->chosen);
}

static int
classes_read(const struct metric_input *in, struct metric_output *out, struct classes *c)
{
    *c = (struct classes){.samples = in->run->samples.len};
    c->gold = mem_array(c->samples, sizeof *c->gold);
    c->chosen = mem_array(c->samples, sizeof *c->chosen);
    for (size_t i = 0; i < c->samples; i++) {
        const struct sample *s = &in->run->samples.data[i];
        size_t n = s->choices.len;
        if (!n || s->requests < n || n > CLASSES_MAX || s->label >= (int64_t)n) {
            classes_release(c);
            return err_set(STATUS_INPUT, "%s: document %zu has not a request for each choice",
                           in->task->name, i);
        }
        double *ll = mem_array(n, sizeof *ll);
        for (size_t k = 0; k < n; k++)
            ll[k] = sample_result(in, i, k)->log_likelihood;
        c->chosen[i] = metric_argmax(ll, n);
        c->gold[i] = s->label < 0 ? CLASSES_MAX : (size_t)s->label;
        c->n = n > c->n ? n : c->n;
        out->value[i] = (double)c->chosen[i];
        free(ll);
    }
    for (size_t i = 0; i < c->samples; i++)
        if (c->gold[i] == CLASSES_MAX)
            c->gold[i] = c->n;
    c->n++;
    return 0;
}

/* How often each class is right, was chosen, and both: of the samples drawn (NULL: all). */
struct class_counts {
    double *gold, *chosen, *both; /* [n] */
};

static struct class_counts
count(const struct classes *c, const size_t *draw)
{
    struct class_counts t;
    t.gold = mem_zarray(3 * c->n, sizeof *t.gold);
    t.chosen = t.gold + c->n;
    t.both = t.chosen + c->n;
    for (size_t i = 0; i < c->samples; i++) {
        size_t at = draw ? draw[i] : i;
        t.gold[c->gold[at]]++;
        t.chosen[c->chosen[at]]++;
        t.both[c->gold[at]] += c->gold[at] == c->chosen[at];
    }
    return t;
}

static double
mcc(const void *arg, const size_t *draw, size_t n)
{
    const struct classes *c = arg;
    struct class_counts t = count(c, draw);
    double samples = (double)n, right = 0, cross = 0, gold = 0, chosen = 0;
    for (size_t k = 0; k < c->n; k++) {
        right += t.both[k];
        cross += t.gold[k] * t.chosen[k];
        gold += t.gold[k] * t.gold[k];
        chosen += t.chosen[k] * t.chosen[k];
    }
    free(t.gold);
    double spread = (samples * samples - chosen) * (samples * samples - gold);
    return spread == 0 ? 0 : (right * samples - cross) / sqrt(spread);
}

/* F1 of class 1. */
static double
f1(const void *arg, const size_t *draw, size_t n)
{
    const struct classes *c = arg;
    struct class_counts t = count(c, draw);
    double marked = t.gold[1] + t.chosen[1];
    double f = marked > 0 ? 2 * t.both[1] / marked : 0;
    (void)n;
    free(t.gold);
    return f;
}

static double
macro_f1(const struct classes *c)
{
    struct class_counts t = count(c, NULL);
    double sum = 0, present = 0;
    for (size_t k = 0; k < c->n; k++) {
        double marked = t.gold[k] + t.chosen[k];
        sum += marked > 0 ? 2 * t.both[k] / marked : 0;
        present += marked > 0;
    }
    free(t.gold);
    return sum / present;
}

static double
balanced(const struct classes *c)
{
    struct class_counts t = count(c, NULL);
    double sum = 0, present = 0;
    for (size_t k = 0; k < c->n; k++) {
        sum += t.gold[k] > 0 ? t.both[k] / t.gold[k] : 0;
        present += t.gold[k] > 0;
    }
    free(t.gold);
    return sum / present;
}

/* The harnesses give no standard error for these. */
static int
compute_plain(const struct metric_input *in, struct metric_output *out,
              double (*score)(const struct classes *c))
{
    struct classes c;
    if (classes_read(in, out, &c) < 0)
        return -1;
    out->score = score(&c);
    classes_release(&c);
    return 0;
}

static int
compute_bootstrapped(const struct metric_input *in, struct metric_output *out,
                     bootstrap_statistic *score)
{
    struct classes c;
    if (classes_read(in, out, &c) < 0)
        return -1;
    out->score = score(&c, NULL, c.samples);
    out->stderr_ = bootstrap_stderr(score, &c, c.samples, in->options->bootstrap_iters,
                                    in->options->threads);
    classes_release(&c);
    return 0;
}

int
compute_balanced_acc(const struct metric_input *in, struct metric_output *out)
{
    return compute_plain(in, out, balanced);
}

int
compute_macro_f1(const struct metric_input *in, struct metric_output *out)
{
    return compute_plain(in, out, macro_f1);
}

int
compute_mcc(const struct metric_input *in, struct metric_output *out)
{
    return compute_bootstrapped(in, out, mcc);
}

int
compute_f1(const struct metric_input *in, struct metric_output *out)
{
    for (size_t i = 0; i < in->run->samples.len; i++)
        if (in->run->samples.data[i].choices.len != 2)
            return err_set(STATUS_INPUT, "%s: f1 needs two choices; macro_f1 takes more",
                           in->task->name);
    return compute_bootstrapped(in, out, f1);
}
