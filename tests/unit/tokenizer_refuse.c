/*
 * What a tokenizer.json must not hold is refused when it is loaded, as a faulty
 * input, with the file's name and the place.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tap.h"
#include "tokenizer/tokenizer.h"

#define MODEL(vocab, merges) \
    "\"model\":{\"type\":\"BPE\",\"vocab\":{" vocab "},\"merges\":[" merges "]}"
#define AB "\"a\":0,\"b\":1,\"ab\":2"
#define GOOD MODEL(AB, "[\"a\",\"b\"]")
#define ADDED(id, content)                                                               \
    "{\"id\":" id ",\"content\":\"" content "\",\"single_word\":false,\"lstrip\":false," \
    "\"rstrip\":false,\"normalized\":false,\"special\":true}"
#define PATTERN(regex)                                                                          \
    "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex "\"},\"behavior\":" \
    "\"Isolated\",\"invert\":false}," GOOD

#define TEMPLATE                                                                                   \
    "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"a\",\"type_id\":0}}" \
    ","                                                                                            \
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"a\":"          \
    "{\"id\":\"a\",\"ids\":[0],\"tokens\":[\"a\"]}}}"

static const struct bad {
    const char *what, *json, *place;
} bad[] = {
    {"not JSON", "{", "line 1"},
    {"an array", "[]", ""},
    {"a tekken file without a pattern", "{\"config\":{},\"vocab\":[]}", "config.pattern"},
    {"an unknown member", "{\"extra\":1," GOOD "}", "extra"},
    {"version 2", "{\"version\":\"2.0\"," GOOD "}", "version"},
    {"no model", "{\"version\":\"1.0\"}", "model"},
    {"a model that is no object", "{\"model\":3}", "model"},
    {"Unigram unk", "{\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",-1]]}}",
     "unk_id"},
    {"Unigram twice", "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1],[\"a\",-2]]}}",
     "same text"},
    {"Unigram no score", "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", "score"},
    {"an unknown model", "{\"model\":{\"type\":\"Word\",\"vocab\":{}}}", "model.type"},
    {"WordPiece without its members", "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}",
     "model.unk_token"},
    {"WordLevel without its members", "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"u\"}}",
     "model.vocab"},
    {"a model without merges", "{\"model\":{\"type\":\"BPE\",\"vocab\":{" AB "}}}", "model.merges"},
    {"dropout", "{\"model\":{\"dropout\":0.1,\"vocab\":{" AB "},\"merges\":[]}}", "model.dropout"},
    {"an unknown unk", "{\"model\":{\"unk_token\":\"u\",\"vocab\":{" AB "},\"merges\":[]}}",
     "unk_token"},
    {"a huge id", "{" MODEL("\"a\":16777216", "") "}", "model.vocab.a"},
    {"a negative id", "{" MODEL("\"a\":-1", "") "}", "model.vocab.a"},
    {"a real id", "{" MODEL("\"a\":1.5", "") "}", "model.vocab.a"},
    {"an id beyond 64 bits", "{" MODEL("\"a\":123456789012345678901", "") "}", "line 1"},
    {"an id twice", "{" MODEL("\"a\":0,\"b\":0", "") "}", "stands twice"},
    {"a text twice", "{" MODEL("\"a\":0,\"a\":1", "") "}", "line 1"},
    {"a merge of unknown tokens", "{" MODEL(AB, "[\"a\",\"c\"]") "}", "model.merges[0]"},
    {"a merge to an unknown token", "{" MODEL(AB, "[\"b\",\"a\"]") "}", "\"ba\""},
    {"a merge twice", "{" MODEL(AB, "[\"a\",\"b\"],[\"a\",\"b\"]") "}", "model.merges[1]: this merge"},
    {"an empty token", "{" MODEL("\"a\":0,\"\":1", "") "}", "id 1 is an empty token"},
    {"Unigram empty token", "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1],[\"\",-2]]}}",
     "model.vocab[1]: an empty token"},
    {"a merge of three", "{" MODEL(AB, "[\"a\",\"b\",\"a\"]") "}", "model.merges[0]"},
    {"a merge in words", "{" MODEL(AB, "\"a b a\"") "}", "model.merges[0]"},
    {"a merge without a space", "{" MODEL(AB, "\"ab\"") "}", "model.merges[0]"},
    {"mixed kinds of merges", "{" MODEL(AB, "\"a b\",[\"a\",\"b\"]") "}", "model.merges[1]"},
    {"bad UTF-8", "{" MODEL("\"\xff\":0", "") "}", "line 1"},
    {"a lone surrogate", "{" MODEL("\"\\ud83d\":0", "") "}", "line 1"},
    {"an added token's wrong id", "{\"added_tokens\":[" ADDED("7", "x") "]," GOOD "}",
     "added_tokens[0].id"},
    {"an added token's id twice",
     "{\"added_tokens\":[" ADDED("3", "x") "," ADDED("3", "y") "]," GOOD "}", "added_tokens[1].id"},
    {"an added token twice with other flags",
     "{\"added_tokens\":[" ADDED(
         "3", "x") ",{\"id\":3,\"content\":\"x\",\"single_word\":false,"
                   "\"lstrip\":true,\"rstrip\":false,\"normalized\":false,\"special\":true}]," GOOD
                   "}",
     "added_tokens[1].id"},
    {"an added token without flags", "{\"added_tokens\":[{\"id\":3,\"content\":\"x\"}]," GOOD "}",
     "added_tokens[0]"},
    {"an unknown normalizer", "{\"normalizer\":{\"type\":\"NFX\"}," GOOD "}", "normalizer.type"},
    {"a charsmap that is not base64",
     "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"A\"}," GOOD "}",
     "normalizer.precompiled_charsmap"},
    {"a charsmap that is none",
     "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}," GOOD "}",
     "charsmap"},
    {"an empty Prepend", "{\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"\"}," GOOD "}",
     "normalizer.prepend"},
    {"a template behind a template",
     "{\"post_processor\":{\"type\":\"Sequence\",\"processors\":[" TEMPLATE "," TEMPLATE "]}," GOOD
     "}",
     "post_processor.processors[1]"},
    {"an unknown key", "{\"normalizer\":{\"type\":\"NFC\",\"x\":1}," GOOD "}", "normalizer.x"},
    {"an unknown pre-tokenizer", "{\"pre_tokenizer\":{\"type\":\"Scripts\"}," GOOD "}",
     "pre_tokenizer.type"},
    {"an unknown decoder", "{\"decoder\":{\"type\":\"CTD\"}," GOOD "}", "decoder.type"},
    {"an unknown post-processor", "{\"post_processor\":{\"type\":\"X\"}," GOOD "}",
     "post_processor.type"},
    {"a template's id outside",
     "{\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"s\",9],"
     "\"cls\":[\"c\",0]}," GOOD "}",
     "id 9"},
    {"a template without a text",
     "{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[],"
     "\"pair\":[],\"special_tokens\":{}}," GOOD "}",
     "post_processor.single"},
    {"an empty pattern",
     "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"\"},"
     "\"behavior\":\"Isolated\",\"invert\":false}," GOOD "}",
     "pre_tokenizer.pattern"},
    {"a back-reference", "{" PATTERN("(a)\\\\1") "}", "pre_tokenizer.pattern.Regex"},
    {"a named group", "{" PATTERN("(?<x>a)") "}", "at byte 0"},
    {"a word border", "{" PATTERN("\\\\bx") "}", "\\b"},
    {"an unknown script", "{" PATTERN("\\\\p{Nonsense}") "}", "compile"},
    {"a POSIX class", "{" PATTERN("[[:alpha:]]") "}", "POSIX"},
    {"letters that fold together", "{" PATTERN("(?i:ss)") "}", "(?i:"},
    {"an unfinished class", "{" PATTERN("[a") "}", "class"},
    {"an unfinished group", "{" PATTERN("(a") "}", ") expected"},
    {"a stray parenthesis", "{" PATTERN("a)") "}", ") without ("},
    {"nothing repeated", "{" PATTERN("*a") "}", "quantifier"},
    {"look-behind of any length", "{" PATTERN("(?<=a+)b") "}", "compile"},
};

static void
refused(const struct bad *b, const char *json, size_t n)
{
    struct tokenizer *t = tokenizer_load_json("file.json", json, n);
    bool right = !t && err_status() == STATUS_INPUT && str_starts(err_text(), "file.json: ") &&
                 strstr(err_text(), b->place);
    if (!ok(right, "refused: %s", b->what))
        diag("%s", t ? "it was taken" : err_text());
    tokenizer_free(t);
}

/* Nested arrays and groups deeper than any stack. */
static void
deep(void)
{
    enum { DEPTH = 200000 };
    struct str json = {0};
    struct bad b = {"deep JSON", "", "deep"};
    str_adds(&json, "{\"normalizer\":");
    for (int i = 0; i < DEPTH; i++)
        str_adds(&json, "[");
    refused(&b, json.data, json.len);
    str_clear(&json);
    str_adds(&json, "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"");
    for (int i = 0; i < DEPTH; i++)
        str_addc(&json, '(');
    str_adds(&json, "\"},\"behavior\":\"Isolated\",\"invert\":false}," GOOD "}");
    b = (struct bad){"a deep pattern", "", "nested too deep"};
    refused(&b, json.data, json.len);
    str_clear(&json);
    for (int i = 0; i < 60; i++)
        str_adds(&json, i ? "{\"type\":\"Sequence\",\"normalizers\":["
                          : "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    for (int i = 0; i < 60; i++)
        str_adds(&json, "]}");
    str_adds(&json, "," GOOD "}");
    b = (struct bad){"sequences of sequences", "", "normalizer"};
    refused(&b, json.data, json.len);
    str_release(&json);
}

static void
other_files(void)
{
    static const struct {
        const char *name, *bytes, *place;
    } files[] = {{"t.model", "\n\x05<unk>", "SentencePiece"},
                 {"t.tiktoken", "IQ== 0\n", "tiktoken"},
                 {"t.txt", "hello", "not a tokenizer.json"},
                 {"empty", "", "not a tokenizer.json"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        file_store(files[i].name, files[i].bytes, strlen(files[i].bytes));
        struct tokenizer *t = tokenizer_load(files[i].name);
        ok(!t && err_status() == STATUS_INPUT && strstr(err_text(), files[i].place),
           "refused: %s (%s)", files[i].name, t ? "taken" : err_text());
        tokenizer_free(t);
    }
    ok(!tokenizer_load("absent.json") && err_status() == STATUS_FAILED, "a missing file: %s",
       err_text());
}

/* Cut anywhere, a file is refused and nothing worse. */
static void
truncations(void)
{
    static const char json[] = "{\"added_tokens\":[" ADDED(
        "3", "x") "],\"normalizer\":{\"type\":\"NFC\"},"
                  "\"decoder\":{\"type\":\"Fuse\"}," GOOD "}";
    size_t taken = 0;
    for (size_t n = 0; n + 1 < sizeof json; n++) {
        struct tokenizer *t = tokenizer_load_json("cut", json, n);
        taken += t || err_status() != STATUS_INPUT;
        tokenizer_free(t);
    }
    struct tokenizer *t = tokenizer_load_json("whole", json, sizeof json - 1);
    ok(taken == 0 && t, "%zu truncations are refused, the whole is not", sizeof json - 1);
    tokenizer_free(t);
}

/* Bytes changed at random: refused, or a tokenizer that works. */
static void
damage(void)
{
    static const char json[] = "{\"added_tokens\":[" ADDED(
        "3", "x") "],\"normalizer\":{\"type\":\"Replace\",\"pattern\":"
                  "{\"Regex\":\"(?<=a)[b-d&&[^c]]{1,3}+\"},\"content\":\"b\"},\"pre_tokenizer\":{"
                  "\"type\":"
                  "\"Split\",\"pattern\":{\"Regex\":\" "
                  "?[^\\\\s\\\\p{L}]+|\\\\w+?\"},\"behavior\":\"Removed\","
                  "\"invert\":true},\"decoder\":{\"type\":\"Strip\",\"content\":\"a\",\"start\":1,"
                  "\"stop\":2}," GOOD "}";
    static const char text[] = "ab xabcd\xe3\x81\x82 aa";
    enum { ROUNDS = 10000 };
    uint64_t key = rng_key(1, "damage");
    size_t taken = 0;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        char *copy = mem_dup(json, sizeof json);
        for (uint64_t j = 0; j <= i % 3; j++)
            copy[rng_u64(key, 6 * i + 2 * j) % (sizeof json - 1)] =
                (char)(32 + rng_u64(key, 6 * i + 2 * j + 1) % 95);
        struct tokenizer *t = tokenizer_load_json("damaged", copy, sizeof json - 1);
        if (t) {
            struct tokenizer_scratch *s = tokenizer_scratch_new(t);
            struct ids ids = {0};
            struct str back = {0};
            if (tokenizer_encode(t, s, text, sizeof text - 1, 0, &ids) == 0)
                tokenizer_decode(t, ids.data, ids.len, true, &back);
            taken += ids.len <= 64;
            vec_release(&ids);
            str_release(&back);
            tokenizer_scratch_free(s);
            tokenizer_free(t);
        }
        free(copy);
    }
    ok(taken > 0 && taken < ROUNDS, "%d damaged files: %zu still work, the others are refused",
       ROUNDS, taken);
}

int
main(void)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(&bad[i], bad[i].json, strlen(bad[i].json));
    deep();
    other_files();
    truncations();
    damage();
    return done();
}
