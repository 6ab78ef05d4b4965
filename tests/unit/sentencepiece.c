/*
 * SentencePiece models, built here byte by byte: ids and texts of the four algorithms
 * worked out by hand, normalization, special ids and their authority, the fingerprint.
 * (tests/peers/spm.py compares real models with the library.)
 */
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "sp_make.h"
#include "tap.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/sp_model.h"
#include "tokenizer/tokenizer.h"

#define M "\xE2\x96\x81" /* ▁ */

enum { ROOM = 16, BYTES = 11 };

/* What differs between the models; pieces beyond the common ones. */
struct spec {
    enum sp_algorithm algorithm;
    bool bytes, no_dummy, keep_extra, suffix, map, denormalize, ab_unused;
    struct {
        const char *text;
        float score;
        int type;
    } more[ROOM];
};

/* Sorted by the bytes of their keys. */
static const struct sp_rule rules[] = {
    {"A", "a"}, {"AB", "c"}, {"b\xCC\x81", "ab"}, {"x", ""}, {"\xE3\x80\x80", " "}};
static const struct sp_rule rules_back[] = {{"a", "A"}, {"bc", "b"}};

/* 0 <unk>, 1 <s>, 2 </s>, 3 ▁, 4 a, 5 b, 6 c, 7 ab, 8 ▁ab, 9 bc, 10 <sep>, then more or bytes. */
static void
make_model(const struct spec *s, struct str *out)
{
    struct str trainer = {0}, normalizer = {0}, denormalizer = {0}, blob = {0};
    sp_piece(out, "<unk>", 0, SP_UNK);
    sp_piece(out, "<s>", 0, SP_CTL);
    sp_piece(out, "</s>", 0, SP_CTL);
    sp_piece(out, M, -3, SP_NORMAL_PIECE);
    sp_piece(out, "a", -4, SP_NORMAL_PIECE);
    sp_piece(out, "b", -5, SP_NORMAL_PIECE);
    sp_piece(out, "c", -6, SP_NORMAL_PIECE);
    sp_piece(out, "ab", -1, s->ab_unused ? SP_NOT_USED : SP_NORMAL_PIECE);
    sp_piece(out, M "ab", -2, SP_NORMAL_PIECE);
    sp_piece(out, "bc", -0.5f, SP_NORMAL_PIECE);
    sp_piece(out, "<sep>", 0, SP_USER);
    for (size_t i = 0; i < ROOM && s->more[i].text; i++)
        sp_piece(out, s->more[i].text, s->more[i].score, s->more[i].type);
    if (s->bytes)
        sp_byte_pieces(out);
    if (s->algorithm != SP_UNIGRAM)
        sp_number(&trainer, 3, s->algorithm);
    sp_number(&trainer, 24, s->suffix);
    sp_number(&trainer, 35, s->bytes);
    sp_message(out, 2, &trainer);
    sp_number(&normalizer, 3, !s->no_dummy);
    sp_number(&normalizer, 4, !s->keep_extra);
    if (s->map) {
        sp_charsmap(&blob, rules, sizeof rules / sizeof *rules);
        sp_message(&normalizer, 2, &blob);
    }
    sp_message(out, 3, &normalizer);
    if (s->denormalize) {
        sp_charsmap(&blob, rules_back, sizeof rules_back / sizeof *rules_back);
        sp_message(&denormalizer, 2, &blob);
        for (unsigned field = 3; field <= 5; field++)
            sp_number(&denormalizer, field, 0);
        sp_message(out, 5, &denormalizer);
    }
}

static struct tokenizer *
load(const struct spec *s)
{
    struct str model = {0};
    make_model(s, &model);
    file_store("t.model", model.data, model.len);
    str_release(&model);
    struct tokenizer *t = tokenizer_load("t.model");
    if (!t)
        diag("%s", err_text());
    return t;
}

static void
join(const struct ids *ids, struct str *out)
{
    for (size_t i = 0; i < ids->len; i++)
        str_addf(out, i ? " %u" : "%u", ids->data[i]);
}

