/* eval/task.h: task files, their documents, draws of examples and requests. The draws were made by
 * Python's random with the harnesses' rules; xmltodict made the XML rows. */
#include "eval/task.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/unit/tap.h"

/* A task of numbered documents d0, d1 … with `more` for its other keys. */
static char *
task_text(const char *splits, const char *more)
{
    return mem_printf("{\"task\":\"t\",\"version\":1,\"output_type\":\"loglikelihood\","
                      "\"documents\":{\"splits\":{%s}},\"doc_to_text\":\"${q}\","
                      "\"doc_to_target\":\"${a}\",\"target_delimiter\":\"=\","
                      "\"fewshot_delimiter\":\";\",\"metrics\":[\"acc\"],%s}",
                      splits, more);
}

static void
store(const char *path, const char *text)
{
    if (file_store(path, text, strlen(text)) < 0)
        abort();
}

static void
store_numbered(const char *path, int n, const char *answers)
{
    struct str out = {0};

    for (int i = 0; i < n; i++)
        str_addf(&out, "{\"q\":\"%s%d\",\"a\":\"%c\"}\n", path, i, answers[i]);
    store(path, out.data);
    str_release(&out);
}

/* Contexts and continuations of all requests, one a line; the error instead. */
static char *
requests_of(const char *text, int64_t shots, int64_t limit)
{
    struct task t;
    struct task_run run;
    struct str out = {0};
    const struct task_options o = {.data = ".", .shots = shots, .limit = limit};

    str_reserve(&out, 0);
    str_add(&out, "", 0);
    if (task_parse(&t, "task", text, strlen(text)) < 0)
        return str_addf(&out, "refused: %s", err_text()), out.data;
    if (task_run_make(&t, &o, &run) < 0)
        str_addf(&out, "error: %s", err_text());
    for (size_t i = 0; i < run.requests.len; i++)
        str_addf(&out, "%s|%s\n", run.requests.data[i].context.data,
                 run.requests.data[i].continuation.data ? run.requests.data[i].continuation.data
                                                        : "");
    task_run_release(&run);
    task_release(&t);
    err_clear();
    return out.data;
}

static void
gives(const char *text, int64_t shots, int64_t limit, const char *want, const char *what)
{
    char *got = requests_of(text, shots, limit);

    is_str(got, want, "%s", what);
    free(got);
}

static void
fails(char *text, const char *why)
{
    char *got = requests_of(text, -1, -1);

    if (!ok(strstr(got, why) != NULL, "refused: %s", why))
        diag("%s", got);
    free(got);
    free(text);
}

#define TRAIN "\"train\":{\"files\":[\"r\"],\"format\":\"jsonl\"}"
#define EVALUATED "\"test\":{\"files\":[\"e\"],\"format\":\"jsonl\"}"
#define SPLITS TRAIN "," EVALUATED

