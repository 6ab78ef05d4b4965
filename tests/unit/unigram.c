/*
 * The Unigram model against a search written as plainly as can be, in both arithmetics:
 * random vocabularies full of ties, texts of few characters, long ones whose sums go far
 * from zero, and the same text again and again, as a cache sees it. timeout: 60
 */
#include "tokenizer/unigram.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/hash.h"
#include "base/str.h"
#include "tap.h"
#include "tokenizer/trie.h"

enum { MOST_TOKENS = 200, CHARACTERS = 7 };

static const char *const characters[CHARACTERS] = {"a", "b", "é", "漢", "字", "😀", "▁"};

struct model {
    struct vocab vocab;
    double scores[MOST_TOKENS + 1];
    uint8_t kinds[MOST_TOKENS + 1];
    struct unigram u;
};

static uint64_t counter;

static uint32_t
roll(uint32_t n)
{
    return (uint32_t)(hash_mix(++counter) % n);
}

static void
add_characters(struct str *s, uint32_t n, uint32_t kinds)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *c = characters[roll(kinds)];
        str_add(s, c, strlen(c));
    }
}

/* Tokens of 1 to 5 characters; whole scores make ties. Id 0 is the unknown one. */
static void
make_model(struct model *m, bool single, bool whole)
{
    struct str text = {0};
    uint32_t first, second;
    *m = (struct model){.u = {.single = single, .unk = 0}};
    vocab_add(&m->vocab, 0, "<unk>", 5);
    m->kinds[0] = UNIGRAM_UNKNOWN;
    for (uint32_t tries = 0, id = 1; tries < MOST_TOKENS; tries++) {
        str_clear(&text);
        add_characters(&text, 1 + roll(5), CHARACTERS - 1);
        vocab_index(&m->vocab, &first, &second);
        if (vocab_find(&m->vocab, text.data, text.len) != UINT32_MAX)
            continue;
        vocab_add(&m->vocab, id, text.data, text.len);
        m->scores[id] = whole ? -(double)roll(9) : -20 * (double)roll(1000003) / 1000003;
        m->kinds[id] = roll(12) ? UNIGRAM_NORMAL : single && roll(2) ? UNIGRAM_UNUSED
                                                 : UNIGRAM_USER_DEFINED;
        id++;
    }
    vocab_index(&m->vocab, &first, &second);
    str_release(&text);
    for (int i = 0; i < 256; i++)
        m->u.byte_tokens[i] = UINT32_MAX;
}

static void
free_model(struct model *m)
{
    unigram_release(&m->u);
    vocab_release(&m->vocab);
}

/* ---- the plain search ---- */

struct plain {
    double score;
    size_t start;
    uint32_t id;
};

static double
plain_score(const struct model *m, uint32_t id, size_t length)
{
    if (!m->u.single)
        return m->scores[id];
    if (m->kinds[id] == UNIGRAM_USER_DEFINED)
        return (double)(float)(0.1 * ((int)length - 1));
    return (double)(float)m->scores[id];
}

static double
worst(const struct model *m)
{
    double low = m->u.single ? (double)FLT_MAX : HUGE_VAL;
    for (uint32_t id = 0; id < m->vocab.entries.len; id++)
        if (!m->u.single || m->kinds[id] == UNIGRAM_NORMAL)
            low = fmin(low, m->u.single ? (double)(float)m->scores[id] : m->scores[id]);
    return m->u.single ? (double)((float)low - 10.0f) : low - 10;
}

static void
plain_offer(const struct model *m, struct plain *p, size_t at, size_t end, uint32_t id, double score)
{
    double sum = p[at].score + score;
    if (m->u.single)
        sum = (double)((float)p[at].score + (float)score);
    if (p[end].start == SIZE_MAX || sum > p[end].score)
        p[end] = (struct plain){sum, at, id};
}

static bool
found_in_text(const struct model *m, uint32_t id)
{
    return !m->u.single || m->kinds[id] == UNIGRAM_NORMAL || m->kinds[id] == UNIGRAM_USER_DEFINED;
}

/* Without byte fallback, runs of unknown characters are one unknown token. */
static void
plain_encode(const struct model *m, const char *text, size_t n, struct ids *out)
{
    struct plain *p = mem_array(n + 1, sizeof *p);
    size_t frontier = 0, length;
    struct ids reversed = {0};
    for (size_t i = 0; i <= n; i++)
        p[i] = (struct plain){0, SIZE_MAX, 0};
    for (size_t at = 0; at < n; at += length) {
        unsigned char c = (unsigned char)text[at];
        bool alone = false;
        length = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
        if (m->u.single && fabs(p[at].score) > 100000) {
            float offset = (float)p[at].score;
            for (size_t i = at; i <= frontier; i++)
                if (i == at || p[i].start != SIZE_MAX)
                    p[i].score = (double)((float)p[i].score - offset);
        }
        for (size_t end = at + 1; end <= n && end <= at + 20; end++) {
            uint32_t id = vocab_find(&m->vocab, text + at, end - at);
            if (id == UINT32_MAX || !found_in_text(m, id))
                continue;
            plain_offer(m, p, at, end, id, plain_score(m, id, end - at));
            alone |= end - at == length;
            frontier = end > frontier ? end : frontier;
        }
        if (!alone)
            plain_offer(m, p, at, at + length, 0, worst(m));
        frontier = at + length > frontier ? at + length : frontier;
    }
    for (size_t end = n; end > 0; end = p[end].start)
        if (p[end].id != 0 || reversed.len == 0 || reversed.data[reversed.len - 1] != 0)
            vec_push(&reversed, p[end].id);
    for (size_t i = reversed.len; i-- > 0;)
        vec_push(out, reversed.data[i]);
    vec_release(&reversed);
    free(p);
}

