/*
 * Learning merges against the obvious way: all pairs counted anew after each merge. Words
 * of few tokens, with counts, so that pairs overlap ("aaa") and different pairs make
 * the same text ("a" + "ba", "ab" + "a"), which takes the rare ways.
 */
#include <string.h>

#include "base/rng.h"
#include "base/str.h"
#include "tap.h"
#include "tokenizer/bpe_learn.h"

enum { UNITS = 4, WORDS = 60, LONGEST = 20, TOKENS_MOST = 200, SEEDS = 60 };

struct naive {
    uint32_t words[WORDS][LONGEST], lengths[WORDS];
    uint64_t counts[WORDS];
    struct vocab tokens;
};

static void
make_words(uint64_t key, struct naive *n, struct piece_counts *pieces)
{
    uint64_t at = 0;
    for (uint32_t w = 0; w < WORDS; w++) {
        char text[LONGEST];
        size_t length = 2 + (size_t)(rng_uniform(key, at++) * (LONGEST - 2));
        for (size_t i = 0; i < length; i++)
            text[i] = (char)('a' + (int)(rng_uniform(key, at++) * UNITS));
        piece_counts_add(pieces, text, length, 1 + (uint64_t)(rng_uniform(key, at++) * 9));
    }
    for (size_t w = 0; w < pieces->pieces.len; w++) {
        const struct piece_count *p = &pieces->pieces.data[w];
        n->lengths[w] = p->length;
        n->counts[w] = p->count;
        for (uint32_t i = 0; i < p->length; i++)
            n->words[w][i] = (uint32_t)(pieces->pool.data[p->start + i] - 'a');
    }
}

/* The tokens at the start: letters, and what could be made of them, as when extending. */
static void
add_letters(struct vocab *v)
{
    static const char *const units[UNITS] = {"a", "b", "ab", "ba"};
    for (uint32_t i = 0; i < UNITS; i++)
        vocab_add(v, i, units[i], strlen(units[i]));
}

static void
joined(const struct vocab *v, uint32_t left, uint32_t right, struct str *out)
{
    size_t n = 0;
    str_clear(out);
    const char *s = vocab_get(v, left, &n);
    str_add(out, s, n);
    s = vocab_get(v, right, &n);
    str_add(out, s, n);
}

static uint32_t
find_text(const struct vocab *v, const struct str *text)
{
    for (uint32_t id = 0; id < v->entries.len; id++) {
        size_t n = 0;
        const char *s = vocab_get(v, id, &n);
        if (n == text->len && !memcmp(s, text->data, n))
            return id;
    }
    return UINT32_MAX;
}

static bool
makes_first(const struct naive *n, uint32_t left, uint32_t right)
{
    struct str text = {0};
    joined(&n->tokens, left, right, &text);
    uint32_t id = find_text(&n->tokens, &text);
    str_release(&text);
    return id < UNITS;
}

static void
merge_words(struct naive *n, uint32_t left, uint32_t right, uint32_t result)
{
    for (uint32_t w = 0; w < WORDS; w++) {
        uint32_t *t = n->words[w], kept = 0;
        for (uint32_t i = 0; i < n->lengths[w]; i++) {
            bool both = t[i] == left && i + 1 < n->lengths[w] && t[i + 1] == right;
            t[kept++] = both ? result : t[i];
            i += both;
        }
        n->lengths[w] = kept;
    }
}

/* The most frequent pair, of equals the one of smaller ids; its count. None makes a first token. */
static int64_t
best_pair(const struct naive *n, uint32_t *left, uint32_t *right)
{
    static int64_t counts[TOKENS_MOST][TOKENS_MOST];
    int64_t best = 0;
    memset(counts, 0, sizeof counts);
    for (uint32_t w = 0; w < WORDS; w++)
        for (uint32_t i = 0; i + 1 < n->lengths[w]; i++)
            counts[n->words[w][i]][n->words[w][i + 1]] += (int64_t)n->counts[w];
    for (uint32_t a = 0; a < n->tokens.entries.len; a++)
        for (uint32_t b = 0; b < n->tokens.entries.len; b++)
            if (counts[a][b] > best && !makes_first(n, a, b)) {
                best = counts[a][b];
                *left = a;
                *right = b;
            }
    return best;
}

