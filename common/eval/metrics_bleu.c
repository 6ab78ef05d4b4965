/*
 * Corpus BLEU (Papineni et al., 2002) as sacrebleu 2 computes it (Post, 2018): 4-grams, "exp"
 * smoothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/corpus.h"
#include "eval/ngrams.h"

enum { ORDERS = 4, ANSWER_LENGTH = 0, TARGET_LENGTH = 1, CORRECT = 2, TOTAL = CORRECT + ORDERS };

/* Replaces every `from` of *s. */
static void
replace(struct str *s, const char *from, const char *to)
{
    size_t n = strlen(from);
    struct str out = {0};
    for (size_t i = 0; i < s->len;) {
        bool here = s->len - i >= n && !memcmp(s->data + i, from, n);
        if (here)
            str_adds(&out, to);
        else
            str_addc(&out, s->data[i]);
        i += here ? n : 1;
    }
    str_release(s);
    *s = out;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_no_digit(char c)
{
    return !is_digit(c);
}

static bool
is_stop(char c)
{
    return c == '.' || c == ',';
}

static bool
is_dash(char c)
{
    return c == '-';
}

/* ASCII symbols but ' , - . */
static bool
is_symbol(char c)
{
    return c && strchr("{|}~[\\]^_`!\"#$%&()*+:;<=>?@/", c) != NULL;
}

/* Characters that stand so one behind the other, not overlapping, get blanks. */
static void
split_pairs(struct str *s, bool (*first)(char c), bool (*second)(char c), const char *before,
            const char *behind)
{
    struct str out = {0};
    for (size_t i = 0; i < s->len; i++) {
        bool pair = i + 1 < s->len && first(s->data[i]) && second(s->data[i + 1]);
        str_adds(&out, pair ? before : "");
        str_addc(&out, s->data[i]);
        if (!pair)
            continue;
        str_addc(&out, ' ');
        str_addc(&out, s->data[++i]);
        str_adds(&out, behind);
    }
    str_release(s);
    *s = out;
}

static void
split_symbols(struct str *s)
{
    struct str out = {0};
    for (size_t i = 0; i < s->len; i++)
        str_addf(&out, is_symbol(s->data[i]) ? " %c " : "%c", s->data[i]);
    str_release(s);
    *s = out;
}

/*
 * The rules of mteval-v13a for Western languages, one pass each, because each sees what the one
 * before it has inserted: symbols stand alone; stops but behind a digit; stops but before a digit; a
 * dash behind a digit.
 */
static void
tokenize_13a(struct piece text, struct str *out)
{
    str_addc(out, ' ');
    str_add(out, text.data, text.n);
    str_addc(out, ' ');
    replace(out, "<skipped>", "");
    replace(out, "-\n", "");
    replace(out, "\n", " ");
    replace(out, "&quot;", "\"");
    replace(out, "&amp;", "&");
    replace(out, "&lt;", "<");
    replace(out, "&gt;", ">");
    split_symbols(out);
    split_pairs(out, is_no_digit, is_stop, "", " ");
    split_pairs(out, is_stop, is_no_digit, " ", "");
    split_pairs(out, is_digit, is_dash, "", " ");
}

static void
tokenize(enum bleu_tokenizer how, struct piece text, struct word_numbers *numbers, struct ids *out)
{
    struct str line = {0};
    piece_list words = {0};
    text = python_rstrip(text);
    if (how == BLEU_13A) {
        tokenize_13a(text, &line);
    } else {
        for (size_t used; text.n; text.data += used, text.n -= used) {
            python_peek(text, &used);
            str_add(&line, text.data, used);
            if (how == BLEU_CHAR)
                str_addc(&line, ' ');
        }
    }
    python_split(piece_in(&line), &words);
    vec_clear(out);
    for (size_t i = 0; i < words.len; i++)
        vec_push(out, word_number(numbers, words.data[i]));
    vec_release(&words);
    str_release(&line);
}

/* The targets' lengths and, for each order, how often an n-gram stands in one of them at most. */
static double
read_targets(const struct metric *m, const struct metric_texts *t, struct word_numbers *numbers,
             size_t answer_length, ngram_counts *counts)
{
    struct ids target = {0};
    double closest = 0, difference = -1;
    for (size_t i = 0; i < t->targets.len; i++) {
        tokenize(m->tokenizer, t->targets.data[i], numbers, &target);
        double length = (double)target.len, d = fabs((double)answer_length - length);
        if (difference < 0 || d < difference || (d <= difference && length < closest)) {
            difference = d;
            closest = length;
        }
        for (size_t order = 1; order <= ORDERS; order++) {
            ngram_counts more = {0};
            ngrams_count(&target, order, &more);
            ngrams_maximum(&counts[order - 1], &more);
            vec_release(&more);
        }
    }
    vec_release(&target);
    return closest;
}

static void
sentence(const struct metric *m, const struct metric_texts *t, double *statistics)
{
    struct word_numbers *numbers = word_numbers_new();
    struct ids answer = {0};
    ngram_counts targets[ORDERS] = {{0}}, own = {0};
    tokenize(m->tokenizer, t->answer, numbers, &answer);
    statistics[ANSWER_LENGTH] = (double)answer.len;
    statistics[TARGET_LENGTH] = read_targets(m, t, numbers, answer.len, targets);
    for (size_t i = 0; i < ORDERS; i++) {
        ngrams_count(&answer, i + 1, &own);
        statistics[CORRECT + i] = (double)ngrams_common(&own, &targets[i]);
        statistics[TOTAL + i] = (double)ngrams_total(&own);
        vec_release(&targets[i]);
    }
    vec_release(&own);
    vec_release(&answer);
    word_numbers_free(numbers);
}

static double
score(const double *sums)
{
    double logs = 0, smoothing = 1, any = 0, length = sums[ANSWER_LENGTH];
    for (size_t i = 0; i < ORDERS; i++)
        any += sums[CORRECT + i];
    if (any <= 0)
        return 0;
    for (size_t i = 0; i < ORDERS; i++) {
        double correct = sums[CORRECT + i], total = sums[TOTAL + i];
        if (total <= 0)
            return 0; /* too short a corpus for an n-gram of this order */
        if (correct > 0) {
            logs += log(100.0 * correct / total);
        } else {
            smoothing *= 2;
            logs += log(100.0 / (smoothing * total));
        }
    }
    double brevity = length < sums[TARGET_LENGTH] ? exp(1 - sums[TARGET_LENGTH] / length) : 1;
    return brevity * exp(logs / ORDERS);
}

int
compute_bleu(const struct metric_input *in, struct metric_output *out)
{
    static const struct corpus_score bleu = {TOTAL + ORDERS, sentence, score};
    return corpus_compute(in, &bleu, out);
}