static void
test_draws(void)
{
    char *text;

    store_numbered("r", 8, "abcdefgh");
    store_numbered("e", 3, "xyz");
    text = task_text(SPLITS, "\"training_split\":\"train\",\"test_split\":\"test\","
                             "\"fewshot_split\":\"train\",\"num_fewshot\":5");
    gives(text, -1, 2, "r7=h;r0=a;r6=g;r5=f;r4=e;e0|x\nr1=b;r0=a;r2=c;r7=h;r6=g;e1|y\n",
          "five examples with seed 1234: [7,0,6,5,4], [1,0,2,7,6]");
    gives(text, 0, 1, "e0|x\n", "no examples");
    gives(text, 9, 1, "error: task t: document 0: 9 examples are to be drawn from 8 documents",
          "more examples than documents");
    free(text);
    text = task_text(SPLITS, "\"training_split\":\"train\",\"test_split\":\"test\","
                             "\"fewshot_config\":{\"sampler\":\"first_n\"}");
    gives(text, 2, 2, "r0=a;r1=b;e0|x\nr0=a;r1=b;e1|y\n", "the first ones");
    free(text);
    /* shuffle(6) of seed 42 is 3 1 2 4 0 5; then sample(9, 3) is 3 8 1 and 1 8 4. */
    store_numbered("r", 9, "abcdefghi");
    store_numbered("e", 6, "uvwxyz");
    text = task_text(SPLITS, "\"training_split\":\"train\",\"test_split\":\"test\","
                             "\"shuffle_seed\":42,\"fewshot_config\":{\"generator\":\"shared\"}");
    gives(text, 3, 2, "r3=d;r8=i;r1=b;e3|x\nr1=b;r8=i;r4=e;e1|v\n",
          "jp-stable: documents shuffled, examples from the same generator");
    free(text);
    /* [3,6,7,4,8,2,5,0] of nine: seed 42, 90 % */
    text = task_text("\"train\":{\"files\":[\"r\"],\"format\":\"jsonl\",\"shuffle_seed\":42,"
                     "\"fraction\":0.9}," EVALUATED,
                     "\"training_split\":\"train\",\"test_split\":\"test\","
                     "\"fewshot_config\":{\"sampler\":\"first_n\"}");
    gives(text, 8, 1, "r3=d;r6=g;r7=h;r4=e;r8=i;r2=c;r5=f;r0=a;e0|u\n",
          "llm-jp-eval: the first of a shuffled part");
    gives(text, 9, 1, "error: task t: document 0: 9 examples are to be drawn from 8 documents",
          "and there are no more");
    free(text);
}

/* The rule of n + 1 where both splits are unset; the evaluated document twice in the pool. */
static void
test_exclusion(void)
{
    char *text = task_text("\"validation\":{\"files\":[\"v\"],\"format\":\"jsonl\"}",
                           "\"validation_split\":\"validation\"");

    store("v", "{\"q\":\"0\",\"a\":\"a\"}\n{\"q\":\"1\",\"a\":\"a\"}\n{\"q\":\"2\",\"a\":\"a\"}\n"
               "{\"q\":\"2\",\"a\":\"a\"}\n{\"q\":\"3\",\"a\":\"a\"}\n{\"q\":\"4\",\"a\":\"a\"}\n");
    gives(text, 3, -1,
          "2=a;3=a;4=a;0|a\n3=a;0=a;4=a;1|a\n0=a;1=a;3=a;2|a\n3=a;1=a;0=a;2|a\n1=a;0=a;2=a;3|a\n"
          "2=a;1=a;0=a;4|a\n",
          "n + 1 are drawn and the document is taken out, all of its copies");
    free(text);
}

static void
test_stratified(void)
{
    char *text = task_text(SPLITS, "\"training_split\":\"train\",\"test_split\":\"test\","
                                   "\"fewshot_config\":{\"sampler\":\"stratified\"}");

    store_numbered("r", 12, "aabcabbcaaab");
    store_numbered("e", 2, "xy");
    gives(text, 3, 1, "r2=b;r3=c;r8=a;e0|x\n", "stratified: one of each");
    free(text);
}