/* A pair may come up again, when a token is made of other parts later: it is no merge twice. */
static int64_t
next_pair(struct naive *n, const struct bpe_learned *l, size_t done, uint32_t *left,
          uint32_t *right)
{
    for (;;) {
        int64_t count = best_pair(n, left, right);
        size_t i = 0;
        while (i < done && !(l->merges.data[i].left == *left && l->merges.data[i].right == *right))
            i++;
        if (i == done || !count)
            return count;
        merge_words(n, *left, *right, l->merges.data[i].result);
    }
}

/* Are the merges those of the obvious way? *repeated: merges of a text known before. */
static bool
follow(struct naive *n, const struct bpe_learned *l, uint64_t least, bool any_split,
       size_t *repeated)
{
    struct str text = {0};
    bool good = true;
    uint32_t left = 0, right = 0;
    size_t step = 0;
    for (; good && step < l->merges.len; step++) {
        const struct bpe_merge *m = &l->merges.data[step];
        int64_t count = next_pair(n, l, step, &left, &right);
        good = m->left == left && m->right == right && count >= (int64_t)least;
        if (!good) {
            diag("merge %zu: %u %u, expected %u %u (%lld times)", step, m->left, m->right, left,
                 right, (long long)count);
            break;
        }
        joined(&n->tokens, left, right, &text);
        uint32_t result = find_text(&n->tokens, &text);
        bool fresh = result == UINT32_MAX;
        *repeated += !fresh;
        if (fresh) {
            result = (uint32_t)n->tokens.entries.len;
            vocab_add(&n->tokens, result, text.data, text.len);
        }
        good = m->result == result;
        merge_words(n, left, right, result);
        for (size_t at = 1; any_split && fresh && at < text.len; at++) {
            struct str a = {0}, b = {0};
            str_add(&a, text.data, at);
            str_add(&b, text.data + at, text.len - at);
            uint32_t x = find_text(&n->tokens, &a), y = find_text(&n->tokens, &b);
            if (x != UINT32_MAX && y != UINT32_MAX)
                merge_words(n, x, y, result);
            str_release(&a);
            str_release(&b);
        }
    }
    str_release(&text);
    return good;
}

static size_t
letters(const void *arg, const char *piece, size_t length, uint32_t *out)
{
    (void)arg;
    for (size_t i = 0; i < length; i++)
        out[i] = (uint32_t)(piece[i] - 'a');
    return length;
}

static void
compare(bool any_split, uint64_t least)
{
    size_t wrong = 0, repeated = 0, merges = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct naive n = {0};
        struct piece_counts pieces = {0};
        struct bpe_cells words;
        struct bpe_learned l = {0};
        struct bpe_learn_options o = {
            .tokens = 90, .min_frequency = least, .any_split = any_split};
        make_words(rng_key(seed, "words"), &n, &pieces);
        bpe_cells_init(&words, &pieces, letters, NULL);
        add_letters(&l.tokens);
        add_letters(&n.tokens);
        bpe_learn(&words, &o, &l);
        wrong += !follow(&n, &l, least, any_split, &repeated);
        merges += l.merges.len;
        bpe_learned_release(&l);
        vocab_release(&n.tokens);
    }
    ok(wrong == 0 && merges > 4000 && (any_split || repeated > 50), "%s, least count %d: %zu of 60 differ, %zu merges, %zu of a text known before",
       any_split ? "any split" : "single splits", (int)least, wrong, merges, repeated);
}

int
main(void)
{
    compare(false, 1);
    compare(false, 3);
    compare(true, 1); /* with a higher count rare pairs are left as they are */
    return done();
}