/* Both decoders must give the same; returns what they give, or "differ". */
static void
decode(const struct tokenizer *t, const struct ids *ids, struct str *out)
{
    struct str streamed = {0};
    struct tokenizer_stream *s = tokenizer_stream_new(t, true);
    int rc = tokenizer_decode(t, ids->data, ids->len, true, out);
    for (size_t i = 0; i < ids->len; i++)
        rc |= tokenizer_stream_add(s, ids->data[i], &streamed);
    rc |= tokenizer_stream_end(s, &streamed);
    if (rc < 0 || streamed.len != out->len ||
        (out->len && memcmp(streamed.data, out->data, out->len))) {
        diag("streamed: %s, whole: %s", streamed.data ? streamed.data : "",
             out->data ? out->data : "");
        str_clear(out);
        str_adds(out, "(they differ)");
    }
    tokenizer_stream_free(s);
    str_release(&streamed);
}

static void
encodes_flags(const struct tokenizer *t, const char *text, int flags, const char *ids,
              const char *back, const char *what)
{
    struct tokenizer_scratch *s = tokenizer_scratch_new(t);
    struct ids got = {0};
    struct str list = {0}, decoded = {0};
    if (tokenizer_encode(t, s, text, strlen(text), flags, &got) < 0)
        diag("%s", err_text());
    join(&got, &list);
    is_str(list.data ? list.data : "", ids, "%s: '%s'", what, text);
    if (back) {
        decode(t, &got, &decoded);
        is_str(decoded.data ? decoded.data : "", back, "%s: '%s' and back", what, text);
    }
    tokenizer_scratch_free(s);
    vec_release(&got);
    str_release(&list);
    str_release(&decoded);
}

static void
encodes(const struct spec *spec, const char *text, const char *ids, const char *back,
        const char *what)
{
    struct tokenizer *t = load(spec);
    if (ok(t != NULL, "%s: loads", what))
        encodes_flags(t, text, 0, ids, back, what);
    tokenizer_free(t);
}

static void
algorithms(void)
{
    static const struct spec bpe = {.algorithm = SP_BPE}, bytes = {SP_BPE, .bytes = true},
                             unigram = {.algorithm = SP_UNIGRAM}, chars = {.algorithm = SP_CHAR},
                             words = {.algorithm = SP_WORD},
                             word_bytes = {SP_WORD, .bytes = true, .no_dummy = true};
    encodes(&bpe, "abc", "3 4 9", "abc", "BPE takes the higher score");
    encodes(&bpe, "ab", "8", "ab", "BPE");
    encodes(&bpe, "ab<sep>ab", "8 10 7", "ab<sep>ab", "BPE, a user-defined symbol");
    encodes(&bpe, "xyab", "3 0 7", " \xE2\x81\x87 ab", "BPE, unknown characters are one");
    encodes(&bpe, "<s>ab</s>", "3 0 7 0", NULL, "BPE, control pieces are no text");
    encodes(&bytes, "x\xE3\x81\x82", "3 131 238 140 141", "x\xE3\x81\x82", "BPE, bytes");
    encodes(&bytes, "<0x41>", "3 71 59 131 63 60 73", "<0x41>", "BPE, byte pieces are no text");
    encodes(&unigram, "abc", "3 4 9", "abc", "Unigram");
    encodes(&unigram, "ab ab<sep>x", "8 8 10 0", "ab ab<sep> \xE2\x81\x87 ", "Unigram");
    encodes(&chars, "ab <sep>xyc", "3 4 5 3 10 0 6", "ab <sep> \xE2\x81\x87 c", "characters");
    encodes(&words, "ab abx yy ab", "8 0 8", "ab \xE2\x81\x87  ab", "words");
    encodes(&word_bytes, "ab x", "7 237 161 140 131", "ab" M "x", "words, bytes");
    for (int i = SP_UNIGRAM; i <= SP_CHAR; i++)
        encodes(&(struct spec){.algorithm = (enum sp_algorithm)i}, "", "", "", "nothing");
}

