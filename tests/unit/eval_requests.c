/* eval/request.h: lines out and in, and what is refused. Expected texts follow the header's form. */
#include "eval/request.h"

#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/unit/tap.h"

static const char whole[] =
    "{\"id\":\"a/0\",\"index\":0,\"ctx\":\"質問\",\"cont\":\" x\\n\"}\n"
    "{\"id\":\"a/0\",\"index\":1,\"ctx\":\"\",\"cont\":\"y\",\"encode\":\"separate\","
    "\"add_bos_token\":false}\n"
    "{\"id\":\"b\",\"index\":0,\"ctx\":\"Q\",\"until\":[\"\\n\\n\",\".\"],\"max_new\":7,"
    "\"temperature\":0.5,\"top_p\":0.9,\"top_k\":3,\"repetition_penalty\":1.5}\n"
    "{\"id\":\"c\",\"index\":0,\"text\":\"a\\u0000b\",\"add_bos_token\":true}\n";

static void
store(const char *path, const char *text)
{
    if (file_store(path, text, strlen(text)) < 0)
        abort();
}

static void
test_round_trip(void)
{
    request_list list;
    struct str out = {0};

    store("requests", whole);
    ok(requests_load("requests", &list) == 0, "requests are read%s%s", err_text()[0] ? ": " : "",
       err_text());
    is_int((int64_t)list.len, 4, "four requests");
    for (size_t i = 0; i < list.len; i++)
        request_write(&list.data[i], &out);
    is_str(out.data, whole, "and written as they were");
    is_int(list.data[3].type, REQUEST_ROLLING, "a text is rolled over");
    is_int((int64_t)list.data[3].continuation.len, 3, "it may have a NUL");
    is_int(list.data[2].max_new, 7, "max_new");
    is_int(list.data[1].add_bos_token, BOS_NO, "add_bos_token false");
    str_release(&out);
    requests_release(&list);
}

static void
test_defaults(void)
{
    request_list list;

    store("requests", "\n{\"ctx\":\"a\",\"cont\":\"b\"}\r\n{\"ctx\":\"a\",\"until\":[]}");
    ok(requests_load("requests", &list) == 0, "id and index may be left out");
    if (list.len != 2)
        return;
    is_str(list.data[0].id, "2", "the id is the line's number");
    is_int(list.data[1].max_new, 0, "no max_new");
    is_near(list.data[1].top_p, 1, 0, "top_p 1");
    requests_release(&list);
}

static void
test_results(void)
{
    static const char results[] =
        "{\"id\":\"c\",\"index\":0,\"log_likelihood\":-3.5,\"tokens\":3}\n"
        "{\"id\":\"b\",\"index\":0,\"text\":\"答え\",\"tokens\":2}\n"
        "{\"id\":\"a/0\",\"index\":1,\"log_likelihood\":null,\"is_greedy\":true,\"tokens\":1}\n"
        "{\"id\":\"a/0\",\"index\":0,\"log_likelihood\":-0.1,\"is_greedy\":false,\"tokens\":2}\n";
    request_list list;
    result_list found;
    struct str out = {0};

    store("requests", whole);
    store("results", results);
    if (!ok(requests_load("requests", &list) == 0 && results_load("results", &list, &found) == 0,
            "results in any order: %s", err_text()))
        return;
    is_near(found.data[0].log_likelihood, -0.1, 0, "each at its request's place");
    ok(isnan(found.data[1].log_likelihood), "null is NaN");
    is_str(found.data[2].text.data, "答え", "a text");
    for (size_t i = list.len; i-- > 0;)
        if (i != 1 && i != 0)
            result_write(&list.data[i], &found.data[i], &out);
    result_write(&list.data[1], &found.data[1], &out);
    result_write(&list.data[0], &found.data[0], &out);
    is_str(out.data, results, "written as they were");
    str_release(&out);
    results_release(&found);
    requests_release(&list);
}

static void
refused(const char *line, const char *why)
{
    request_list list;

    store("requests", line);
    if (ok(requests_load("requests", &list) < 0, "refused: %s", why)) {
        is_int(err_status(), STATUS_INPUT, "  as bad input");
        if (!ok(strstr(err_text(), why) != NULL, "  saying so"))
            diag("%s", err_text());
    }
    requests_release(&list);
    err_clear();
}

static void
test_refused(void)
{
    refused("{\"ctx\":\"a\",\"cont\":\"b\",\"extra\":1}", "extra");
    refused("{\"ctx\":\"a\",\"cont\":\"b\",\"max_new\":1}", "max_new");
    refused("{\"ctx\":\"a\"}", "expected one of");
    refused("{\"ctx\":\"a\",\"cont\":\"b\",\"until\":[]}", "expected one of");
    refused("{\"text\":\"a\",\"ctx\":\"b\"}", "ctx");
    refused("{\"cont\":\"a\"}", "ctx");
    refused("{\"ctx\":\"a\",\"until\":[\"\"]}", "until[0]");
    refused("{\"ctx\":\"a\",\"until\":[],\"max_new\":0}", "max_new");
    refused("{\"ctx\":\"a\",\"until\":[],\"top_p\":0}", "must be above 0");
    refused("{\"ctx\":\"a\",\"until\":[],\"temperature\":-1}", "must be at least 0");
    refused("{\"ctx\":\"a\",\"cont\":\"b\",\"encode\":\"both\"}", "encode");
    refused("{\"ctx\":\"a\",\"cont\":\"b\",\"add_bos_token\":1}", "add_bos_token");
    refused(
        "{\"id\":\"x\",\"ctx\":\"a\",\"cont\":\"b\"}\n{\"id\":\"x\",\"ctx\":\"a\",\"cont\":\"c\"}",
        "two requests");
    refused("{\"ctx\":\"a\",\"cont\":\"b\"}\n{", "line 2");
    refused("[]", "line 1");
    refused("{\"ctx\":\"a\xff\",\"cont\":\"b\"}", "line 1");
}

static void
results_refused(const char *line, const char *why)
{
    request_list list;
    result_list found;

    store("requests", "{\"id\":\"x\",\"ctx\":\"a\",\"cont\":\"b\"}");
    store("results", line);
    if (requests_load("requests", &list) < 0)
        return;
    ok(results_load("results", &list, &found) < 0 && strstr(err_text(), why), "refused: %s (%s)",
       why, err_text());
    results_release(&found);
    requests_release(&list);
    err_clear();
}

static void
test_results_refused(void)
{
    static const char good[] = "{\"id\":\"x\",\"log_likelihood\":-1,\"is_greedy\":true}\n";
    char *twice = mem_printf("%s%s", good, good);

    results_refused("", "no result for");
    results_refused(twice, "a second result");
    results_refused("{\"id\":\"y\",\"log_likelihood\":-1,\"is_greedy\":true}", "no request with");
    results_refused("{\"id\":\"x\",\"is_greedy\":true}", "log_likelihood");
    results_refused("{\"id\":\"x\",\"log_likelihood\":-1}", "is_greedy");
    results_refused("{\"id\":\"x\",\"log_likelihood\":-1,\"is_greedy\":true,\"text\":\"\"}",
                    "text");
    results_refused("{\"id\":\"x\",\"tokens\":3}", "is_greedy");
    free(twice);
}

int
main(void)
{
    test_round_trip();
    test_defaults();
    test_results();
    test_refused();
    test_results_refused();
    return done();
}
