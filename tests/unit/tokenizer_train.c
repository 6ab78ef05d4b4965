/*
 * The trainer: the same result for any number of workers and any order of texts; the
 * first merges of a text by hand; the result loads and takes the text apart and back.
 */
#include "base/err.h"
#include "base/rng.h"
#include "tap.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/train.h"

static const char *const specials[] = {"<|pad|>", "<|endoftext|>"};

/* Words of three syllables, frequent ones first, with some kanji. */
static void
make_text(uint64_t key, struct str *out)
{
    static const char *const parts[] = {"ka", "no", "ri", "東", "京", "to",
                                        "mu", "é",  " ",  "\n", "12"};
    for (uint64_t i = 0; i < 4000; i++) {
        double u = rng_uniform(key, i);
        str_adds(out, parts[(size_t)(u * u * (double)(sizeof parts / sizeof *parts))]);
    }
}

static struct bpe_options
options(int workers)
{
    return (struct bpe_options){
        .vocab_size = 400, .specials = specials, .special_count = 2, .threads = workers};
}

static void
train(const struct bpe_options *o, bool backwards, struct str *json)
{
    struct bpe_trainer *t = bpe_trainer_new(o);
    for (int i = 0; i < 12; i++) {
        struct str text = {0};
        int which = backwards ? 11 - i : i;
        make_text(rng_key(1, "text") + (uint64_t)which, &text);
        if (bpe_trainer_add(t, i % o->threads, text.data, text.len) < 0)
            diag("%s", err_text());
        str_release(&text);
    }
    if (bpe_trainer_finish(t, json) < 0)
        diag("%s", err_text());
    bpe_trainer_free(t);
}

static void
round_trip(const struct str *json)
{
    struct tokenizer *t = tokenizer_load_json("trained", json->data, json->len);
    if (!ok(t, "the result loads: %s", t ? "" : err_text()))
        return;
    struct tokenizer_scratch *s = tokenizer_scratch_new(t);
    struct str text = {0}, back = {0};
    struct ids ids = {0};
    make_text(99, &text);
    str_adds(&text, "<|endoftext|>そのほか\t");
    tokenizer_encode(t, s, text.data, text.len, 0, &ids);
    tokenizer_decode(t, ids.data, ids.len, false, &back);
    ok(back.len == text.len && !memcmp(back.data, text.data, text.len), "a text comes back");
    ok(ids.len < text.len / 3, "%zu bytes are %zu tokens", text.len, ids.len);
    is_int(tokenizer_vocabulary(t), 400, "as large as asked");
    is_int(tokenizer_id(t, "<|endoftext|>", 13), 399, "special tokens last, in order");
    is_int(tokenizer_id(t, "<|pad|>", 7), 398, "the first before it");
    is_int(tokenizer_specials(t)->eos, 399, "which ends documents");
    tokenizer_scratch_free(s);
    tokenizer_free(t);
    str_release(&text);
    str_release(&back);
    vec_release(&ids);
}

/* Pieces aab, .aab, .ab: ab 3 times, then aab twice; then nothing is frequent enough. */
static void
by_hand(void)
{
    struct bpe_options o = {.vocab_size = 1000, .threads = 1};
    struct bpe_trainer *t = bpe_trainer_new(&o);
    struct str json = {0};
    bpe_trainer_add(t, 0, "aab.aab.ab", 10);
    bpe_trainer_finish(t, &json);
    struct tokenizer *z = tokenizer_load_json("small", json.data, json.len);
    is_int(tokenizer_vocabulary(z), 258, "two merges are learned");
    is_int(tokenizer_id(z, "ab", 2), 256, "ab is first");
    ok(tokenizer_id(z, ".aab", 4) == TOKEN_NONE && tokenizer_id(z, "aab", 3) != TOKEN_NONE,
       "aab is another");
    tokenizer_free(z);
    str_release(&json);
    bpe_trainer_free(t);
}

static void
limits(void)
{
    struct bpe_options o = options(1);
    struct str json = {0};
    o.max_piece_length = 3;
    train(&o, false, &json);
    struct tokenizer *t = tokenizer_load_json("short", json.data, json.len);
    size_t longest = 0;
    uint8_t bytes[16];
    tokenizer_fingerprint(t, bytes);
    for (uint32_t id = 0; id + 2 < tokenizer_vocabulary(t); id++) {
        struct str piece = {0};
        size_t n = 0;
        if (tokenizer_text(t, id, &n))
            tokenizer_decode(t, &id, 1, false, &piece);
        longest = piece.len > longest && piece.data[0] > 0 ? piece.len : longest;
        str_release(&piece);
    }
    ok(longest == 3, "no piece is longer than asked (%zu)", longest);
    tokenizer_free(t);
    str_release(&json);

    o = options(1);
    o.vocab_size = 257;
    ok(!bpe_trainer_new(&o) && err_status() == STATUS_USAGE, "refused: %s", err_text());
    o = options(1);
    o.pattern = "none";
    ok(!bpe_trainer_new(&o) && err_status() == STATUS_USAGE, "refused: %s", err_text());
    static const char *const twice[] = {"<x>", "<x>"};
    o = options(1);
    o.specials = twice;
    ok(!bpe_trainer_new(&o) && err_status() == STATUS_USAGE, "refused: %s", err_text());
    o = options(1);
    struct bpe_trainer *u = bpe_trainer_new(&o);
    ok(bpe_trainer_add(u, 0, "\xff", 1) < 0 && err_status() == STATUS_INPUT, "bad UTF-8: %s",
       err_text());
    bpe_trainer_free(u);
}

int
main(void)
{
    struct str one = {0}, three = {0};
    struct bpe_options o = options(1);
    train(&o, false, &one);
    o = options(3);
    train(&o, true, &three);
    ok(one.len > 1000 && one.len == three.len && !memcmp(one.data, three.data, one.len),
       "the same for any number of workers and any order");
    round_trip(&one);
    by_hand();
    limits();
    str_release(&one);
    str_release(&three);
    return done();
}
