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
enum arithmetic { DOUBLE, SINGLE, ESTIMATE };

static void
reset_places(struct places *places, size_t n, double score)
{
    vec_clear(places);
    vec_reserve(places, n + 1);
    places->data[0] = (struct place){.score = score};
    for (size_t i = 1; i <= n; i++)
        places->data[i] = (struct place){.score = -HUGE_VAL, .second = -HUGE_VAL};
}

static inline double
larger(double a, double b)
{
    return a > b ? a : b; /* one instruction; fmax is a call, for the sake of NaN */
}

static inline double
smaller(double a, double b)
{
    return a < b ? a : b;
}

/* Without branches: whether an offer is better is a matter of luck. */
static inline __attribute__((always_inline)) void
offer(struct place *to, double sum, uint64_t from, enum arithmetic arithmetic)
{
    uint64_t better = 0 - (uint64_t)(sum > to->score);
    if (arithmetic == ESTIMATE)
        to->second = larger(to->second, smaller(sum, to->score));
    to->score = larger(sum, to->score);
    to->from = (from & better) | (to->from & ~better);
}

/* The sum at `at` is far from zero: all sums that are still in use are lessened by it. */
static void
begin_anew(struct place *places, size_t at, size_t frontier)
{
    float offset = (float)places[at].score;
    for (size_t i = at; i <= frontier; i++) /* where no path ends, infinity stays */
        places[i].score = (double)((float)places[i].score - offset);
}

/* single: of the tables that are read. */
static inline __attribute__((always_inline)) int
forward(const struct unigram *u, struct place *places, const uint16_t *codes, size_t n,
        enum arithmetic arithmetic, bool single)
{
    const struct unigram_tables *t = u->tables;
    const struct char_node *nodes = t->trie.nodes;
    uint32_t no_token = (uint32_t)u->vocab->entries.len;
    size_t frontier = 0;
    for (size_t at = 0; at < n; at++) {
        if (arithmetic == SINGLE && fabs(places[at].score) > UNIGRAM_RESET)
            begin_anew(places, at, frontier);
        double score = places[at].score;
        uint64_t from = place_from(at, 0);
        uint32_t parent = 0, child = codes[at];
        size_t end = at;
        while (nodes[child].parent == parent) {
            const struct char_node *node = &nodes[child];
            end++;
            /* a node that is no token offers a score that loses */
            double add = single ? (double)node->score : t->scores[node->value];
            offer(&places[end], add_score(score, add, arithmetic == SINGLE), from | node->value,
                  arithmetic);
            if (end == n)
                break;
            parent = child;
            child = node->base + codes[end];
        }
        if (arithmetic == SINGLE && frontier < end)
            frontier = end;
        if (nodes[codes[at]].parent == 0 && nodes[codes[at]].value != no_token)
            continue;
        /* the character itself is no token */
        offer(&places[at + 1], add_score(score, t->unk_score, arithmetic == SINGLE),
              from | u->unk, arithmetic);
        if (u->unk == UINT32_MAX && (places[at + 1].from == (from | u->unk)))
            return unigram_no_unk();
        if (arithmetic == SINGLE && frontier < at + 1)
            frontier = at + 1;
    }
    return 0;
}

static void
backward(const struct place *places, size_t n, struct path *path)
{
    vec_clear(path);
    for (uint32_t end = (uint32_t)n; end > 0;) {
        uint64_t from = places[end].from;
        vec_push(path, ((struct path_token){(uint32_t)(from >> 32), end, (uint32_t)from}));
        end = (uint32_t)(from >> 32);
    }
}

int
unigram_no_unk(void)
{
    return err_set(STATUS_INPUT,
                   "a character that is not in the vocabulary, which has no unknown token");
}

int
unigram_best(const struct unigram *u, struct places *places, const uint16_t *codes, size_t n,
             double *score, struct path *path)
{
    reset_places(places, n, *score);
    if ((u->single ? forward(u, places->data, codes, n, SINGLE, true)
                   : forward(u, places->data, codes, n, DOUBLE, false)) < 0)
        return -1;
    *score = places->data[n].score;
    backward(places->data, n, path);
    return 0;
}

/*
 * Let m be the smallest lead of the best path over the next best at any of its places,
 * k the number of characters and R the largest sum that is offered in the text. From a score S on, all
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
unigram_estimate(const struct unigram *u, struct places *places, const uint16_t *codes, size_t n,
                 struct path *path, double *limit)
{
    double most = 0, lead = HUGE_VAL;
    reset_places(places, n, 0);
    if ((u->single ? forward(u, places->data, codes, n, ESTIMATE, true)
                   : forward(u, places->data, codes, n, ESTIMATE, false)) < 0)
        return -1;
    backward(places->data, n, path);
    for (size_t i = 0; i < path->len; i++) {
        const struct place *p = &places->data[path->data[i].end];
        lead = smaller(lead, p->score - p->second);
    }
    for (size_t i = 1; i <= n; i++)
        if (places->data[i].score > -HUGE_VAL)
            most = larger(most, fabs(places->data[i].score));
    *limit = safe_distance(lead, (double)n, most + u->tables->largest, u->single);
    if (u->unk == UINT32_MAX)
        *limit = -1; /* an offer that may be an error is nothing to estimate */
    return 0;
}