static void
normalization(void)
{
    static const struct spec plain = {.algorithm = SP_BPE}, keep = {SP_BPE, .keep_extra = true},
                             bare = {SP_BPE, .no_dummy = true, .keep_extra = true},
                             suffix = {SP_BPE, .suffix = true}, map = {SP_BPE, .map = true},
                             back_map = {SP_BPE, .denormalize = true};
    encodes(&plain, "  a  b  ", "3 4 3 5", "a b", "extra spaces go");
    encodes(&plain, "   ", "", "", "only spaces");
    encodes(&keep, " a  b ", "3 3 4 3 3 5 3", " a  b ", "extra spaces stay");
    encodes(&bare, "ab ab", "7 8", "ab ab", "no dummy space");
    encodes(&bare, " ab", "8", " ab", "no dummy space to take away");
    encodes(&suffix, "ab c", "7 3 6 3", "ab c ", "the dummy space behind");
    encodes(&map, "AB", "3 6", "c", "the longest key");
    encodes(&map, "A\xE3\x80\x80\xE3\x80\x80 b", "3 4 3 5", "a b", "spaces made by the map");
    encodes(&map, "b\xCC\x81 ab", "8 8", "ab ab", "a key of two characters");
    encodes(&map, "x", "", "", "a text that goes away");
    encodes(&map, "xab", "8", "ab", "a character that goes away");
    encodes(&map, "ax\xE3\x81\x82", "3 4 0", NULL, "beside an unknown one");
    encodes(&back_map, "abc", "3 4 9", "Ab", "a map for decoding");
}

/* What SentencePiece does where scores are equal or pieces UNUSED. */
static void
odd_models(void)
{
    static const struct spec runs = {.algorithm = SP_BPE,
                                     .keep_extra = true,
                                     .no_dummy = true,
                                     .more = {{M M, -9, 1}, {M M M, -9, 1}}},
                             ties = {.algorithm = SP_BPE,
                                     .no_dummy = true,
                                     .more = {{"ca", -0.5f, 1}, {"cab", -7, 1}}},
                             unused = {.algorithm = SP_BPE, .no_dummy = true, .ab_unused = true},
                             lone = {
                                 .algorithm = SP_BPE, .no_dummy = true, .more = {{"zb", -0.1f, 1}}};
    encodes(&runs, "    ab", "12 8", "    ab", "of equal scores the leftmost");
    encodes(&runs, "     c ab   ", "12 11 6 8 12", "     c ab   ", "runs of spaces");
    encodes(&ties, "bca", "9 4", "bca", "equal scores of two pieces");
    encodes(&ties, "cabca", "11 9 4", "cabca", "equal scores of two pieces");
    encodes(&unused, "ab", "4 5", "ab", "an UNUSED piece is taken apart");
    encodes(&unused, " ab", "4 5", "ab", "an UNUSED piece");
    encodes(&unused, "a ab", "4 8", "a ab", "a piece made of an UNUSED one");
    encodes(&lone, "zb", "11", "zb", "a piece with a character that is none");
}

static void
decoding(void)
{
    struct tokenizer *t = load(&(struct spec){.algorithm = SP_BPE, .bytes = true});
    static const uint32_t cut[] = {8, BYTES + 0xE3, BYTES + 0x81, 4, 1, 2},
                          whole[] = {1, 8, BYTES + 0xE3, BYTES + 0x81, BYTES + 0x82, 8},
                          wrong[] = {BYTES + 0x80, BYTES + 0xE3, BYTES + 0x41, BYTES + 0xF5, 8},
                          beyond[] = {BYTES + 256};
    struct ids ids = {0};
    struct str out = {0};
#define IDS(list) \
    (ids.data = (uint32_t *)(uintptr_t)(list), ids.len = sizeof(list) / sizeof *(list))
    IDS(cut);
    decode(t, &ids, &out);
    is_str(out.data,
           "ab\xEF\xBF\xBD\xEF\xBF\xBD"
           "a",
           "an unfinished character");
    str_clear(&out);
    IDS(whole);
    decode(t, &ids, &out);
    is_str(out.data, "ab\xE3\x81\x82 ab", "a whole one; control pieces are nothing");
    str_clear(&out);
    IDS(wrong);
    decode(t, &ids, &out);
    is_str(out.data,
           "\xEF\xBF\xBD\xEF\xBF\xBD"
           "A\xEF\xBF\xBD ab",
           "bytes that are no UTF-8");
    ok(tokenizer_decode(t, beyond, 1, false, &out) < 0 && err_status() == STATUS_INPUT,
       "an id beyond the model: %s", err_text());
    str_release(&out);
    tokenizer_free(t);
}

