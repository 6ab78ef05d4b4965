/*
 * chrF (Popović, 2015) and chrF++ (2017) as sacrebleu 2 computes them: character n-grams of 1 to 6
 * without blanks, with ++ also words and pairs of words; F2 of the mean precision and recall over
 * the orders that both texts have.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/corpus.h"
#include "eval/ngrams.h"

enum { CHAR_ORDERS = 6, WORD_ORDERS = 2, ORDERS_MAX = CHAR_ORDERS + WORD_ORDERS };

static double
f_score(const double *sums, size_t orders)
{
    double precision = 0, recall = 0, used = 0;
    for (size_t i = 0; i < orders; i++) {
        double answer = sums[3 * i], target = sums[3 * i + 1], common = sums[3 * i + 2];
        if (answer > 0 && target > 0) {
            precision += common / answer;
            recall += common / target;
            used++;
        }
    }
    if (used > 0) {
        precision /= used;
        recall /= used;
    }
    if (precision + recall <= 0)
        return 0;
    return 100 * (5 * precision * recall / (4 * precision + recall));
}

static double
score_chars(const double *sums)
{
    return f_score(sums, CHAR_ORDERS);
}

static double
score_words(const double *sums)
{
    return f_score(sums, ORDERS_MAX);
}

static void
number_chars(struct piece s, struct ids *out)
{
    vec_clear(out);
    for (size_t used; s.n; s.data += used, s.n -= used) {
        uint32_t c = python_peek(s, &used);
        if (!python_is_space(c))
            vec_push(out, c);
    }
}

static bool
is_punctuation(char c)
{
    return c && strchr(python_punctuation, c) != NULL;
}

/* Words; a punctuation mark at the end of one, else at its beginning, is a word of its own. */
static void
number_words(struct piece s, struct word_numbers *numbers, struct ids *out)
{
    piece_list words = {0};
    python_split(s, &words);
    vec_clear(out);
    for (size_t i = 0; i < words.len; i++) {
        struct piece w = words.data[i];
        size_t cut = w.n;
        if (python_length(w) > 1 && is_punctuation(w.data[w.n - 1]))
            cut = w.n - 1;
        else if (python_length(w) > 1 && is_punctuation(w.data[0]))
            cut = 1;
        vec_push(out, word_number(numbers, (struct piece){w.data, cut}));
        if (cut < w.n)
            vec_push(out, word_number(numbers, (struct piece){w.data + cut, w.n - cut}));
    }
    vec_release(&words);
}

/* n-grams of both, their numbers and the common ones: three for each order. */
static void
match(const struct ids *answer, const struct ids *target, size_t orders, double *statistics)
{
    ngram_counts a = {0}, t = {0};
    for (size_t i = 0; i < orders; i++) {
        ngrams_count(answer, i + 1, &a);
        ngrams_count(target, i + 1, &t);
        statistics[3 * i] = t.len ? (double)ngrams_total(&a) : 0;
        statistics[3 * i + 1] = (double)ngrams_total(&t);
        statistics[3 * i + 2] = (double)ngrams_common(&a, &t);
    }
    vec_release(&a);
    vec_release(&t);
}

/* The statistics of the target with the best score. */
static void
sentence(const struct metric_texts *t, size_t word_orders, double *statistics)
{
    struct word_numbers *numbers = word_numbers_new();
    struct ids chars = {0}, words = {0}, target_chars = {0}, target_words = {0};
    size_t orders = CHAR_ORDERS + word_orders;
    double best = -1;
    number_chars(t->answer, &chars);
    number_words(t->answer, numbers, &words);
    for (size_t i = 0; i < t->targets.len; i++) {
        double now[3 * ORDERS_MAX];
        number_chars(t->targets.data[i], &target_chars);
        number_words(t->targets.data[i], numbers, &target_words);
        match(&chars, &target_chars, CHAR_ORDERS, now);
        match(&words, &target_words, word_orders, now + 3 * CHAR_ORDERS);
        double f = f_score(now, orders);
        if (f > best) {
            best = f;
            memcpy(statistics, now, 3 * orders * sizeof *now);
        }
    }
    vec_release(&chars);
    vec_release(&words);
    vec_release(&target_chars);
    vec_release(&target_words);
    word_numbers_free(numbers);
}

static void
sentence_chars(const struct metric *m, const struct metric_texts *t, double *statistics)
{
    (void)m;
    sentence(t, 0, statistics);
}

static void
sentence_words(const struct metric *m, const struct metric_texts *t, double *statistics)
{
    (void)m;
    sentence(t, WORD_ORDERS, statistics);
}

int
compute_chrf(const struct metric_input *in, struct metric_output *out)
{
    static const struct corpus_score chrf = {3 * CHAR_ORDERS, sentence_chars, score_chars};
    return corpus_compute(in, &chrf, out);
}

int
compute_chrf_words(const struct metric_input *in, struct metric_output *out)
{
    static const struct corpus_score chrf = {3 * ORDERS_MAX, sentence_words, score_words};
    return corpus_compute(in, &chrf, out);
}
