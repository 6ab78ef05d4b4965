/* The scanner of JSON lines: cases, and agreement with jansson on mutated lines. timeout: 120 */
#include <jansson.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "tests/unit/tap.h"
#include "text/jsonl.h"

static const struct {
    const char *field, *line;
    enum jsonl_status status;
    const char *text; /* or the fault */
} cases[] = {
    {"text", "{\"text\":\"a\"}", JSONL_TEXT, "a"},
    {"text", " \t{ \"x\" : [1,{\"text\":2}] , \"text\" : \"b\" } \r", JSONL_TEXT, "b"},
    {"text", "{\"text\":\"\"}", JSONL_TEXT, ""},
    {"text", "{\"t\\u0065xt\":\"key with an escape\"}", JSONL_TEXT, "key with an escape"},
    {"text", "{\"text\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", JSONL_TEXT, "\"\\/\b\f\n\r\t"},
    {"text", "{\"text\":\"\\u3042\\u00e9\\uD83D\\uDE00\"}", JSONL_TEXT, "あé😀"},
    {"text", "{\"text\":\"\\ud83d\\u0041\\ude00\"}", JSONL_TEXT, "�A�"},
    {"text", "{\"text\":\"\\ud83d\\ud83d\\ude00\"}", JSONL_TEXT, "�😀"},
    {"text", "{\"text\":\"\\\\\\\\\"}", JSONL_TEXT, "\\\\"},
    {"a.b", "{\"a\":{\"b\":\"x\"}}", JSONL_TEXT, "x"},
    {"a.b", "{\"b\":\"no\",\"a\":{\"c\":{\"b\":\"no\"},\"b\":\"y\"}}", JSONL_TEXT, "y"},
    {"a.b", "{\"a\":\"x\"}", JSONL_NO_FIELD, ""},
    {"a.b", "{\"a\":[{\"b\":\"x\"}]}", JSONL_NO_FIELD, ""},
    {"text", "{}", JSONL_NO_FIELD, ""},
    {"text", "{\"text\":null}", JSONL_NOT_TEXT, ""},
    {"text", "{\"text\":{\"text\":\"x\"}}", JSONL_NOT_TEXT, ""},
    {"text", "", JSONL_BLANK, ""},
    {"text", "  \r", JSONL_BLANK, ""},
    {"text", "[\"text\"]", JSONL_MALFORMED, "not an object"},
    {"text", "{\"text\":\"a\"", JSONL_MALFORMED, "',' or '}' is missing"},
    {"text", "{\"text\":\"a", JSONL_MALFORMED, "string without end"},
    {"text", "{\"text\":\"a\\\"}", JSONL_MALFORMED, "string without end"},
    {"text", "{\"text\":\"a\\x\"}", JSONL_MALFORMED, "bad escape"},
    {"text", "{\"text\":\"\\u12g4\"}", JSONL_MALFORMED, "bad escape"},
    {"text", "{\"text\":\"\\u12\"}", JSONL_MALFORMED, "bad escape"},
    {"text", "{\"text\":\"a\tb\"}", JSONL_MALFORMED, "control character in a string"},
    {"text", "{\"text\":\"a\"} x", JSONL_MALFORMED, "more behind the object"},
    {"text", "{\"text\":\"a\",}", JSONL_MALFORMED, "a key is missing"},
    {"text", "{\"text\" \"a\"}", JSONL_MALFORMED, "':' is missing"},
    {"text", "{\"text\":\"a\",\"text\":\"b\"}", JSONL_MALFORMED, "the field comes twice"},
    {"text", "{\"n\":01,\"text\":\"a\"}", JSONL_MALFORMED, "',' or '}' is missing"},
    {"text", "{\"n\":1.,\"text\":\"a\"}", JSONL_MALFORMED, "bad number"},
    {"text", "{\"n\":NaN,\"text\":\"a\"}", JSONL_MALFORMED, "not a value"},
    {"text", "{\"n\":[1,2}],\"text\":\"a\"}", JSONL_MALFORMED, "',' or a bracket is missing"},
    {"text", "{\"n\":[],\"m\":{},\"o\":[[{}],-0.5e+7,true,false,null],\"text\":\"a\"}", JSONL_TEXT, "a"},
};

static void
test_cases(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jsonl_field f;
        struct jsonl_result r;
        struct str out = {0};
        jsonl_field_init(&f, cases[i].field);
        enum jsonl_status s = jsonl_text(&f, cases[i].line, strlen(cases[i].line), &out, &r);
        const char *got = s == JSONL_MALFORMED ? r.fault : out.data ? out.data : "";
        if (s != cases[i].status)
            diag("status %d, want %d", (int)s, (int)cases[i].status);
        is_str(s == cases[i].status ? got : "?", cases[i].text, "%s", cases[i].line);
        str_release(&out);
        jsonl_field_release(&f);
    }
}