/* ---- around the model ---- */

static void
store(const char *path, const char *text)
{
    file_store(path, text, strlen(text));
}

#define PIECE(text, score) "[\"" text "\"," score "]"
#define ADDED(id, content)                                                               \
    "{\"id\":" id ",\"content\":\"" content "\",\"single_word\":false,\"lstrip\":false," \
    "\"rstrip\":false,\"normalized\":false,\"special\":true}"
#define TEMPLATE                                                                                   \
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"," \
    "\"type_id\":0}},{\"SpecialToken\":{\"id\":\"<s|x>\",\"type_id\":0}}],\"pair\":[],"            \
    "\"special_tokens\":{\"<s|x>\":{\"id\":\"<s|x>\",\"ids\":[1],\"tokens\":[\"<s|x>\"]}}},"

/* The same vocabulary as tokenizer.json, with other names of the special tokens. */
static void
store_json(const char *path)
{
    struct str json = {0};
    str_adds(&json,
             "{\"added_tokens\":[" ADDED("0", "<unk|x>") "," ADDED("1", "<s|x>") "," ADDED(
                 "2", "</s|x>") "]," TEMPLATE "\"decoder\":{\"type\":\"Sequence\",\"decoders\":["
                                "{\"type\":\"ByteFallback\"},{\"type\":\"Replace\","
                                "\"pattern\":{\"String\":\"" M "\"},\"content\":\" \"},"
                                "{\"type\":\"Fuse\"}]},\"model\":{\"type\":\"Unigram\","
                                "\"unk_id\":0,\"byte_fallback\":true,\"vocab\":[");
    str_adds(&json,
             PIECE("<unk|x>", "0") "," PIECE("<s|x>", "0") "," PIECE("</s|x>", "0") "," PIECE(
                 M, "-3") "," PIECE("a", "-4") "," PIECE("b", "-5") "," PIECE("c", "-6"));
    str_adds(&json, "," PIECE("ab", "-1") "," PIECE(M "ab", "-2") "," PIECE("bc", "-0.5") "," PIECE(
                        "<sep>", "0"));
    for (unsigned i = 0; i < 256; i++)
        str_addf(&json, ",[\"<0x%02X>\",0]", i);
    str_adds(&json, "]}}");
    file_store(path, json.data, json.len);
    str_release(&json);
}

