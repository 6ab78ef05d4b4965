#include "tokenizer/unigram_internal.h"

#include <math.h>

#include "base/err.h"

/*
 * The best segmentation, left to right (Viterbi): every token that begins where a best
 * path ends offers a path to its own end. The order of the offers and their arithmetic
 * are the peers' (Hugging Face: sums in double; SentencePiece 0.2.3: in float, begun
 * anew at 100,000): of equal paths the first offered stays, the one whose last token is
 * longest.
 */
#define NOWHERE UINT32_MAX

enum arithmetic { DOUBLE, SINGLE, ESTIMATE };

static void
reset_places(struct places *places, size_t n)
{
    vec_clear(places);
    vec_reserve(places, n + 1);
    for (size_t i = 0; i <= n; i++)
        places->data[i].start = NOWHERE;
}

static inline __attribute__((always_inline)) void
offer(struct place *to, double sum, uint32_t start, uint32_t id, enum arithmetic arithmetic)
{
    bool better = to->start == NOWHERE || sum > to->score;
    if (arithmetic == ESTIMATE) {
        double other = better ? (to->start == NOWHERE ? -HUGE_VAL : to->score) : sum;
        to->second = to->start == NOWHERE ? -HUGE_VAL : fmax(to->second, other);
    }
    if (better) {
        to->score = sum;
        to->start = start;
        to->id = id;
    }
}

/* The sum at `at` is far from zero: all sums that are still in use are lessened by it. */
static void
begin_anew(struct place *places, size_t at, size_t frontier)
{
    float offset = (float)places[at].score;
    for (size_t i = at; i <= frontier; i++)
        if (i == at || places[i].start != NOWHERE)
            places[i].score = (double)((float)places[i].score - offset);
}

/* *most: the largest absolute value of a sum. */
static inline __attribute__((always_inline)) int
forward(const struct unigram *u, struct place *places, const char *text, size_t n, double *most,
        enum arithmetic arithmetic)
{
    const struct unigram_tables *t = u->tables;
    const uint64_t *nodes = u->trie.nodes;
    size_t frontier = 0;
    for (size_t at = 0; at < n;) {
        if (arithmetic == SINGLE && fabs(places[at].score) > UNIGRAM_RESET)
            begin_anew(places, at, frontier);
        double score = places[at].score;
        size_t first = char_length((unsigned char)text[at]);
        bool alone = false; /* is the character itself a token? */
        uint64_t node = nodes[0];
        for (size_t end = at; end < n && trie_step(nodes, &node, (uint8_t)text[end]);) {
            end++;
            if (!trie_is_key(node))
                continue;
            uint32_t id = trie_value(node);
            double sum = add_score(score, t->scores[id], arithmetic == SINGLE);
            offer(&places[end], sum, (uint32_t)at, id, arithmetic);
            alone |= end == at + first;
            if (arithmetic == ESTIMATE)
                *most = fmax(*most, fabs(sum));
            if (arithmetic == SINGLE && frontier < end)
                frontier = end;
        }
        if (!alone) {
            double sum = add_score(score, t->unk_score, arithmetic == SINGLE);
            offer(&places[at + first], sum, (uint32_t)at, u->unk, arithmetic);
            if (places[at + first].start == at && u->unk == UINT32_MAX)
                return err_set(STATUS_INPUT, UNIGRAM_NO_UNK_ERROR);
            if (arithmetic == ESTIMATE)
                *most = fmax(*most, fabs(sum));
            if (arithmetic == SINGLE && frontier < at + first)
                frontier = at + first;
        }
        at += first;
    }
    return 0;
}

static void
backward(const struct place *places, size_t n, struct path *path)
{
    vec_clear(path);
    for (uint32_t end = (uint32_t)n; end > 0;) {
        const struct place *p = &places[end];
        vec_push(path, ((struct path_token){p->start, end, p->id}));
        end = p->start;
    }
}

int
unigram_best(const struct unigram *u, struct places *places, const char *text, size_t n,
             double *score, struct path *path)
{
    reset_places(places, n);
    places->data[0] = (struct place){.score = *score};
    if ((u->single ? forward(u, places->data, text, n, NULL, SINGLE)
                   : forward(u, places->data, text, n, NULL, DOUBLE)) < 0)
        return -1;
    *score = places->data[n].score;
    backward(places->data, n, path);
    return 0;
}

/*
 * Let m be the smallest lead of the best path over the next best at any of its places,
 * k the number of characters and R the largest sum in the text. From a score S on, all
 * sums are below |S| + R in absolute value, so that each addition is off by at most
 * h = (|S| + R) u (u = 2^-24 or 2^-53), a path of k tokens by k h, and the difference of
 * two by 2 k h. While that is less than m the order of the two cannot change. In double
 * the estimate itself is as inexact as the sums from zero: half of m is set aside.
 */
static double
safe_distance(double lead, double k, double most, bool single)
{
    if (!(lead > 0))
        return -1;
    if (!single)
        return lead / (4 * k) * 0x1p53 - 2 * most;
    double limit = 0.99 * lead / (2 * k) * 0x1p24 - most;
    return fmin(limit, UNIGRAM_RESET - 1 - most); /* nothing begins anew meanwhile */
}

int
unigram_estimate(const struct unigram *u, struct places *places, const char *text, size_t n,
                 struct path *path, double *limit)
{
    double most = 0, lead = HUGE_VAL;
    size_t characters = 0;
    reset_places(places, n);
    places->data[0] = (struct place){.score = 0};
    if (forward(u, places->data, text, n, &most, ESTIMATE) < 0)
        return -1;
    backward(places->data, n, path);
    for (size_t i = 0; i < path->len; i++) {
        const struct place *p = &places->data[path->data[i].end];
        lead = fmin(lead, p->score - p->second);
    }
    for (size_t i = 0; i < n; i += char_length((unsigned char)text[i]))
        characters++;
    *limit = safe_distance(lead, (double)characters, most, u->single);
    return 0;
}
