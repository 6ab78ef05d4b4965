/* json/json.h and json/write.h: what is refused, where errors are placed, what is written. */
#include "json/json.h"

#include "base/err.h"
#include "json/write.h"
#include "tests/unit/tap.h"

static void
refused(const char *text, const char *message)
{
    struct json_doc doc;

    ok(json_doc_parse(&doc, "x", text, strlen(text)) == -1 && err_status() == STATUS_INPUT,
       "refused: %.30s", text);
    if (message)
        is_str(err_text(), message, "with a message");
}

static void
test_strict(void)
{
    char deep[400] = {0};
    struct json_doc doc;

    refused("{\"a\":1,\n\"a\":2}", "x: line 2: not JSON: duplicate object key near '\"a\"'");
    refused("", NULL);
    refused("[1] x", NULL);
    refused("[1,]", NULL);
    refused("[NaN]", NULL);
    refused("[99999999999999999999]", NULL);
    refused("[\"\\ud800\"]", NULL);
    refused("[\"\xff\"]", NULL);
    refused("[1e999]", NULL);
    memset(deep, '[', 129);
    refused(deep, "x: nested more than 128 deep");
    memset(deep, '[', 128);
    memset(deep + 128, ']', 128);
    ok(json_doc_parse(&doc, "x", deep, 256) == 0, "128 levels are read");
    json_doc_release(&doc);
    ok(json_doc_parse(&doc, "x", "\"[[\\\"[[\"", 8) == 0, "brackets in strings do not nest");
    json_doc_release(&doc);
}

static void
is_error(const char *want, const char *what)
{
    is_str(err_text(), want, "%s", what);
    err_clear();
}

static void
test_getters(void)
{
    static const char text[] =
        "{\"n\":3,\"x\":0.5,\"b\":true,\"s\":\"text\",\"z\":\"a\\u0000b\",\"none\":null,\"kind\":\"linear\","
        "\"rope\":{\"list\":[1,{\"factor\":\"big\"},[2]]}}";
    struct json_doc doc;
    const json_t *root, *rope, *list, *inner;
    int64_t n = -1;
    double x = 0;
    bool b = false;
    const char *s = NULL;
    size_t length = 0;
    int kind = -1;

    ok(json_doc_parse(&doc, "config.json", text, strlen(text)) == 0, "a document");
    ok(json_root_object(&doc, &root) == 1 && json_root_array(&doc, &list) == -1, "its root");
    is_error("config.json: expected an array", "is no array");
    ok(json_get_int(&doc, root, "n", JSON_NEED, 0, 9, &n) == 1 && n == 3, "an integer");
    ok(json_get_real(&doc, root, "n", JSON_NEED, &x) == 1 && x == 3, "which is a number, too");
    ok(json_get_bool(&doc, root, "b", JSON_NEED, &b) == 1 && b, "a boolean");
    ok(json_get_string(&doc, root, "s", JSON_NEED, &s) == 1 && !strcmp(s, "text"), "a string");
    ok(json_get_bytes(&doc, root, "z", JSON_NEED, &s, &length) == 1 && length == 3, "bytes with NUL");
    ok(json_get_choice(&doc, root, "kind", JSON_NEED, "cosine|linear", &kind) == 1 && kind == 1,
       "a choice");
    ok(json_get_int(&doc, root, "none", JSON_MAY, 0, 9, &n) == 0 &&
           json_get_int(&doc, root, "absent", JSON_MAY, 0, 9, &n) == 0 && n == 3,
       "what may be absent stays");

    json_get_string(&doc, root, "z", JSON_NEED, &s);
    is_error("config.json: z: expected a string without NUL", "NUL in a C string");
    json_get_int(&doc, root, "absent", JSON_NEED, 0, 9, &n);
    is_error("config.json: absent: missing, expected an integer", "missing");
    json_get_int(&doc, root, "none", JSON_NEED, 1, INT64_MAX, &n);
    is_error("config.json: none: expected an integer ≥ 1", "null where it is needed");
    json_get_int(&doc, root, "x", JSON_MAY, 1, 5, &n);
    is_error("config.json: x: expected an integer from 1 to 5", "a fraction is no integer");
    json_get_choice(&doc, root, "s", JSON_MAY, "a|b", &kind);
    is_error("config.json: s: 'text' is not supported; known: a|b", "not a choice");

    ok(json_get_object(&doc, root, "rope", JSON_NEED, &rope) == 1 &&
           json_get_array(&doc, rope, "list", JSON_NEED, &list) == 1 &&
           json_at_object(&doc, list, 1, &inner) == 1, "containers");
    json_get_real(&doc, inner, "factor", JSON_NEED, &x);
    is_error("config.json: rope.list[1].factor: expected a number", "the place of a deep member");
    json_at_int(&doc, list, 2, 0, 9, &n);
    is_error("config.json: rope.list[2]: expected an integer from 0 to 9", "of an element");
    json_at_string(&doc, list, 3, &s);
    is_error("config.json: rope.list[3]: missing, expected a string", "past the end");
    ok(json_only_keys(&doc, rope, "list|x") == 0 && json_only_keys(&doc, rope, "lis|t") == -1,
       "unknown keys");
    is_error("config.json: rope.list: unknown key; known: lis|t", "are refused");
    json_doc_release(&doc);
}

static void
test_writer(void)
{
    struct str out = {0};
    struct json_writer w = {.out = &out};

    json_begin_object(&w, NULL);
    json_put_int(&w, "n", -3);
    json_begin_array(&w, "list");
    json_put_real(&w, NULL, 0.1);
    json_put_null(&w, NULL);
    json_begin_object(&w, NULL);
    json_end_object(&w);
    json_end_array(&w);
    json_put_key(&w, "k\0y", 3);
    json_put_string(&w, NULL, "日\n");
    json_put_bool(&w, "b", false);
    json_end_object(&w);
    is_str(out.data, "{\"n\":-3,\"list\":[0.1,null,{}],\"k\\u0000y\":\"日\\n\",\"b\":false}", "one line");
    str_clear(&out);
    w = (struct json_writer){.out = &out, .indent = 2};
    json_begin_object(&w, NULL);
    json_begin_array(&w, "a");
    json_put_uint(&w, NULL, UINT64_MAX);
    json_put_uint(&w, NULL, 0);
    json_end_array(&w);
    json_begin_object(&w, "o");
    json_end_object(&w);
    json_end_object(&w);
    /* as Python: json.dumps({"a": [2**64 - 1, 0], "o": {}}, indent=2) */
    is_str(out.data, "{\n  \"a\": [\n    18446744073709551615,\n    0\n  ],\n  \"o\": {}\n}", "indented");
    str_release(&out);
}

int
main(void)
{
    test_strict();
    test_getters();
    test_writer();
    return done();
}
