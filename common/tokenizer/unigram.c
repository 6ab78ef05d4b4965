#include "tokenizer/unigram.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/*
 * The best segmentation, left to right (Viterbi): every token that begins where a best
 * path ends offers a path to its own end. The order of the offers and their arithmetic
 * are the peers': of equal paths the first offered stays, the one whose last token is
 * longest.
 */
struct unigram_tables {
    double *scores;   /* by id; single: as SentencePiece adds them */
    double unk_score; /* of a character that is no token */
};

/* The best path to a place of the text: its score, its last token and where that begins. */
struct place {
    double score;
    uint32_t start, id;
};
#define NOWHERE UINT32_MAX

struct token_span {
    uint32_t start, end, id;
};

struct unigram_scratch {
    VEC(struct place) places;
    VEC(struct token_span) path;
};

/* Both libraries: an unknown character is ten worse than the worst token. */
#define UNKNOWN_PENALTY 10

static bool
in_text(const struct unigram *u, const uint8_t *kinds, uint32_t id)
{
    if (!u->single || !kinds)
        return true;
    return kinds[id] == UNIGRAM_NORMAL || kinds[id] == UNIGRAM_USER_DEFINED;
}

/*
 * SentencePiece: lowest and highest score of the normal pieces, in float; its highest
 * begins at FLT_MIN, above any logarithm of a probability.
 */
static void
score_single(struct unigram *u, const uint8_t *kinds)
{
    double *scores = u->tables->scores;
    float low = FLT_MAX, high = FLT_MIN;
    for (uint32_t id = 0; id < u->vocab->entries.len; id++) {
        scores[id] = (double)(float)scores[id];
        if (kinds && kinds[id] != UNIGRAM_NORMAL)
            continue;
        low = fminf(low, (float)scores[id]);
        high = fmaxf(high, (float)scores[id]);
    }
    for (uint32_t id = 0; kinds && id < u->vocab->entries.len; id++)
        if (kinds[id] == UNIGRAM_USER_DEFINED)
            scores[id] = (double)((float)u->vocab->entries.data[id].length * high) - 0.1;
    u->tables->unk_score = (double)(low - (float)UNKNOWN_PENALTY);
}

static void
score_double(struct unigram *u)
{
    double low = INFINITY;
    for (uint32_t id = 0; id < u->vocab->entries.len; id++)
        low = fmin(low, u->tables->scores[id]);
    u->tables->unk_score = low - UNKNOWN_PENALTY;
}

int
unigram_build(struct unigram *u, const struct vocab *vocab, const double *scores,
              const uint8_t *kinds)
{
    size_t n = vocab->entries.len;
    u->vocab = vocab;
    u->tables = mem_zalloc(sizeof *u->tables);
    u->tables->scores = mem_zarray(n + 1, sizeof *u->tables->scores);
    VEC(struct trie_key) keys = {0};
    for (uint32_t id = 0; id < n; id++) {
        size_t length = 0;
        const char *text = vocab_get(vocab, id, &length);
        if (!isfinite(scores[id])) {
            vec_release(&keys);
            return err_set(STATUS_INPUT, "the score of id %u is not finite", id);
        }
        u->tables->scores[id] = scores[id];
        if (text && length > 0 && in_text(u, kinds, id))
            vec_push(&keys, ((struct trie_key){text, (uint32_t)length, id}));
    }
    trie_build(&u->trie, keys.data, keys.len);
    vec_release(&keys);
    if (u->single)
        score_single(u, kinds);
    else
        score_double(u);
    return 0;
}

void
unigram_release(struct unigram *u)
{
    trie_release(&u->trie);
    if (u->tables)
        free(u->tables->scores);
    free(u->tables);
    u->tables = NULL;
}

struct unigram_scratch *
unigram_scratch_new(void)
{
    return mem_zalloc(sizeof(struct unigram_scratch));
}