static bool
agree(const struct model *m, struct unigram_scratch *s, const char *text, size_t n)
{
    struct ids ours = {0}, plain = {0};
    plain_encode(m, text, n, &plain);
    bool same = unigram_encode(&m->u, s, text, n, &ours) == 0 && ours.len == plain.len &&
                !memcmp(ours.data ? ours.data : plain.data, plain.data,
                        plain.len * sizeof *plain.data);
    vec_release(&ours);
    vec_release(&plain);
    return same;
}

static void
compare(bool single, bool whole)
{
    int wrong = 0, texts = 0;
    struct str text = {0};
    for (int round = 0; round < 8; round++) {
        struct model m;
        make_model(&m, single, whole);
        unigram_build(&m.u, &m.vocab, m.scores, m.kinds);
        struct unigram_scratch *s = unigram_scratch_new();
        for (int i = 0; i < 60; i++, texts += 2) {
            str_clear(&text);
            add_characters(&text, i % 60 == 59 ? 16000 : roll(60) + 1, 1 + roll(CHARACTERS));
            wrong += !agree(&m, s, text.data, text.len);
            wrong += !agree(&m, s, text.data, text.len); /* now from the cache */
        }
        unigram_scratch_free(s);
        free_model(&m);
    }
    str_release(&text);
    is_int(wrong, 0, "%d texts with 8 models, sums in %s, %s", texts, single ? "float" : "double",
           whole ? "whole scores" : "scores of any kind");
}

/* A run of a million characters is one stretch: it must not take a square of the time. */
static void
long_runs(void)
{
    struct model m;
    struct str text = {0};
    struct ids ids = {0};
    make_model(&m, true, false);
    unigram_build(&m.u, &m.vocab, m.scores, m.kinds);
    struct unigram_scratch *s = unigram_scratch_new();
    for (size_t i = 0; i < 1000000; i++)
        str_add(&text, "a", 1);
    ok(unigram_encode(&m.u, s, text.data, text.len, &ids) == 0 && ids.len > 0,
       "a million times the same character: %zu tokens", ids.len);
    vec_release(&ids);
    str_release(&text);
    unigram_scratch_free(s);
    free_model(&m);
}

static void
refusals(void)
{
    struct model m;
    struct ids ids = {0};
    make_model(&m, false, false);
    m.scores[3] = (double)NAN;
    ok(unigram_build(&m.u, &m.vocab, m.scores, NULL) < 0 && strstr(err_text(), "id 3"),
       "a score that is no number: %s", err_text());
    free_model(&m);
    make_model(&m, false, false);
    m.u.unk = UINT32_MAX;
    unigram_build(&m.u, &m.vocab, m.scores, NULL);
    struct unigram_scratch *s = unigram_scratch_new();
    ok(unigram_encode(&m.u, s, "aq", 2, &ids) < 0 && err_status() == STATUS_INPUT,
       "an unknown character and no unknown token: %s", err_text());
    unigram_scratch_free(s);
    free_model(&m);
    vec_release(&ids);
}

static void
prefixes(void)
{
    struct trie_key keys[] = {{"a", 1, 7}, {"ab", 2, 8}, {"abc\0", 4, 9}, {"b", 1, 0xFFFFFF}};
    struct trie t;
    struct trie_match found[4];
    trie_build(&t, keys, 4);
    size_t n = trie_prefixes(&t, "abc\0d", 5, found, 4);
    ok(n == 3 && found[0].value == 7 && found[1].value == 8 && found[2].value == 9 &&
           found[2].length == 4, "a trie of bytes finds all that begin a text");
    ok(trie_prefixes(&t, "b", 1, found, 4) == 1 && found[0].value == 0xFFFFFF &&
           trie_prefixes(&t, "c", 1, found, 4) == 0 && trie_prefixes(&t, "", 0, found, 4) == 0,
       "and nothing else");
    trie_release(&t);
    trie_build(&t, keys, 0);
    ok(trie_prefixes(&t, "a", 1, found, 4) == 0, "a trie of nothing");
    trie_release(&t);
}

int
main(void)
{
    prefixes();
    for (int i = 0; i < 4; i++)
        compare(i & 1, i & 2);
    long_runs();
    refusals();
    return done();
}
