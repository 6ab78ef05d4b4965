/*
 * Scoring: metrics and standard errors beside numbers of lm_eval 0.4.13, sacrebleu 2.6, rouge_score,
 * scikit-learn and fuzzywuzzy 0.18 (tests/peers/eval_metrics.py compares at random), filters, refusals.
 */
#include <math.h>

#include "eval/metrics.h"
#include "eval/normalise.h"
#include "eval/pyregex.h"
#include "eval/sha256.h"
#include "eval/statistics.h"
#include "eval/token_sort.h"
#include "tests/unit/score_case.h"
#include "tests/unit/tap.h"

static struct score_case
run_case(const char *json)
{
    json_error_t error;
    struct score_case c = {0};
    json_t *object = json_loads(json, 0, &error);
    if (!object)
        ok(false, "the case is JSON: %s at %d", error.text, error.position);
    else if (score_case_run(&c, object) < 0)
        ok(false, "%s", err_text());
    return c;
}

static const struct score *
score_of(const struct score_case *c, const char *metric, const char *filter)
{
    for (size_t i = 0; i < c->scores.scores.len; i++) {
        const struct score *s = &c->scores.scores.data[i];
        if (!strcmp(s->metric, metric) && !strcmp(s->filter, filter))
            return s;
    }
    ok(false, "there is %s,%s", metric, filter);
    return NULL;
}

static void
is_score(const struct score_case *c, const char *metric, double value, double error)
{
    const struct score *s = score_of(c, metric, "none");
    if (!s)
        return;
    is_near(s->value, value, 1e-12 * fmax(1, fabs(value)), "%s", metric);
    if (isnan(error))
        ok(isnan(s->stderr_), "%s: no standard error", metric);
    else
        is_near(s->stderr_, error, 1e-12 * fmax(1, error), "%s: standard error", metric);
}

#define CHOICES "\"choices\": [\"aa\", \"é\", \"ccccc\"], "
#define SAMPLE(label, a, b, c)                                                  \
    "{" CHOICES "\"label\": " #label ", \"results\": [{\"log_likelihood\": " #a \
    "}, {\"log_likelihood\": " #b "}, {\"log_likelihood\": " #c "}]}"

static void
test_choices(void)
{
    struct score_case c = run_case(
        "{\"output_type\": \"multiple_choice\", \"bootstrap_iters\": 2500, \"task\": {\"metrics\": "
        "[\"acc\", \"acc_norm\", \"acc_bytes\", \"mcc\", \"macro_f1\", \"balanced_acc\"]}, "
        "\"samples\": [" SAMPLE(0, -1, -2, -3) "," SAMPLE(1, -2, -1, -3) "," SAMPLE(
            1, -1, -2, -3) "," SAMPLE(0, -1, -1,
                                      -3) "," SAMPLE(2, -3, -2,
                                                     -1) "," SAMPLE(1, -5, -4,
                                                                    -3) "," SAMPLE(0, -2, -1,
                                                                                   -3) "]}");
    is_score(&c, "acc", 0.5714285714285714, 0.20203050891044214);
    is_score(&c, "mcc", 0.3550234734023465, 0.3248343040809334);
    is_score(&c, "macro_f1", 0.5777777777777778, (double)NAN);
    is_score(&c, "balanced_acc", 0.6666666666666666, (double)NAN);
    is_near(score_of(&c, "acc_norm", "none")->value, 0.42857142857142855, 1e-15, "acc_norm");
    is_near(score_of(&c, "acc_bytes", "none")->value, 0.5714285714285714, 1e-15, "acc_bytes");
    score_case_release(&c);
}

