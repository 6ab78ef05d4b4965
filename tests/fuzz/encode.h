#ifndef TESTS_FUZZ_ENCODE_H
#define TESTS_FUZZ_ENCODE_H

#include "tests/fuzz/fuzz.h"
#include "tokenizer/tokenizer.h"

/* Scratches for the best kernels and the plain ones, with what earlier texts left in them. */
struct fuzz_scratch {
    struct tokenizer_scratch *best, *plain;
};

static inline struct tokenizer_scratch *
fuzz_new_scratch(const struct tokenizer *t, const char *isa)
{
    setenv("LLM_ISA", isa, 1);
    return tokenizer_scratch_new(t);
}

static inline struct fuzz_scratch
fuzz_scratch(const struct tokenizer *t)
{
    return (struct fuzz_scratch){fuzz_new_scratch(t, ""), fuzz_new_scratch(t, "ref")};
}

static inline void
fuzz_scratch_free(struct fuzz_scratch *s)
{
    tokenizer_scratch_free(s->best);
    tokenizer_scratch_free(s->plain);
    *s = (struct fuzz_scratch){0};
}

/* The same once more, with what the first round left in caches. */
static inline int
fuzz_encode_twice(const struct tokenizer *t, struct tokenizer_scratch *s, const char *isa,
                  const struct str *text, int flags, struct ids *ids)
{
    struct ids again = {0};

    setenv("LLM_ISA", isa, 1);
    int rc = tokenizer_encode(t, s, text->data, text->len, flags, ids);
    if (!rc) {
        must(!tokenizer_encode(t, s, text->data, text->len, flags, &again));
        must(again.len == ids->len &&
             (!ids->len || !memcmp(again.data, ids->data, ids->len * sizeof *ids->data)));
    }
    vec_release(&again);
    return rc;
}

/* Streaming gives what decoding gives. */
static inline void
fuzz_decode(const struct tokenizer *t, const struct ids *ids, bool skip)
{
    struct str whole = {0}, parts = {0};
    struct tokenizer_stream *s = tokenizer_stream_new(t, skip);
    bool bad = false;

    for (size_t i = 0; i < ids->len; i++)
        bad |= tokenizer_stream_add(s, ids->data[i], &parts) < 0;
    bad |= tokenizer_stream_end(s, &parts) < 0;
    if (tokenizer_decode(t, ids->data, ids->len, skip, &whole) < 0) {
        must(bad);
        fuzz_error();
    } else if (!bad) {
        fuzz_utf8(&whole);
        fuzz_utf8(&parts);
        must(whole.len == parts.len && (!whole.len || !memcmp(whole.data, parts.data, whole.len)));
    }
    tokenizer_stream_free(s);
    str_release(&whole);
    str_release(&parts);
}

/* Encodes text[0..n) in each way; ids are in the vocabulary and do not depend on the kernels. */
static inline void
fuzz_encode(const struct tokenizer *t, struct fuzz_scratch *s, const void *bytes, size_t n,
            int flags)
{
    struct str text = {0};
    struct ids best = {0}, plain = {0};

    utf8_clean(bytes, n, &text);
    str_reserve(&text, 0);
    int rc = fuzz_encode_twice(t, s->best, "", &text, flags, &best);
    must(fuzz_encode_twice(t, s->plain, "ref", &text, flags, &plain) == rc);
    if (rc) {
        fuzz_error();
    } else {
        must(best.len == plain.len);
        for (size_t i = 0; i < best.len; i++)
            must(best.data[i] == plain.data[i] && best.data[i] < tokenizer_vocabulary(t));
        fuzz_decode(t, &best, flags & 1);
    }
    vec_release(&best);
    vec_release(&plain);
    str_release(&text);
}

/*
 * Takes an input apart: its first two bytes are the length of the text at its end (as
 * far as there is one), the rest is the description.
 */
static inline size_t
fuzz_tail(const uint8_t *data, size_t n)
{
    size_t tail = (size_t)data[0] | (size_t)data[1] << 8;

    return tail < n - 2 ? tail : n - 2;
}

/*
 * What a description that was read (NULL: refused, which must have a reason) does to the text
 * at the end of the input; frees t.
 */
static inline int
fuzz_tokenizer(struct tokenizer *t, const void *text, size_t n)
{
    uint8_t fingerprint[16];

    if (!t) {
        fuzz_error();
        return 0;
    }
    tokenizer_fingerprint(t, fingerprint);
    struct fuzz_scratch s = fuzz_scratch(t);
    fuzz_encode(t, &s, text, n, 0);
    fuzz_encode(t, &s, text, n, ENCODE_POST_PROCESS);
    fuzz_scratch_free(&s);
    tokenizer_free(t);
    return 0;
}

#endif