static void
test_formats(void)
{
    char *text;

    store("s.json",
          "{\"version\":\"x\",\"data\":[{\"title\":\"T\",\"paragraphs\":[{\"context\":\"C\","
          "\"qas\":[{\"q\":\"1\",\"a\":\"a\"},{\"q\":\"2\",\"a\":\"b\"}]}]},{\"title\":\"U\","
          "\"paragraphs\":[{\"context\":\"D\",\"qas\":[{\"q\":\"3\",\"a\":\"c\"}]}]}]}");
    text = task_text("\"t\":{\"files\":[\"s.json\"],\"format\":\"json\","
                     "\"rows\":\"data.paragraphs.qas\"}",
                     "\"test_split\":\"t\",\"description\":\"${title} ${context}:\"");
    gives(text, -1, -1, "T C:1|a\nT C:2|b\nU D:3|c\n", "nested rows");
    free(text);
    store("s.tsv", "1\ta\r\n2\tb\n");
    text = task_text("\"t\":{\"files\":[[\"none\",\"s.tsv\"]],\"format\":\"tsv\","
                     "\"columns\":[\"q\",\"a\"]}",
                     "\"test_split\":\"t\"");
    gives(text, -1, -1, "1|a\n2|b\n", "cells between tabs; the first file that is there");
    free(text);
    store("h.tsv", "a\tq\nb\t2\n");
    text = task_text("\"t\":{\"files\":[\"h.tsv\"],\"format\":\"tsv\"}", "\"test_split\":\"t\"");
    gives(text, -1, -1, "2|b\n", "a first line of names");
    free(text);
    store("s.xml",
          "<?xml version='1.0' encoding=\"UTF-8\"?>\n<!-- c --><all><row id=\"x&amp;y\">"
          "<q> 1 &lt;&#x3042;&gt; </q><a>p</a><a/><a>q</a></row><row id='z'><q><![CDATA[<2>]]></q>"
          "<a>-</a></row></all>\n");
    text = mem_printf("{\"task\":\"t\",\"version\":1,\"output_type\":\"loglikelihood\","
                      "\"documents\":{\"splits\":{\"t\":{\"files\":[\"s.xml\"],\"format\":\"xml\","
                      "\"rows\":\"all.row\"}},\"fields\":{\"a\":\"${a|not_empty|join:,}\"}},"
                      "\"doc_to_text\":\"${@id} ${q}\",\"doc_to_target\":\"${a}\","
                      "\"test_split\":\"t\",\"metrics\":[\"acc\"]}");
    gives(text, -1, -1, "x&y 1 <あ>|p,q\nz <2>|-\n", "XML as xmltodict has it");
    free(text);
}

static void
test_tables(void)
{
    static const char line[] = "%s\tx\t?\tHe said \"no\" to it.\t"
                               "[\"He\",\"said\",\"``\",\"no\",\"''\",\"to\",\"it\",\".\"]\t"
                               "[\"it\",[6,7],[\"it\"]]\t"
                               "[[\"A\",[0,1],[\"A\"],%s],[\"B\",[2,3],[\"B\"],%s]]\n";
    char *one = mem_printf(line, "jp", "true", "false"),
         *two = mem_printf(line, "en", "false", "true");
    char *both = mem_printf("%s%s", two, one);
    char *text = mem_printf(
        "{\"task\":\"t\",\"version\":1,\"output_type\":\"multiple_input\",\"documents\":{"
        "\"splits\":{\"t\":{\"files\":[\"x.tsv\"],\"format\":\"xwinograd\"}},"
        "\"keep\":{\"language\":\"jp\"}},\"doc_to_text\":\"${answer|index:1:2}\","
        "\"doc_to_target\":\"${sentence|after:_|trim}\",\"doc_to_choice\":["
        "\"${sentence|before:_}${option1}\",\"${sentence|before:_}${option2}\"],"
        "\"test_split\":\"t\",\"metrics\":[\"acc\"]}");

    store("x.tsv", both);
    gives(text, -1, -1, "He said \"no\" to B| .\nHe said \"no\" to A| .\n",
          "XWinograd's tokens; documents kept by a field");
    free(one);
    free(two);
    free(both);
    free(text);
    store("w.raw", " \n = One = \n a\n = = Two = = \n b \n = Three = \n c \n");
    text = mem_printf("{\"task\":\"t\",\"version\":1,\"output_type\":\"loglikelihood_rolling\","
                      "\"documents\":{\"splits\":{\"t\":{\"files\":[\"w.raw\"],"
                      "\"format\":\"wikitext\"}}},\"doc_to_text\":\"\","
                      "\"doc_to_target\":\"${page|replace:\\n:/}\",\"test_split\":\"t\","
                      "\"metrics\":[\"word_perplexity\"]}");
    gives(text, -1, -1, "(null)| = One = / a/ = = Two = = / b \n(null)| = Three = / c /\n",
          "pages of WikiText");
    free(text);
}

