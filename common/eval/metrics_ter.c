/*
 * Corpus TER (Snover et al., 2006) as sacrebleu 2 computes it: words between blanks, in lower
 * case.
 */
#include "eval/corpus.h"
#include "eval/ngrams.h"
#include "eval/ter.h"

enum { EDITS, LENGTH, STATISTICS };

static void
number_words(struct piece s, struct word_numbers *numbers, struct ids *out)
{
    struct str lower = {0};
    piece_list words = {0};
    python_lower(s, &lower);
    python_split(piece_in(&lower), &words);
    vec_clear(out);
    for (size_t i = 0; i < words.len; i++)
        vec_push(out, word_number(numbers, words.data[i]));
    vec_release(&words);
    str_release(&lower);
}

/* The fewest edits to any target; the mean length of the targets. */
static void
sentence(const struct metric *m, const struct metric_texts *t, double *statistics)
{
    struct word_numbers *numbers = word_numbers_new();
    struct ids answer = {0}, target = {0};
    double length = 0;
    (void)m;
    number_words(t->answer, numbers, &answer);
    for (size_t i = 0; i < t->targets.len; i++) {
        number_words(t->targets.data[i], numbers, &target);
        double edits = (double)ter_edits(&answer, &target);
        if (!i || edits < statistics[EDITS])
            statistics[EDITS] = edits;
        length += (double)target.len;
    }
    statistics[LENGTH] = length / (double)t->targets.len;
    vec_release(&answer);
    vec_release(&target);
    word_numbers_free(numbers);
}

static double
score(const double *sums)
{
    if (sums[LENGTH] > 0)
        return 100 * (sums[EDITS] / sums[LENGTH]);
    return sums[EDITS] > 0 ? 100 : 0;
}

int
compute_ter(const struct metric_input *in, struct metric_output *out)
{
    static const struct corpus_score ter = {STATISTICS, sentence, score};
    return corpus_compute(in, &ter, out);
}