static void
test_likelihood(void)
{
    struct score_case c = run_case(
        "{\"output_type\": \"loglikelihood\", \"bootstrap_iters\": 2500, \"task\": {\"metrics\": "
        "[\"perplexity\", {\"metric\": \"acc\", \"scale\": 100}]}, \"samples\": ["
        "{\"results\": [{\"log_likelihood\": -1.5, \"is_greedy\": true}]}, "
        "{\"results\": [{\"log_likelihood\": -2.25}]}, {\"results\": [{\"log_likelihood\": "
        "-0.125}]}, "
        "{\"results\": [{\"log_likelihood\": -7.0}]}]}");
    is_score(&c, "perplexity", 15.16135869683449, 96.71159129895442);
    is_score(&c, "acc", 25, 25);
    ok(!score_of(&c, "perplexity", "none")->higher_is_better, "a lower perplexity is better");
    score_case_release(&c);
    c = run_case("{\"output_type\": \"loglikelihood_rolling\", \"task\": {\"metrics\": "
                 "[\"word_perplexity\", \"bits_per_byte\"]}, \"samples\": [{\"original\": "
                 "\" a\\u3000b \", \"results\": [{\"log_likelihood\": -4}]}]}");
    is_score(&c, "word_perplexity", exp(1), (double)NAN);
    is_score(&c, "bits_per_byte", 4 / log(2) / 7, (double)NAN);
    score_case_release(&c);
}

static void
test_corpus(void)
{
    struct score_case c = run_case(
        "{\"task\": {\"metrics\": [\"bleu\", \"chrf\", \"chrf++\", \"ter\", \"rouge2\"]}, "
        "\"samples\": ["
        "{\"targets\": [\"the cat sat on the mat\"], \"results\": [{\"text\": \"the cat sat on a "
        "mat.\"}]}, {\"targets\": [\"東京 は 晴れ です。\"], \"results\": [{\"text\": \"東京 は 雨 "
        "です。\"}]}, "
        "{\"targets\": [\"It costs $1,200.50 today\"], \"results\": [{\"text\": "
        "\"it costs $1,200.50, today!\"}]}]}");
    is_score(&c, "bleu", 29.33705789311312, 6.695936564480825);
    is_score(&c, "chrf", 67.16350080123888, 12.0755007510294);
    is_score(&c, "chrf++", 62.551052479679534, 7.835276678696652);
    is_score(&c, "ter", 35.714285714285715, 5.774692736779946);
    is_score(&c, "rouge2", 0.5333333333333333, (double)NAN);
    score_case_release(&c);
}

static void
test_filters(void)
{
    struct score_case c = run_case(
        "{\"task\": {\"filters\": {\"strict-match\": [{\"function\": \"regex\", \"regex_pattern\": "
        "\"#### (\\\\-?[0-9\\\\.\\\\,]+)\"}, \"take_first\"], \"flexible-extract\": "
        "[{\"function\": "
        "\"regex\", \"group_select\": -1, \"regex_pattern\": \"(-?[$0-9.,]{2,})|(-?[0-9]+)\"}]}, "
        "\"metrics\": [{\"metric\": \"exact_match\", \"ignore_case\": true, \"regexes_to_ignore\": "
        "[\",\", \"\\\\$\", \"(?s).*#### \", \"\\\\.$\"]}]}, \"samples\": [{\"targets\": "
        "[\"so it is\\n#### 1,800\"], \"target\": \"t\", \"doc\": {}, \"requests\": [{\"ctx\": "
        "\"c\"}], "
        "\"results\": [{\"text\": \"x #### 1800. Then $1,800.\"}]}, "
        "{\"targets\": [\"#### 7\"], \"results\": [{\"text\": \"it is 7\"}]}]}");
    is_str(c.scores.filtered[0], "1800.", "the first match of a group");
    is_str(c.scores.filtered[1], "$1,800.", "the last one's first group that is not empty");
    is_str(c.scores.filtered[2], "[invalid]", "no match");
    is_near(score_of(&c, "exact_match", "strict-match")->value, 0.5, 0, "strict-match");
    is_near(score_of(&c, "exact_match", "flexible-extract")->value, 1, 0, "flexible-extract");
    struct str line = {0};
    sample_write(&c.task, &c.run, 0, c.results.data, &c.scores, &line);
    ok(strstr(line.data, "\"filtered_resps\":[\"1800.\"],\"filter\":\"strict-match\"") != NULL &&
           strstr(line.data, "\"filtered_resps\":[[\"$1,800.\"]],\"filter\":\"flexible-extract\""),
       "a line of samples for each filter");
    str_release(&line);
    score_case_release(&c);
}