static void
test_samples(void)
{
    static const char text[] =
        "{\"task\":\"t\",\"version\":1,\"output_type\":\"generate_until\",\"documents\":{"
        "\"splits\":{\"t\":{\"files\":[\"g\"],\"format\":\"jsonl\"}}},\"doc_to_text\":\"${q}\","
        "\"doc_to_target\":\"${a}\",\"test_split\":\"t\",\"no_answer\":\" none\","
        "\"generation_kwargs\":{\"until\":[\"\\n\"],\"max_gen_toks\":9,\"temperature\":0.5},"
        "\"metrics\":[\"exact_match\"]}";
    struct task t;
    struct task_run run;

    store(
        "g",
        "{\"q\":\"1\",\"a\":[\"it's\",\"\\\"x\\\" \\n\\u00e9\\u200b\"]}\n{\"q\":\"2\",\"a\":7}\n");
    if (!ok(task_parse(&t, "t", text, strlen(text)) == 0 &&
                task_run_make(&t, &(struct task_options){".", -1, -1, NULL, 0}, &run) == 0,
            "a task of generation %s", err_text()))
        return;
    is_int((int64_t)run.samples.len, 2, "two samples");
    is_int((int64_t)run.requests.len, 4, "of two requests each");
    is_str(run.samples.data[0].target.data, "[\"it's\", '\"x\" \\né\\u200b']",
           "a list as Python writes it");
    is_int((int64_t)run.samples.data[0].targets.len, 2, "two texts are right");
    is_str(run.samples.data[1].targets.data[0], "7", "a number is its text");
    is_int(run.requests.data[0].max_new, 9, "max_gen_toks");
    is_near(run.requests.data[0].temperature, 0.5, 0, "temperature");
    is_str(run.requests.data[1].continuation.data, " none", "and the log-likelihood of no answer");
    is_str(run.requests.data[3].id, "t/1", "named by task and document");
    is_int(run.requests.data[3].index, 1, "and by number");
    task_run_release(&run);
    task_release(&t);
}

static void
test_refused(void)
{
    fails(mem_strdup("[]"), "expected an object");
    fails(task_text(SPLITS, "\"shots\":1"), "shots: unknown key");
    fails(task_text(SPLITS, "\"num_fewshot\":1"), "expected a test_split");
    fails(task_text(SPLITS, "\"test_split\":\"dev\""), "test_split: there is no split 'dev'");
    fails(task_text(SPLITS, "\"test_split\":\"test\",\"description\":\"${x|y}\""),
          "description: there is no pipe 'y'");
    fails(task_text(SPLITS, "\"test_split\":\"test\",\"doc_to_choice\":[\"a\"]"), "doc_to_choice");
    fails(task_text(SPLITS, "\"test_split\":\"test\",\"generation_kwargs\":{}"),
          "generation_kwargs: is for generate_until");
    fails(task_text("\"t\":{\"files\":[\"../e\"],\"format\":\"jsonl\"}", "\"test_split\":\"t\""),
          "a file name may not have");
    fails(task_text("\"t\":{\"files\":[\"/etc/passwd\"],\"format\":\"jsonl\"}",
                    "\"test_split\":\"t\""),
          "may not begin with /");
    fails(task_text("\"t\":{\"files\":[\"e\"],\"format\":\"csv\"}", "\"test_split\":\"t\""),
          "'csv' is not supported");
    fails(task_text("\"t\":{\"files\":[\"e\"],\"format\":\"jsonl\",\"fraction\":0}",
                    "\"test_split\":\"t\""),
          "must be above 0");
    fails(task_text("\"t\":{\"files\":[\"nowhere\"],\"format\":\"jsonl\"}", "\"test_split\":\"t\""),
          "no such file there: nowhere");
    fails(task_text(SPLITS, "\"test_split\":\"test\",\"pipes\":{\"a\":[\"b\"]}"),
          "there is no pipe 'b'");
    fails(task_text(SPLITS, "\"test_split\":\"test\",\"fewshot_config\":{\"sampler\":\"best\"}"),
          "'best' is not supported");
}

