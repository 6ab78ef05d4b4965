/*
 * .tiktoken and tekken.json files: small ones whose ids are worked out by hand, and
 * damaged ones, which are refused by place. timeout: 60
 */
#include "tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "tap.h"

static void
add_base64(const char *bytes, size_t n, struct str *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (i + k < n ? (unsigned char)bytes[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            str_addc(out, k <= n - i ? digits[v >> (18 - 6 * k) & 63] : '=');
    }
}

/* Tokens 256 and on, behind the bytes. "abcd" is not made of two tokens below it. */
static const char *const words[] = {"bc", "abcd", "aa", "aaa", " a", "xy", "xyz", " xyz"};
enum { WORDS = sizeof words / sizeof *words, ABCD = 257, AA, AAA, SPACE_A, XY, XYZ, SPACE_XYZ };

static void
add_token(struct str *out, bool tekken, uint32_t rank, const char *bytes, size_t n)
{
    char tail[64];
    if (tekken)
        str_add(out, rank ? ",{\"token_bytes\":\"" : "{\"token_bytes\":\"", rank ? 17 : 16);
    add_base64(bytes, n, out);
    int length = snprintf(tail, sizeof tail, tekken ? "\",\"token_str\":null,\"rank\":%u}" : " %u\n",
                          rank);
    str_add(out, tail, (size_t)length);
}

static void
add_tokens(struct str *out, bool tekken)
{
    for (uint32_t byte = 0; byte < 256; byte++)
        add_token(out, tekken, byte, (char[]){(char)byte}, 1);
    for (uint32_t i = 0; i < WORDS; i++)
        add_token(out, tekken, 256 + i, words[i], strlen(words[i]));
}

static void
store(const char *name, const char *begin, bool tokens, const char *end, bool tekken)
{
    struct str out = {0};
    str_add(&out, begin, strlen(begin));
    if (tokens)
        add_tokens(&out, tekken);
    str_add(&out, end, strlen(end));
    file_store(name, out.data, out.len);
    str_release(&out);
}

/* The ids of a text; `add` is what is added to the ids from `from` on. */
static void
check(const struct tokenizer *t, const char *text, const uint32_t *want, size_t n, uint32_t add)
{
    struct tokenizer_scratch *s = tokenizer_scratch_new(t);
    struct ids ids = {0};
    struct str back = {0};
    bool good = tokenizer_encode(t, s, text, strlen(text), 0, &ids) == 0 && ids.len == n;
    for (size_t i = 0; good && i < n; i++)
        good = ids.data[i] == want[i] + add;
    good = good && tokenizer_decode(t, ids.data, ids.len, false, &back) == 0 &&
           back.len == strlen(text) && !memcmp(back.data, text, back.len);
    ok(good, "'%s': %zu ids and back", text, n);
    str_release(&back);
    vec_release(&ids);
    tokenizer_scratch_free(s);
}

#define CHECK(t, text, add, ...)                                                       \
    check(t, text, (const uint32_t[]){__VA_ARGS__},                                    \
          sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), add)

static void
check_ids(const struct tokenizer *t, uint32_t add)
{
    CHECK(t, "abcd", add, ABCD);
    CHECK(t, "abcde", add, 'a', 256, 'd', 'e'); /* not a whole piece: no pair makes it */
    CHECK(t, "abcd abcd", add, ABCD, SPACE_A, 256, 'd');
    CHECK(t, "aaaa aaa", add, AA, AA, ' ', AAA);
    CHECK(t, "xyz xyz!", add, XYZ, SPACE_XYZ, '!');
    CHECK(t, "xyxyz", add, XY, XYZ);
}

static void
tiktoken(void)
{
    store("t.tiktoken", "", true, "", false);
    struct tokenizer *t = tokenizer_load_cut("t.tiktoken", "r50k");
    ok(t && tokenizer_vocabulary(t) == 256 + WORDS, "a .tiktoken file: %s", t ? "" : err_text());
    if (t)
        check_ids(t, 0);
    const struct tokenizer_file *files;
    struct tokenizer *again = NULL;
    if (t && tokenizer_files(t, &files) > 0)
        again = tokenizer_load_json(files[0].name, files[0].data, files[0].size);
    uint8_t a[16], b[16];
    if (again) {
        tokenizer_fingerprint(t, a);
        tokenizer_fingerprint(again, b);
    }
    ok(again && !memcmp(a, b, 16), "its tokenizer.json is the same vocabulary");
    if (again)
        check_ids(again, 0);
    tokenizer_free(again);
    tokenizer_free(t);
}

