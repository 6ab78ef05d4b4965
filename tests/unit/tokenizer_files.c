/*
 * What stands around the vocabulary: special ids by their order of authority, the
 * files that make up a tokenizer, its fingerprint, the flags of encoding.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "tap.h"
#include "tokenizer/tokenizer.h"

/* clang-format off */
#define ADDED(id, content, special) \
    "{\"id\":" id ",\"content\":\"" content "\",\"single_word\":false,\"lstrip\":false," \
    "\"rstrip\":false,\"normalized\":false,\"special\":" special "}"
#define BYTE \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"
#define SPECIAL(t) "{\"SpecialToken\":{\"id\":\"" t "\",\"type_id\":0}}"
#define IDS(t, id) "\"" t "\":{\"id\":\"" t "\",\"ids\":[" id "],\"tokens\":[\"" t "\"]}"
#define TEMPLATE \
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[" SPECIAL("<b>") \
    ",{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}," SPECIAL("<e>") "],\"pair\":[]," \
    "\"special_tokens\":{" IDS("<b>", "5") "," IDS("<e>", "6") "}},"
#define TOKENS \
    "\"added_tokens\":[" ADDED("5", "<b>", "true") "," ADDED("6", "<e>", "true") "," \
    ADDED("7", "</s>", "true") "," ADDED("8", "plain", "false") "],"
#define REST \
    "\"pre_tokenizer\":" BYTE ",\"decoder\":" BYTE ",\"model\":{\"type\":\"BPE\"," \
    "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\xC4\xA0\":3,\"\xC4\xA0" \
    "ab\":4},\"merges\":[\"a b\",\"\xC4\xA0 ab\"]}}"
/* clang-format on */

static const char with_template[] = "{" TOKENS TEMPLATE REST;
static const char without_template[] = "{" TOKENS REST;

static struct tokenizer *
load(const char *json)
{
    struct tokenizer *t = tokenizer_load_json("t.json", json, strlen(json));
    if (!t)
        diag("%s", err_text());
    return t;
}

static struct tokenizer *
load_stored(const char *json, const char *config)
{
    file_mkdirs("dir");
    file_store("dir/tokenizer.json", json, strlen(json));
    if (config)
        file_store("dir/tokenizer_config.json", config, strlen(config));
    struct tokenizer *t = tokenizer_load("dir");
    if (!t)
        diag("%s", err_text());
    return t;
}

static void
special_ids(void)
{
    struct tokenizer *t = load(with_template);
    const struct tokenizer_specials *s = tokenizer_specials(t);
    ok(s->bos == 5 && s->eos == 6 && s->pad == TOKEN_NONE && s->unk == TOKEN_NONE,
       "the post-processor says what begins and ends");
    ok(tokenizer_set_specials(t, "none", "ab") == 0 && s->bos == TOKEN_NONE && s->eos == 2,
       "a token's text and none");
    ok(tokenizer_set_specials(t, "1", NULL) == 0 && s->bos == 1 && s->eos == 2, "an id");
    ok(tokenizer_set_specials(t, "nonsense", NULL) < 0 && err_status() == STATUS_USAGE,
       "refused: %s", err_text());
    ok(tokenizer_set_specials(t, NULL, "9") < 0 && err_status() == STATUS_USAGE,
       "an id beyond the vocabulary is refused");
    tokenizer_free(t);

    t = load(without_template);
    s = tokenizer_specials(t);
    ok(s->bos == TOKEN_NONE && s->eos == 7, "without it, a well-known name");
    tokenizer_free(t);

    t = load_stored(with_template, "{\"bos_token\":null,\"eos_token\":{\"content\":\"</s>\"},"
                                   "\"pad_token\":\"plain\",\"unk_token\":\"absent\","
                                   "\"model_max_length\":1000000000000000019884624838656}");
    s = tokenizer_specials(t);
    ok(s->bos == TOKEN_NONE && s->eos == 7 && s->pad == 8 && s->unk == TOKEN_NONE,
       "tokenizer_config.json goes before the post-processor");
    tokenizer_free(t);
    file_store("dir/tokenizer_config.json", "{", 1);
    ok(!tokenizer_load("dir") && err_status() == STATUS_INPUT, "a faulty one is refused: %s",
       err_text());
}