static void
test_refused(void)
{
    static const char *const cases[][2] = {
        {"\"metrics\": [\"acc\"]", "task: metrics[0]: 'acc' is no metric of this output_type"},
        {"\"metrics\": [\"meteor\"]", "task: metrics[0]: the metric 'meteor' is not supported"},
        {"\"metrics\": []", "task: metrics: expected at least one metric"},
        {"\"filters\": {}, \"metrics\": [\"bleu\"]", "task: filters: expected at least one filter"},
        {"\"metrics\": [{\"metric\": \"bleu\", \"ignore_case\": true}]", "ignore_case"},
        {"\"metrics\": [{\"metric\": \"squad\", \"name\": \"x\"}]", "name"},
        {"\"metrics\": [\"bleu\", \"bleu\"]", "task: metrics[1]: a second score called 'bleu'"},
        {"\"metrics\": [{\"metric\": \"exact_match\", \"regexes_to_ignore\": [\"(\"]}]",
         "task: metrics[0].regexes_to_ignore[0]: "},
        {"\"filters\": {\"a\": [\"regex\"]}, \"metrics\": [\"bleu\"]",
         "task: filters.a[0]: 'regex' needs arguments"},
        {"\"filters\": {\"a\": [\"majority_vote\"]}, \"metrics\": [\"bleu\"]",
         "task: filters.a[0]: the filter 'majority_vote' is not supported"},
        {"\"filters\": {\"a\": [{\"function\": \"regex\", \"regex_pattern\": \"\\\\K\"}]}, "
         "\"metrics\": "
         "[\"bleu\"]",
         "task: filters.a[0].regex_pattern: \\K is not supported"},
        {"\"normalise\": [\"nfd\"], \"metrics\": [\"bleu\"]", "task: normalise[0]: 'nfd'"},
        {"\"metrics\": [{\"metric\": \"word_f1\", \"words\": \"command\"}]", "--words-command"},
        {"\"metrics\": [\"squad_v2\"]", "squad_v2 needs a no_answer request"},
        {"\"metrics\": [\"integer_match\"]", "integer_match: the target 'x' is no number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct score_case c;
        char *json = mem_printf(
            "{\"task\": {%s}, \"samples\": [{\"targets\": [\"x\"], \"results\": "
            "[{\"text\": \"x\"}]}]}",
            cases[i][0]);
        json_t *object = json_loads(json, 0, NULL);
        int result = score_case_run(&c, object);
        if (!ok(result < 0 && strstr(err_text(), cases[i][1]), "refused: %s", cases[i][1]))
            diag("%s", err_text());
        score_case_release(&c);
        free(json);
    }
}

static void
is_text(void (*step)(struct piece, struct str *), const char *from, const char *want,
        const char *what)
{
    struct str out = {0};
    str_reserve(&out, 1);
    step(piece_of(from), &out);
    is_str(out.data ? out.data : "", want, "%s", what);
    str_release(&out);
}

static void
test_strings(void)
{
    char hex[65];
    is_text(python_lower, "ΟΔΟΣ ΣΑΣ. İI", "οδος σας. i̇i", "lower case with final sigmas");
    is_text(python_squeeze,
            "\u3000a\x1c \u2028"
            "b\n",
            "a b", "all blanks");
    is_text(neologdn, "ﾊﾟﾝ　と  Ａ b〜ーー-‐", "パンとA bー-", "neologdn");
    is_text(remove_emoji, "猫😀☀1", "猫1", "emoji");
    is_int(token_sort_ratio(piece_of("東京都"), piece_of("東京")), 80, "token_sort_ratio");
    is_int(token_sort_ratio(piece_of("1,234人 Café"), piece_of("1234人 cafe")), 90,
           "token_sort_ratio takes words apart");
    is_int(token_sort_ratio(piece_of("。。"), piece_of("、")), 100, "nothing left of either");
    is_int(token_sort_ratio(piece_of(""), piece_of("a")), 0, "nothing left of one");
    is_int((int64_t)python_blank_parts(piece_of(" a b ")), 4, "empty parts count");
    is_str(sha256_hex("abc", 3, hex),
           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256");
    is_str(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex),
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", "of two blocks");
}

static void
test_ready(void)
{
    static const char task[] = "{\"metrics\": [{\"metric\": \"bleu\", \"words\": \"command\"}]}";
    static char name[] = "words";
    struct scores_options o = {0};
    struct task t = {.name = name, .output_type = OUTPUT_GENERATE};
    if (!ok(json_doc_parse(&t.doc, "task", task, strlen(task)) == 0, "a task"))
        return;
    t.root = t.doc.root;
    ok(scores_ready(&t, &o) < 0 && err_status() == STATUS_USAGE, "not ready without its command");
    o.words_command = "cat";
    ok(scores_ready(&t, &o) == 0, "ready with it");
    o.words_command = "exit 7";
    ok(scores_ready(&t, &o) < 0 && strstr(err_text(), "status 7"), "not ready where it fails");
    json_doc_release(&t.doc);
}

static void
test_patterns(void)
{
    char why[200], text[3001];
    struct str out = {0};
    struct python_pattern *p = python_pattern_new(piece_of("(a+)+$"), why, sizeof why);
    memset(text, 'a', 2999);
    memcpy(text + 2999, "b", 2);
    ok(p && python_delete(p, piece_of(text), &out) < 0 && strstr(err_text(), "too long"),
       "a search without end ends");
    python_pattern_free(p);
    p = python_pattern_new(piece_of("x*|\\s"), why, sizeof why);
    str_clear(&out);
    ok(p && python_delete(p, piece_of("axx\u3000b"), &out) == 0, "empty matches");
    is_str(out.data, "ab", "a blank behind an empty match at the same place");
    python_pattern_free(p);
    str_release(&out);
}

static void
test_groups(void)
{
    const double values[] = {0.5, 0.25}, errors[] = {0.05, 0.02};
    const size_t sizes[] = {100, 300};
    double value, error;
    scores_group(values, errors, sizes, 2, true, &value, &error);
    is_near(value, 0.3125, 1e-15, "a weighted mean");
    is_near(error, sqrt((99 * 0.0025 * 100 + 299 * 0.0004 * 300) / 398 / 400), 1e-15,
            "its pooled error");
    scores_group(values, errors, sizes, 2, false, &value, &error);
    is_near(value, 0.375, 1e-15, "a plain mean");
    is_near(error, sqrt(0.0029) / 2, 1e-15, "its error");
}

static double
sum_drawn(const void *arg, const size_t *draw, size_t n)
{
    const double *values = arg;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[draw[i]];
    return sum;
}

static void
test_bootstrap(void)
{
    const double values[] = {0.5, 1.25, -3, 7};
    struct threads *three = threads_new(3);
    double one = bootstrap_stderr(sum_drawn, values, 4, 5500, NULL);
    is_near(bootstrap_stderr(sum_drawn, values, 4, 5500, three), one, 0, "threads change no bit");
    is_near(bootstrap_stderr(sum_drawn, values, 4, 5000, NULL), one, 0, "only whole chunks");
    ok(isnan(bootstrap_stderr(sum_drawn, values, 1, 5000, NULL)), "one sample has no error");
    ok(isnan(bootstrap_stderr(sum_drawn, values, 4, 0, NULL)), "no draws, no error");
    threads_free(three);
}

static void
test_argmax(void)
{
    const double equal[] = {-2, -1, -1}, none[] = {-2, (double)NAN, 5, (double)NAN};
    is_int((int64_t)metric_argmax(equal, 3), 1, "the first of equal ones");
    is_int((int64_t)metric_argmax(none, 4), 1, "the first NaN is greatest");
}

int
main(void)
{
    test_argmax();
    test_bootstrap();
    test_choices();
    test_likelihood();
    test_corpus();
    test_filters();
    test_refused();
    test_strings();
    test_ready();
    test_patterns();
    test_groups();
    return done();
}