static void
data_refused(const char *format, const char *data, const char *why)
{
    char *split = mem_printf("\"t\":{\"files\":[\"bad\"],\"format\":%s}", format);

    store("bad", data);
    fails(task_text(split, "\"test_split\":\"t\""), why);
    free(split);
}

static void
test_info(void)
{
    static const char text[] =
        "{\"task\":\"t\",\"version\":2,\"about\":\"A\\u001b[1m\",\"output_type\":"
        "\"loglikelihood\",\"documents\":{\"published\":\"here\",\"license\":\"free\",\"splits\":{"
        "\"e\":{\"files\":[[\"a\",\"b\"]],\"format\":\"jsonl\"}}},\"doc_to_text\":\"\","
        "\"doc_to_target\":\"\",\"test_split\":\"e\",\"metrics\":[\"acc\"]}";
    struct task t;
    struct str out = {0};

    if (!ok(task_parse(&t, "t", text, strlen(text)) == 0, "a task to describe"))
        return;
    task_info(&t, &out);
    is_str(out.data,
           "t, version 2\nA?[1m\nasks for: log-likelihood of the target, 0 examples\n"
           "metrics: acc\nfiles below --data:\n  e: JSON lines, evaluated\n    a\n    or b\n"
           "published: here\nlicense: free\n",
           "what people read of it, without control bytes");
    str_release(&out);
    task_release(&t);
}

/* A NUL byte, which stores of C strings cannot make. */
static void
test_nul(void)
{
    static const char bytes[] = "<a><b>x\0y</b></a>";

    if (file_store("bad", bytes, sizeof bytes - 1) < 0)
        abort();
    fails(task_text("\"t\":{\"files\":[\"bad\"],\"format\":\"xml\",\"rows\":\"a.b\"}",
                    "\"test_split\":\"t\""),
          "a NUL byte");
}

static void
test_data_refused(void)
{
    data_refused("\"jsonl\"", "{\"q\":\"1\",\"a\":\"b\"}\n[]\n", "bad: line 2: expected an object");
    data_refused("\"jsonl\"", "{\"q\":1", "bad: line 1");
    data_refused("\"jsonl\"", "{\"q\":\"1\"}\n", "document 0: doc_to_target: ${a}");
    data_refused("\"jsonl\"", "", "no documents in the split t");
    data_refused("\"json\"", "[1]", "expected objects");
    data_refused("\"json\",\"rows\":\"x.y\"", "{\"x\":[{}]}", "without the 'y'");
    data_refused("\"tsv\",\"columns\":[\"q\",\"a\"]", "1\t2\t3\n", "line 1: 3 cells, expected 2");
    data_refused("\"tsv\",\"columns\":[\"q\",\"a\"]", "\xff\t2\n", "line 1: not UTF-8");
    data_refused("\"xwinograd\"", "jp\tx\n", "2 cells, expected 7");
    data_refused("\"xwinograd\"", "jp\tx\t?\ta b\t[\"a\",\"c\"]\t[\"c\",[1,2]]\t[]\n",
                 "the token is not in the sentence");
    data_refused("\"xml\",\"rows\":\"a.b\"", "<a><b></a>", "an end tag of another name");
    data_refused("\"xml\",\"rows\":\"a.b\"", "<!DOCTYPE a []><a/>", "a document type");
    data_refused("\"xml\",\"rows\":\"a.b\"", "<a>&x;</a>", "an unknown entity");
    data_refused("\"xml\",\"rows\":\"a.b\"", "<a b='1' b='2'/>", "an attribute twice");
    data_refused("\"xml\",\"rows\":\"a.b\"", "<a>\n<b", "line 2: a start tag does not end");
    data_refused("\"xml\",\"rows\":\"a.b\"", "<a/>x", "text behind the root element");
}

int
main(void)
{
    test_draws();
    test_exclusion();
    test_stratified();
    test_formats();
    test_tables();
    test_samples();
    test_refused();
    test_data_refused();
    test_nul();
    test_info();
    return done();
}