static void
kept_files(void)
{
    static const char config[] = "{\"eos_token\":\"</s>\"}";
    struct tokenizer *t = load_stored(with_template, config);
    file_store("dir/chat_template.jinja", "{{x}}", 5);
    tokenizer_free(t);
    t = tokenizer_load("dir/tokenizer.json");
    const struct tokenizer_file *files;
    size_t n = tokenizer_files(t, &files);
    ok(n == 3 && !strcmp(files[0].name, "tokenizer.json") &&
           files[0].size == sizeof with_template - 1 &&
           !memcmp(files[0].data, with_template, files[0].size) &&
           !strcmp(files[1].name, "tokenizer_config.json") && files[1].size == sizeof config - 1 &&
           !strcmp(files[2].name, "chat_template.jinja"),
       "the files of a tokenizer");
    tokenizer_free(t);
}

/* SHARD.md, by hand: kind, and for ordinary tokens length and decoded bytes. */
static void
fingerprint(void)
{
    static const char bytes[] = "\0\1\0\0\0a"
                                "\0\1\0\0\0b"
                                "\0\2\0\0\0ab"
                                "\0\1\0\0\0 "
                                "\0\3\0\0\0 ab"
                                "\2\2\2"
                                "\0\5\0\0\0plain";
    struct hash128 want = hash128(bytes, sizeof bytes - 1);
    uint8_t got[16];
    uint64_t low, high;
    struct tokenizer *t = load(with_template), *u = load(without_template);
    tokenizer_fingerprint(t, got);
    memcpy(&low, got, 8);
    memcpy(&high, got + 8, 8);
    ok(low == want.low && high == want.high, "the fingerprint is that of SHARD.md");
    uint8_t other[16];
    tokenizer_fingerprint(u, other);
    ok(!memcmp(got, other, 16), "it does not depend on the post-processor");
    tokenizer_free(t);
    tokenizer_free(u);
}

static bool
encodes(const struct tokenizer *t, const char *text, int flags, const char *want)
{
    struct tokenizer_scratch *s = tokenizer_scratch_new(t);
    struct ids ids = {0};
    struct str got = {0};
    tokenizer_encode(t, s, text, strlen(text), flags, &ids);
    for (size_t i = 0; i < ids.len; i++)
        str_addf(&got, i ? " %u" : "%u", ids.data[i]);
    bool same = !strcmp(got.data ? got.data : "", want);
    if (!same)
        diag("got %s", got.data ? got.data : "");
    tokenizer_scratch_free(s);
    vec_release(&ids);
    str_release(&got);
    return same;
}

static void
flags(void)
{
    struct tokenizer *t = load(with_template);
    ok(encodes(t, "ab ab", 0, "2 4"), "plain");
    ok(encodes(t, "ab ab", ENCODE_POST_PROCESS, "5 2 4 6"), "post-processed");
    ok(encodes(t, "ab ab", ENCODE_POST_PREFIX, "5 2 4"), "a prompt");
    ok(encodes(t, "ab</s>abplain", 0, "2 7 2 8"), "tokens written in the text");
    ok(encodes(t, "ab</s>abplain", ENCODE_NO_SPECIAL_TEXT, "2 2 8"),
       "special ones as text (whose characters this vocabulary lacks)");
    struct ids ids = {0};
    struct tokenizer_scratch *s = tokenizer_scratch_new(t);
    ok(tokenizer_encode(t, s, "a\xff", 2, 0, &ids) < 0 && err_status() == STATUS_INPUT,
       "bad UTF-8 is refused: %s", err_text());
    struct str out = {0};
    uint32_t beyond = 9;
    ok(tokenizer_decode(t, &beyond, 1, false, &out) < 0 && err_status() == STATUS_INPUT,
       "an id beyond the vocabulary: %s", err_text());
    is_int(tokenizer_vocabulary(t), 9, "largest id + 1");
    ok(tokenizer_is_special(t, 5) && !tokenizer_is_special(t, 8) && !tokenizer_is_special(t, 0),
       "special or not");
    size_t n = 0;
    const char *text = tokenizer_text(t, 4, &n);
    ok(n == 4 &&
           !memcmp(text,
                   "\xC4\xA0"
                   "ab",
                   4) &&
           !tokenizer_text(t, 9, &n),
       "texts of ids");
    tokenizer_scratch_free(s);
    vec_release(&ids);
    str_release(&out);
    tokenizer_free(t);
}

int
main(void)
{
    special_ids();
    kept_files();
    fingerprint();
    flags();
    return done();
}