static void
specials(void)
{
    struct str model = {0};
    static const struct spec spec = {SP_UNIGRAM, .bytes = true};
    make_model(&spec, &model);
    file_mkdirs("both");
    file_mkdirs("json");
    file_mkdirs("model");
    store_json("both/tokenizer.json");
    store_json("json/tokenizer.json");
    file_store("both/tokenizer.model", model.data, model.len);
    file_store("model/tokenizer.model", model.data, model.len);
    str_release(&model);

    struct tokenizer *json = tokenizer_load("json"), *both = tokenizer_load("both"),
                     *alone = tokenizer_load("model");
    if (!ok(json && both && alone, "a json, a model, both: %s", err_text()))
        return;
    const struct tokenizer_specials *s = tokenizer_specials(json);
    ok(s->eos == 1 && s->unk == 0, "tokenizer.json: the post-processor says what ends a text");
    s = tokenizer_specials(both);
    ok(s->bos == 1 && s->eos == 2 && s->unk == 0, "tokenizer.model beside it goes before that");
    s = tokenizer_specials(alone);
    ok(s->bos == 1 && s->eos == 2 && s->pad == TOKEN_NONE && s->unk == 0, "a model alone");
    ok(tokenizer_is_special(alone, 1) && !tokenizer_is_special(alone, 10) &&
           !tokenizer_is_special(alone, 4),
       "control pieces are special");

    uint8_t one[16], two[16];
    tokenizer_fingerprint(json, one);
    tokenizer_fingerprint(alone, two);
    ok(!memcmp(one, two, 16), "one fingerprint for both forms of a vocabulary");
    const struct tokenizer_file *files;
    size_t n = tokenizer_files(alone, &files);
    ok(n == 1 && !strcmp(files[0].name, "tokenizer.model"), "a model's files");
    n = tokenizer_files(both, &files);
    ok(n == 2 && !strcmp(files[0].name, "tokenizer.json") &&
           !strcmp(files[1].name, "tokenizer.model"),
       "and those of a directory with both");
    tokenizer_free(json);
    tokenizer_free(alone);
    tokenizer_free(both);

    store("both/tokenizer_config.json", "{\"eos_token\":\"<s|x>\",\"bos_token\":null}");
    both = tokenizer_load("both");
    s = tokenizer_specials(both);
    ok(s->eos == 1 && s->bos == TOKEN_NONE, "tokenizer_config.json goes before the model");
    tokenizer_set_specials(both, "ab", "7");
    ok(s->eos == 7 && s->bos == 7, "options before all");
    tokenizer_free(both);
}

/* SHARD.md, by hand. */
static void
fingerprint(void)
{
    static const char bytes[] = "\2\2\2\0\1\0\0\0 \0\1\0\0\0a\0\1\0\0\0b\0\1\0\0\0c\2"
                                "\0\3\0\0\0 ab\0\2\0\0\0bc\0\5\0\0\0<sep>";
    struct tokenizer *t = load(&(struct spec){.algorithm = SP_BPE, .ab_unused = true});
    struct hash128 want = hash128(bytes, sizeof bytes - 1);
    uint8_t got[16];
    tokenizer_fingerprint(t, got);
    ok(load_u64(got) == want.low && load_u64(got + 8) == want.high,
       "the fingerprint is that of SHARD.md");
    tokenizer_free(t);
}

static void
config(void)
{
    struct tokenizer *t;
    struct str model = {0};
    make_model(&(struct spec){.algorithm = SP_BPE}, &model);
    file_mkdirs("config");
    file_store("config/tokenizer.model", model.data, model.len);
    str_release(&model);
    store("config/tokenizer_config.json",
          "{\"add_bos_token\":true,\"add_eos_token\":false,\"added_tokens_decoder\":{"
          "\"1\":{\"content\":\"<s>\",\"special\":true},"
          "\"11\":{\"content\":\"<im>\",\"special\":true},\"12\":{\"content\":\"qq\"}},"
          "\"pad_token\":\"<im>\"}");
    t = tokenizer_load("config");
    if (!ok(t != NULL, "a configuration: %s", err_text()))
        return;
    encodes_flags(t, "ab", ENCODE_POST_PROCESS, "1 8", "ab", "add_bos_token");
    encodes_flags(t, "ab", 0, "8", "ab", "and without");
    encodes_flags(t, "ab<im>ab", 0, "8 11 8", NULL, "an added token");
    encodes_flags(t, "abqqab", 0, "8 12 8", "abqq ab", "one that is not special");
    ok(tokenizer_vocabulary(t) == 13 && tokenizer_specials(t)->pad == 11, "added ids count");
    tokenizer_free(t);

    store("config/tokenizer_config.json",
          "{\"added_tokens_decoder\":{\"4\":{\"content\":\"other\"}}}");
    t = tokenizer_load("config");
    ok(!t && err_status() == STATUS_INPUT && strstr(err_text(), "added_tokens_decoder"),
       "a token that the model has under another text: %s", err_text());
    tokenizer_free(t);
}

int
main(void)
{
    algorithms();
    normalization();
    odd_models();
    decoding();
    specials();
    fingerprint();
    config();
    return done();
}