static void
test_depth(void)
{
    struct str line = {0}, out = {0};
    struct jsonl_field f;
    struct jsonl_result r;

    jsonl_field_init(&f, "text");
    str_adds(&line, "{\"n\":");
    for (int i = 0; i < 100000; i++)
        str_adds(&line, i % 2 ? "[" : "{\"a\":");
    ok(jsonl_text(&f, line.data, line.len, &out, &r) == JSONL_MALFORMED &&
           !strcmp(r.fault, "nested too deeply"),
       "deep nesting is refused, not recursed into");
    str_release(&line);
    jsonl_field_release(&f);
}

/* What jansson refuses and this scanner, by its contract, does not look at. */
static bool
is_beyond(const char *error)
{
    static const char *const known[] = {"UTF-8", "Unicode", "\\u0000", "too big", "overflow",
                                        "duplicate", "NUL", "decode byte"};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasestr(error, known[i]))
            return true;
    return false;
}

/* 0 when both agree on the line, or disagree for a known reason. */
static int
disagrees(const struct jsonl_field *f, const char *line, size_t n)
{
    struct str out = {0};
    struct jsonl_result r;
    json_error_t error;
    int bad = 0;

    enum jsonl_status s = jsonl_text(f, line, n, &out, &r);
    json_t *doc = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    const json_t *text = doc ? json_object_get(doc, "text") : NULL;
    if (doc && !json_is_object(doc))
        bad = s != JSONL_MALFORMED;
    else if (!doc)
        bad = s != JSONL_MALFORMED && s != JSONL_BLANK && !is_beyond(error.text);
    else if (!text)
        bad = s != JSONL_NO_FIELD;
    else if (!json_is_string(text))
        bad = s != JSONL_NOT_TEXT;
    else
        bad = s != JSONL_TEXT || out.len != json_string_length(text) ||
              (out.len && memcmp(out.data, json_string_value(text), out.len));
    if (bad)
        diag("status %d (%s), jansson: %s; line: %.*s", (int)s, r.fault ? r.fault : "",
             doc ? "accepts" : error.text, (int)n, line);
    json_decref(doc);
    str_release(&out);
    return bad;
}

static void
test_against_jansson(void)
{
    static const char seed[] = "{\"id\": -12.5e3, \"tags\": [\"a\", {\"text\": 1}, true, null], "
                               "\"text\": \"ab\\n\\\"c\\\\ \\u3042 \\ud83d\\ude00 \xE3\x81\x82\", "
                               "\"meta\": {\"k\": \"v\", \"e\": [], \"o\": {}}}";
    static const char alphabet[] = "{}[]\",:\\u0019aedtrfn \n.-+E\x01\x80";
    struct jsonl_field f;
    int bad = 0, accepted = 0;

    jsonl_field_init(&f, "text");
    for (uint64_t round = 0; round < 60000; round++) {
        char line[sizeof seed + 8];
        size_t n = sizeof seed - 1;
        memcpy(line, seed, n);
        for (uint64_t k = 0; k <= round % 3; k++) {
            uint64_t x = rng_u64(7, round * 4 + k);
            size_t at = (size_t)(x >> 32) % n;
            switch (x % 3) {
            case 0:
                line[at] = alphabet[(x >> 8) % (sizeof alphabet - 1)];
                break;
            case 1:
                memmove(line + at, line + at + 1, n - at - 1);
                n--;
                break;
            default:
                memmove(line + at + 1, line + at, n - at);
                line[at] = alphabet[(x >> 8) % (sizeof alphabet - 1)];
                n++;
            }
        }
        char *exact = malloc(n); /* so that a sanitizer sees any byte beyond */
        memcpy(exact, line, n);
        bad += bad < 5 ? disagrees(&f, exact, n) : 0;
        struct str out = {0};
        struct jsonl_result r;
        accepted += jsonl_text(&f, exact, n, &out, &r) != JSONL_MALFORMED;
        str_release(&out);
        free(exact);
    }
    is_int(bad, 0, "60000 mutated lines: as jansson has it (%d well formed)", accepted);
    ok(accepted > 3000 && accepted < 57000, "of both kinds there were enough");
    jsonl_field_release(&f);
}

int
main(void)
{
    test_cases();
    test_depth();
    test_against_jansson();
    return done();
}
