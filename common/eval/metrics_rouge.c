/* ROUGE-1, -2 and -L (Lin, 2004) as the package rouge_score computes them, and its aggregate. */
#include "base/err.h"
#include "eval/metrics.h"
#include "eval/ngrams.h"
#include "eval/statistics.h"

/* Words by the command, or runs of [a-z0-9] of the text in lower case; as numbers. */
static void
number_words(const struct metric *m, struct word_numbers *numbers, struct piece s, struct ids *out)
{
    piece_list words = {0};
    struct str lower = {0};
    if (!m->by_command) {
        python_lower(s, &lower);
        for (size_t i = 0; i < lower.len; i++) {
            char c = lower.data[i];
            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
                lower.data[i] = ' ';
        }
        s = piece_in(&lower);
    }
    python_split(s, &words);
    vec_clear(out);
    for (size_t i = 0; i < words.len; i++)
        vec_push(out, word_number(numbers, words.data[i]));
    str_release(&lower);
    vec_release(&words);
}

static double
fmeasure(size_t common, size_t target, size_t answer)
{
    double precision = (double)common / (double)(answer ? answer : 1);
    double recall = (double)common / (double)(target ? target : 1);
    return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

static double
rouge_n(const struct ids *target, const struct ids *answer, size_t order)
{
    ngram_counts t = {0}, a = {0};
    ngrams_count(target, order, &t);
    ngrams_count(answer, order, &a);
    double f = fmeasure(ngrams_common(&t, &a), ngrams_total(&t), ngrams_total(&a));
    vec_release(&t);
    vec_release(&a);
    return f;
}

/* By the longest common subsequence. */
static double
rouge_l(const struct ids *target, const struct ids *answer)
{
    return fmeasure(common_subsequence(target, answer), target->len, answer->len);
}

static int
compute(const struct metric_input *in, struct metric_output *out, size_t order)
{
    size_t n = in->run->samples.len;
    struct ids target = {0}, answer = {0};
    int result = 0;
    for (size_t i = 0; i < n && result == 0; i++) {
        const struct metric_texts *t = &in->texts[i];
        if (!t->targets.len) {
            result = err_set(STATUS_INPUT, "%s: document %zu has no target", in->task->name, i);
            break;
        }
        struct word_numbers *numbers = word_numbers_new();
        number_words(in->metric, numbers, t->targets.data[0], &target);
        number_words(in->metric, numbers, t->answer, &answer);
        out->value[i] = order ? rouge_n(&target, &answer, order) : rouge_l(&target, &answer);
        word_numbers_free(numbers);
    }
    vec_release(&target);
    vec_release(&answer);
    if (in->metric->plain_mean)
        metric_finish_mean(in, out);
    else
        out->score = bootstrap_median_of_means(out->value, n);
    return result;
}

int
compute_rouge1(const struct metric_input *in, struct metric_output *out)
{
    return compute(in, out, 1);
}

int
compute_rouge2(const struct metric_input *in, struct metric_output *out)
{
    return compute(in, out, 2);
}

int
compute_rouge_l(const struct metric_input *in, struct metric_output *out)
{
    return compute(in, out, 0);
}
