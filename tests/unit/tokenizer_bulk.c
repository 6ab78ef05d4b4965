/*
 * The vocabulary and merges of a tokenizer.json, read straight from its text: what is
 * well-formed gives the same as a JSON document, anything else is left to that.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "tokenizer/bulk.h"

static const char good[] =
    " {\"version\":\"1.0\", \"normalizer\":{\"model\":{\"vocab\":[\"}\",\"\\\"\"]}},\n"
    "\"model\" : {\"type\":\"BPE\",\"vocab\" : { \"a\" : 0 ,\"b\":1,\n\t\"\xE6\xBC\xA2\":2,"
    "\"\\u6f22b\":3,\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":4,\"\\ud83d\\ude00\":70000,\"!\":5},"
    "\"x\":[{\"merges\":1}],\"merges\":[ [\"a\" ,\"b\"],[\"\\u00e9\",\"\"]\n] } , \"z\":null}\n";

static bool
has(const struct bulk *b, uint32_t id, const char *text)
{
    size_t n = 0;
    const char *s = vocab_get(&b->vocab, id, &n);
    return s && n == strlen(text) && !memcmp(s, text, n) && vocab_find(&b->vocab, text, n) == id;
}

static void
well_formed(void)
{
    struct bulk b;
    if (!ok(bulk_read(&b, good, sizeof good - 1), "a text with space and escapes"))
        return;
    ok(b.vocab.count == 7 && has(&b, 0, "a") && has(&b, 1, "b") && has(&b, 2, "漢") &&
           has(&b, 3, "漢b") && has(&b, 4, "\"\\/\b\f\n\r\t") && has(&b, 70000, "😀") &&
           has(&b, 5, "!"),
       "its vocabulary");
    const struct bulk_merge *m = b.merges.data;
    ok(b.merges.len == 2 && m[0].left_n == 1 && *m[0].left == 'a' && m[0].right_n == 1 &&
           *m[0].right == 'b' && m[1].left_n == 2 && !memcmp(m[1].left, "é", 2) &&
           m[1].right_n == 0,
       "its merges");
    json_t *rest = json_loadb(b.rest.data, b.rest.len, 0, NULL), *model;
    json_t *whole = json_loadb(good, sizeof good - 1, 0, NULL);
    model = json_object_get(whole, "model");
    json_object_set_new(model, "vocab", json_object());
    json_object_set_new(model, "merges", json_array());
    ok(rest && json_equal(rest, whole), "the rest is the document without them");
    json_decref(rest);
    json_decref(whole);
    bulk_release(&b);

    static const char strings[] = "{\"model\":{\"merges\":[\"# b\",\"c d\"]}}";
    ok(bulk_read(&b, strings, sizeof strings - 1) && b.merges.len == 2 && !b.has_vocab &&
           *b.merges.data[1].right == 'd',
       "merges in strings");
    bulk_release(&b);
    static const char empty[] = "{\"model\":{\"vocab\":{},\"merges\":[]}}";
    ok(bulk_read(&b, empty, sizeof empty - 1) && b.vocab.count == 0 && b.merges.len == 0,
       "empty ones");
    bulk_release(&b);
}

#define VOCAB(v) "{\"model\":{\"vocab\":{" v "}}}"
#define MERGES(m) "{\"model\":{\"merges\":[" m "]}}"

static void
odd(void)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"model\":{}}",
                                        "{\"model\":{\"vocab\":[[\"a\",-1]]}}",
                                        VOCAB("\"a\":0,\"a\":1"),
                                        VOCAB("\"a\":0,\"b\":0"),
                                        VOCAB("\"a\":0,"),
                                        VOCAB("\"a\" 0"),
                                        VOCAB("\"a\":01"),
                                        VOCAB("\"a\":-1"),
                                        VOCAB("\"a\":1.0"),
                                        VOCAB("\"a\":1e1"),
                                        VOCAB("\"a\":16777216"),
                                        VOCAB("\"a\":99999999999"),
                                        VOCAB("\"a\":\"0\""),
                                        VOCAB("\"\":0"),
                                        VOCAB("\"\\ud83d\":0"),
                                        VOCAB("\"\\ude00\":0"),
                                        VOCAB("\"\\ud83dx\":0"),
                                        VOCAB("\"\\u0000\":0"),
                                        VOCAB("\"\\x\":0"),
                                        VOCAB("\"\\u12g4\":0"),
                                        VOCAB("\"\xff\":0"),
                                        VOCAB("\"\xed\xa0\xbd\":0"),
                                        VOCAB("\"\x01\":0"),
                                        VOCAB("\"\\\x01\":0"),
                                        "{\"model\":{\"vocab\":{},\"vocab\":{}}}",
                                        "{\"model\":{\"merges\":[],\"merges\":[]}}",
                                        "{\"model\":{\"vocab\":{}},\"model\":{\"vocab\":{}}}",
                                        MERGES("[\"a\",\"b\"],\"a b\""),
                                        MERGES("\"a b\",[\"a\",\"b\"]"),
                                        MERGES("[\"a\"]"),
                                        MERGES("[\"a\",\"b\",\"c\"]"),
                                        MERGES("\"ab\""),
                                        MERGES("\"a b c\""),
                                        MERGES("1"),
                                        MERGES("[\"a\",\"b\"],"),
                                        MERGES("\"#version: 0.2\""),
                                        "{\"model\":{\"merges\":[\"a b\"",
                                        "{\"model\":{\"vocab\":{\"a",
                                        "{\"model\":{\"vocab\":{\"a\\",
                                        "{\"x\":[",
                                        "{\"x\":\"\\"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct bulk b;
        bool read = bulk_read(&b, texts[i], strlen(texts[i]));
        if (!ok(!read, "left alone: %s", texts[i]))
            bulk_release(&b);
    }
}

/* Cut anywhere inside the two members it is no longer read. */
static void
truncations(void)
{
    size_t read = 0, end = (size_t)(strstr(good, "} , \"z\"") - good);
    for (size_t n = 0; n < end; n++) {
        struct bulk b;
        char *cut = strndup(good, n);
        if (bulk_read(&b, cut, n)) {
            read++;
            bulk_release(&b);
        }
        free(cut);
    }
    ok(read == 0, "%zu truncations", end);
}

int
main(void)
{
    well_formed();
    odd();
    truncations();
    return done();
}