void
unigram_scratch_free(struct unigram_scratch *s)
{
    if (!s)
        return;
    vec_release(&s->places);
    vec_release(&s->path);
    free(s);
}

static size_t
char_length(unsigned char c)
{
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/*
 * Offers a path to `to`. SentencePiece compares the sum in double, as its last score
 * may be one, and keeps it as a float; an unknown character's sum is a float at once.
 */
static inline void
offer(struct place *to, double sum, uint32_t start, uint32_t id, bool single)
{
    if (to->start == NOWHERE || sum > to->score)
        *to = (struct place){single ? (double)(float)sum : sum, start, id};
}

static inline __attribute__((always_inline)) int
forward(const struct unigram *u, struct place *places, const char *text, size_t n, bool single)
{
    const struct unigram_tables *t = u->tables;
    const uint64_t *nodes = u->trie.nodes;
    for (size_t at = 0; at < n;) {
        double score = places[at].score;
        size_t first = char_length((unsigned char)text[at]);
        bool alone = false; /* is the character itself a token? */
        uint64_t node = nodes[0];
        for (size_t end = at; end < n && trie_step(nodes, &node, (uint8_t)text[end]);) {
            end++;
            if (!trie_is_key(node))
                continue;
            uint32_t id = trie_value(node);
            offer(&places[end], score + t->scores[id], (uint32_t)at, id, single);
            alone |= end == at + first;
        }
        if (!alone) {
            double sum = score + t->unk_score;
            struct place *to = &places[at + first];
            offer(to, single ? (double)(float)sum : sum, (uint32_t)at, u->unk, single);
            if (to->start == at && to->id == UINT32_MAX)
                return err_set(STATUS_INPUT, "byte %zu of a text: a character that is not in the "
                               "vocabulary, which has no unknown token", at);
        }
        at += first;
    }
    return 0;
}

/* Tokens of the best path, from the end of the text to its beginning. */
static void
backward(struct unigram_scratch *s, size_t n)
{
    vec_clear(&s->path);
    for (uint32_t end = (uint32_t)n; end > 0;) {
        struct place p = s->places.data[end];
        vec_push(&s->path, ((struct token_span){p.start, end, p.id}));
        end = p.start;
    }
}

/* The ids of a run of unknown characters: a token, its bytes, or the unknown token. */
static void
add_unknown(const struct unigram *u, const char *text, size_t n, struct ids *out)
{
    /* only Hugging Face looks the whole run up */
    uint32_t id = u->single ? UINT32_MAX : vocab_find(u->vocab, text, n);
    bool bytes = u->byte_fallback && id == UINT32_MAX;
    for (size_t i = 0; bytes && i < n; i++)
        bytes = u->byte_tokens[(uint8_t)text[i]] != UINT32_MAX;
    for (size_t i = 0; bytes && i < n; i++)
        vec_push(out, u->byte_tokens[(uint8_t)text[i]]);
    if (!bytes)
        vec_push(out, id == UINT32_MAX ? u->unk : id);
}

int
unigram_encode(const struct unigram *u, struct unigram_scratch *s, const char *text, size_t n,
               struct ids *out)
{
    vec_clear(&s->places);
    vec_reserve(&s->places, n + 1);
    for (size_t i = 0; i <= n; i++)
        s->places.data[i].start = NOWHERE;
    s->places.data[0] = (struct place){0};
    if ((u->single ? forward(u, s->places.data, text, n, true)
                   : forward(u, s->places.data, text, n, false)) < 0)
        return -1;
    backward(s, n);
    for (size_t i = s->path.len; i > 0;) {
        struct token_span span = s->path.data[--i];
        if (span.id != u->unk) {
            vec_push(out, span.id);
            continue;
        }
        while (i > 0 && s->path.data[i - 1].id == u->unk)
            span.end = s->path.data[--i].end;
        add_unknown(u, text + span.start, span.end - span.start, out);
    }
    return 0;
}