#define CONFIG(vocabulary)                                                                    \
    "{\"config\":{\"pattern\":\" ?[a-z]+|[^a-z]\",\"default_vocab_size\":" vocabulary \
    ",\"default_num_special_tokens\":30,\"num_vocab_tokens\":264,\"version\":\"v3\"},\"vocab\":["

static void
tekken(void)
{
    store("tekken.json", CONFIG("294"), true, "]}", true);
    struct tokenizer *t = tokenizer_load("."); /* a directory that has it */
    ok(t && tokenizer_vocabulary(t) == 294, "a tekken.json: %s", t ? "" : err_text());
    if (t) {
        check_ids(t, 30);
        CHECK(t, "<s>xyz</s><SPECIAL_29>", 0, 1, XYZ + 30, 2, 29);
        const struct tokenizer_specials *s = tokenizer_specials(t);
        ok(s->bos == 1 && s->eos == 2 && s->pad == 11 && s->unk == 0, "its special tokens");
    }
    tokenizer_free(t);
    store("less.json", CONFIG("292"), true, "]}", true);
    t = tokenizer_load("less.json");
    ok(t && tokenizer_vocabulary(t) == 292, "a tekken.json with a vocabulary that is cut");
    if (t)
        CHECK(t, "xyz", 30, XY, 'z');
    tokenizer_free(t);
}

static void
refuse(const char *what, const char *name, const char *pattern, int status, const char *place)
{
    struct tokenizer *t = tokenizer_load_cut(name, pattern);
    ok(!t && (int)err_status() == status && strstr(err_text(), place), "refused: %s (%s)", what,
       t ? "taken" : err_text());
    tokenizer_free(t);
}

int
main(void)
{
    tiktoken();
    tekken();
    refuse("no pattern", "t.tiktoken", NULL, STATUS_INPUT, "--pattern");
    refuse("an unknown pattern", "t.tiktoken", "cl200k", STATUS_USAGE, "cl200k");
    refuse("a pattern that is no regex", "t.tiktoken", "(a", STATUS_USAGE, "pattern");
    refuse("a pattern for another file", "tekken.json", "gpt2", STATUS_USAGE, "--pattern");
    store("bad.tiktoken", "", true, "!! 900\n", false);
    refuse("no base64", "bad.tiktoken", "gpt2", STATUS_INPUT, "line 265");
    store("bad.tiktoken", "", true, "YWJj x\n", false);
    refuse("no rank", "bad.tiktoken", "gpt2", STATUS_INPUT, "line 265");
    store("bad.tiktoken", "", true, "YWJj 99999999999\n", false);
    refuse("a huge rank", "bad.tiktoken", "gpt2", STATUS_INPUT, "line 265");
    store("bad.tiktoken", "", true, "YWJj 7\n", false);
    refuse("a rank twice", "bad.tiktoken", "gpt2", STATUS_INPUT, "stands twice");
    store("bad.tiktoken", "", true, "eHl6 900\n", false);
    refuse("bytes twice", "bad.tiktoken", "gpt2", STATUS_INPUT, "same bytes");
    store("bad.tiktoken", "YWJj 0\n", false, "", false);
    refuse("a byte without a token", "bad.tiktoken", "gpt2", STATUS_INPUT, "no token");
    store("bad.tiktoken", "", true, "YWJj 50256\n", false);
    refuse("a special token's id", "bad.tiktoken", "r50k_base", STATUS_INPUT, "50256");
    store("bad.json", CONFIG("295"), true, "]}", true);
    refuse("tekken: too few tokens", "bad.json", NULL, STATUS_INPUT, "vocab");
    store("bad.json", CONFIG("29"), true, "]}", true);
    refuse("tekken: more special tokens than tokens", "bad.json", NULL, STATUS_INPUT,
           "default_num_special_tokens");
    store("bad.json", CONFIG("31") "{\"rank\":0,\"token_bytes\":\"?\"}", false, "]}", true);
    refuse("tekken: no base64", "bad.json", NULL, STATUS_INPUT, "token_bytes");
    return done();
}
