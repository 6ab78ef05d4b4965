/* Metrics that compare an answer with its targets, a value of each document. */
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "eval/metrics.h"
#include "eval/token_sort.h"

static int
need_target(const struct metric_input *in, size_t sample)
{
    if (in->texts[sample].targets.len)
        return 0;
    return err_set(STATUS_INPUT, "%s: document %zu has no target", in->task->name, sample);
}

static void
swap(struct str *a, struct str *b)
{
    struct str t = *a;
    *a = *b;
    *b = t;
}

/* Deletes each pattern from *text in turn; *next is for its own use. */
static int
delete_ignored(const struct metric *m, struct str *text, struct str *next)
{
    for (size_t i = 0; i < m->ignored.len; i++) {
        str_clear(next);
        if (python_delete(m->ignored.data[i], piece_in(text), next) < 0)
            return err_prefix("regexes_to_ignore[%zu]", i);
        swap(text, next);
    }
    return 0;
}

/* A text as exact_match compares it: the patterns deleted in their order, lower case, … */
static int
prepare(const struct metric *m, struct piece text, struct str *out)
{
    struct str next = {0};
    str_clear(out);
    str_add(out, text.data, text.n);
    int result = delete_ignored(m, out, &next);
    if (m->ignore_case) {
        str_clear(&next);
        python_lower(piece_in(out), &next);
        swap(out, &next);
    }
    if (m->ignore_punctuation) {
        str_clear(&next);
        python_delete_ascii(piece_in(out), python_punctuation, &next);
        swap(out, &next);
    }
    if (m->ignore_numbers) {
        str_clear(&next);
        python_delete_ascii(piece_in(out), "0123456789", &next);
        swap(out, &next);
    }
    str_release(&next);
    return result;
}

int
compute_exact_match(const struct metric_input *in, struct metric_output *out)
{
    struct str answer = {0}, target = {0};
    int result = 0;
    for (size_t i = 0; i < in->run->samples.len && result == 0; i++) {
        const struct metric_texts *t = &in->texts[i];
        bool equal = false;
        result = prepare(in->metric, t->answer, &answer);
        for (size_t j = 0; j < t->targets.len && result == 0 && !equal; j++) {
            result = prepare(in->metric, t->targets.data[j], &target);
            equal = piece_equal(piece_in(&answer), piece_in(&target));
        }
        out->value[i] = equal;
    }
    str_release(&answer);
    str_release(&target);
    metric_finish_mean(in, out);
    return result;
}

/*
 * A number as MGSM's answers are read: the last run of [0-9.,], perhaps with '-', as an integer;
 * NaN: none.
 */
static double
last_integer(struct piece s)
{
    struct piece last = {NULL, 0};
    for (size_t i = 0; i < s.n;) {
        size_t begin = i;
        i += s.data[i] == '-';
        size_t digits = i;
        while (i < s.n &&
               ((s.data[i] >= '0' && s.data[i] <= '9') || s.data[i] == '.' || s.data[i] == ','))
            i++;
        if (i > digits)
            last = (struct piece){s.data + begin, i - begin};
        i += i == begin;
    }
    while (last.n && last.data[0] == '.')
        last.data++, last.n--;
    while (last.n && last.data[last.n - 1] == '.')
        last.n--;
    struct str number = {0};
    double value = (double)NAN;
    python_delete_ascii(last, ",", &number);
    if (!python_float(piece_in(&number), &value) || isinf(value) || value != floor(value))
        value = (double)NAN;
    str_release(&number);
    return value;
}

int
compute_integer_match(const struct metric_input *in, struct metric_output *out)
{
    for (size_t i = 0; i < in->run->samples.len; i++) {
        double want;
        if (need_target(in, i) < 0)
            return -1;
        struct piece target = in->texts[i].targets.data[0];
        struct str plain = {0};
        python_delete_ascii(target, ",", &plain);
        bool number = python_float(piece_in(&plain), &want);
        str_release(&plain);
        if (!number)
            return err_set(STATUS_INPUT,
                           "%s: document %zu: integer_match: the target '%.*s' is no "
                           "number",
                           in->task->name, i, (int)target.n, target.data);
        out->value[i] = last_integer(in->texts[i].answer) == want;
    }
    metric_finish_mean(in, out);
    return 0;
}

int
compute_token_sort_ratio(const struct metric_input *in, struct metric_output *out)
{
    for (size_t i = 0; i < in->run->samples.len; i++) {
        if (need_target(in, i) < 0)
            return -1;
        out->value[i] = token_sort_ratio(in->texts[i].answer, in->texts[i].targets.data[0]) / 100.0;
    }
    metric_finish_mean(in, out);
    return 0;
}

/* The lines of s, each stripped. */
static void
lines_of(struct piece s, piece_list *out)
{
    for (size_t at = 0, begin = 0; at <= s.n; at++)
        if (at == s.n || s.data[at] == '\n') {
            vec_push(out, python_strip((struct piece){s.data + begin, at - begin}));
            begin = at + 1;
        }
}

static bool
contains(const piece_list *list, size_t n, struct piece p)
{
    for (size_t i = 0; i < n; i++)
        if (piece_equal(list->data[i], p))
            return true;
    return false;
}

/*
 * llm-jp-eval's: the answer's lines count once each, the target's all (its recall divides by
 * them).
 */
static double
set_f1(struct piece answer, struct piece target)
{
    piece_list a = {0}, t = {0};
    lines_of(answer, &a);
    lines_of(target, &t);
    double distinct = 0, common = 0;
    for (size_t i = 0; i < a.len; i++)
        if (!contains(&a, i, a.data[i])) {
            distinct++;
            common += contains(&t, t.len, a.data[i]);
        }
    double precision = common / distinct, recall = common / (double)t.len;
    vec_release(&a);
    vec_release(&t);
    return precision + recall != 0 ? 2 * (precision * recall) / (precision + recall) : 0;
}

int
compute_set_f1(const struct metric_input *in, struct metric_output *out)
{
    for (size_t i = 0; i < in->run->samples.len; i++) {
        if (need_target(in, i) < 0)
            return -1;
        out->value[i] = set_f1(in->texts[i].answer, in->texts[i].targets.data[0]);
    }
    metric_finish_mean(in, out);
    return 0;
}

/* The words of a text but those left out, sorted. */
static void
kept_words(const struct metric *m, struct piece s, piece_list *out)
{
    size_t kept = 0;
    vec_clear(out);
    python_split(s, out);
    for (size_t i = 0; i < out->len; i++)
        if (!contains(&m->ignored_words, m->ignored_words.len, out->data[i]))
            out->data[kept++] = out->data[i];
    out->len = kept;
    pieces_sort(out);
}

static double
word_f1(const piece_list *answer, const piece_list *target)
{
    size_t common = pieces_common(answer, target);
    if (!common)
        return 0;
    double precision = (double)common / (double)answer->len;
    double recall = (double)common / (double)target->len;
    return 2 * precision * recall / (precision + recall);
}

int
compute_word_f1(const struct metric_input *in, struct metric_output *out)
{
    piece_list answer = {0}, target = {0};
    for (size_t i = 0; i < in->run->samples.len; i++) {
        const struct metric_texts *t = &in->texts[i];
        double best = 0;
        kept_words(in->metric, t->answer, &answer);
        for (size_t j = 0; j < t->targets.len; j++) {
            kept_words(in->metric, t->targets.data[j], &target);
            best = fmax(best, word_f1(&answer, &target));
        }
        out->value[i] = best;
    }
    vec_release(&answer);
    vec_release(&target);
    metric_finish_mean(in, out);
    return 0;
}
