/*
 * SQuAD's exact match and F1 (Rajpurkar et al., 2016 and 2018), as their evaluation scripts compute
 * them: lower case, no ASCII punctuation, no articles, blanks squeezed.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "eval/metrics.h"
#include "eval/statistics.h"

static bool
word_at(struct piece s, size_t at)
{
    size_t used;
    return at < s.n && python_is_word(python_peek((struct piece){s.data + at, s.n - at}, &used));
}

/* The length of "a", "an" or "the" at s.data[at], between word boundaries; 0: none. */
static size_t
article(struct piece s, size_t at)
{
    static const char *const articles[] = {"a", "an", "the"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(articles[i]);
        if (s.n - at >= n && !memcmp(s.data + at, articles[i], n) && !word_at(s, at + n))
            return n;
    }
    return 0;
}

static void
remove_articles(struct piece s, struct str *out)
{
    bool inside = false; /* of a word */
    for (size_t at = 0, used; at < s.n; at += used) {
        size_t n = inside ? 0 : article(s, at);
        inside = python_is_word(python_peek((struct piece){s.data + at, s.n - at}, &used));
        if (n) {
            str_addc(out, ' ');
            used = n;
        } else {
            str_add(out, s.data + at, used);
        }
    }
}

static void
normalise_answer(struct piece s, struct str *out)
{
    struct str lower = {0}, plain = {0}, bare = {0};
    python_lower(s, &lower);
    python_delete_ascii(piece_in(&lower), python_punctuation, &plain);
    remove_articles(piece_in(&plain), &bare);
    python_squeeze(piece_in(&bare), out);
    str_release(&lower);
    str_release(&plain);
    str_release(&bare);
}

static double
f1_of(struct piece answer, struct piece target)
{
    piece_list a = {0}, t = {0};
    python_split(answer, &a);
    python_split(target, &t);
    pieces_sort(&a);
    pieces_sort(&t);
    size_t common = pieces_common(&a, &t);
    double precision = (double)common / (double)a.len, recall = (double)common / (double)t.len;
    bool empty = !a.len || !t.len, both = !a.len && !t.len;
    vec_release(&a);
    vec_release(&t);
    if (empty)
        return both;
    return common ? 2 * precision * recall / (precision + recall) : 0;
}

/* The best of the targets that something is left of; of none, the empty text. */
static void
score_sample(const struct metric_texts *t, bool drop_empty, double *exact, double *f1)
{
    struct str answer = {0}, target = {0};
    bool any = false;
    normalise_answer(t->answer, &answer);
    *exact = *f1 = 0;
    for (size_t i = 0; i < t->targets.len || (drop_empty && !any && i == t->targets.len); i++) {
        str_clear(&target);
        if (i < t->targets.len)
            normalise_answer(t->targets.data[i], &target);
        if (drop_empty && !target.len && i < t->targets.len)
            continue;
        any = true;
        *exact = fmax(*exact, piece_equal(piece_in(&answer), piece_in(&target)));
        *f1 = fmax(*f1, f1_of(piece_in(&answer), piece_in(&target)));
    }
    str_release(&answer);
    str_release(&target);
}

int
compute_squad(const struct metric_input *in, struct metric_output *out)
{
    for (size_t i = 0; i < in->run->samples.len; i++)
        score_sample(&in->texts[i], false, &out[0].value[i], &out[1].value[i]);
    for (int k = 0; k < 2; k++) {
        metric_finish_mean(in, &out[k]);
        out[k].score *= 100;
        out[k].stderr_ *= 100;
    }
    return 0;
}

enum subset { ALL, WITH_ANSWER, WITHOUT };

struct squad {
    const struct metric_input *in;
    size_t n;
    const double *exact, *f1; /* [n] */
    double *no_answer;        /* [n] probabilities */
    size_t *order;            /* of the samples by no_answer */
};

static bool
has_answer(const struct squad *q, size_t sample)
{
    return q->in->texts[sample].targets.len > 0;
}

/*
 * Per cent; 0 where there is no such sample. A probability above 1 would overrule the answer: none
 * is.
 */
static double
average(const struct squad *q, const double *values, enum subset subset)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < q->n; i++)
        if (subset == ALL || has_answer(q, i) == (subset == WITH_ANSWER)) {
            sum += values[i];
            n++;
        }
    return n > 0 ? 100.0 * sum / n : 0;
}

/* The best score of any threshold on the probability above which no answer is given. */
static double
best(const struct squad *q, const double *values)
{
    double now = 0;
    for (size_t i = 0; i < q->n; i++)
        now += !has_answer(q, i);
    double greatest = now;
    for (size_t k = 0; k < q->n; k++) {
        size_t i = q->order[k];
        if (has_answer(q, i))
            now += values[i];
        else if (q->in->texts[i].answer.n)
            now -= 1;
        greatest = now > greatest ? now : greatest;
    }
    return 100.0 * greatest / (double)q->n;
}

static int
compare_no_answer(const void *a, const void *b, void *arg)
{
    const struct squad *q = arg;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    double x = q->no_answer[i], y = q->no_answer[j];
    if (x != y)
        return x < y ? -1 : 1;
    return (i > j) - (i < j); /* stable, as Python's sorted() */
}

int
compute_squad_v2(const struct metric_input *in, struct metric_output *out)
{
    struct squad q = {
        .in = in, .n = in->run->samples.len, .exact = out[0].value, .f1 = out[1].value};
    for (size_t i = 0; i < q.n; i++)
        if (in->run->samples.data[i].requests != 2)
            return err_set(STATUS_INPUT, "%s: squad_v2 needs a no_answer request for each document",
                           in->task->name);
    q.no_answer = mem_array(q.n, sizeof *q.no_answer);
    q.order = mem_array(q.n, sizeof *q.order);
    for (size_t i = 0; i < q.n; i++) {
        score_sample(&in->texts[i], true, &out[0].value[i], &out[1].value[i]);
        q.no_answer[i] = exp(sample_result(in, i, 1)->log_likelihood);
        q.order[i] = i;
    }
    qsort_r(q.order, q.n, sizeof *q.order, compare_no_answer, &q);
    for (size_t k = 0; k < METRIC_OUTPUTS; k++) {
        const double *values = k % 2 ? q.f1 : q.exact;
        if (k > 1)
            memcpy(out[k].value, values, q.n * sizeof *values);
        out[k].score = k < 6 ? average(&q, values, (enum subset)(k / 2)) : best(&q, values);
    }
    free(q.no_answer);
    free(q.order);
    return 0;
}
