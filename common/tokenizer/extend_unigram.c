#include "tokenizer/extend_unigram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/classes.h"
#include "tokenizer/trie.h"

enum {
    ROUNDS = 2,          /* of EM, before and after the choice */
    CELL_WORDS = 4096,   /* that a thread takes at a time */
    CHUNK = 48 * 3,      /* bytes of a word that are looked at together: probabilities stay
                            far from the least double */
    MATCHES = 256,
    FRACTION_BITS = 20
};
static const double unknown_penalty = 10; /* Hugging Face's and SentencePiece's */

struct edge {
    uint32_t begin, end, id;
};

struct worker {
    uint64_t *expected; /* by new token, in units of 2^-FRACTION_BITS */
    uint64_t total;
    VEC(struct edge) edges;
    double forward[CHUNK + 8], backward[CHUNK + 8];
    struct trie_match matches[MATCHES];
};

struct learner {
    const struct tokenizer *base;
    const struct piece_counts *words;
    const struct vocab *tokens;
    uint32_t first, count; /* of the new tokens */
    bool *dropped;         /* by new token */
    double *score, *share; /* by id; share: the exponential */
    double lowest, unknown;
    struct trie trie;
    struct worker *workers;
    struct threads *threads;
};

/* ---- the model ---- */

static int
read_scores(struct learner *l)
{
    const struct tokenizer_file *files;
    struct json_doc doc = {0};
    tokenizer_files(l->base, &files); /* the first is tokenizer.json */
    if (json_doc_parse(&doc, files[0].name, files[0].data, files[0].size) < 0)
        return -1;
    const json_t *vocab = json_object_get(json_object_get(doc.root, "model"), "vocab");
    l->lowest = HUGE_VAL;
    for (size_t id = 0; id < json_array_size(vocab); id++) {
        l->score[id] = json_number_value(json_array_get(json_array_get(vocab, id), 1));
        l->lowest = fmin(l->lowest, l->score[id]);
    }
    l->unknown = exp(l->lowest - unknown_penalty);
    json_doc_release(&doc);
    return 0;
}

static void
build_trie(struct learner *l)
{
    VEC(struct trie_key) keys = {0};
    for (uint32_t id = 0; id < l->first + l->count; id++) {
        size_t n = 0;
        const char *s = vocab_get(l->tokens, id, &n);
        if (n && (id < l->first ? extend_may_join(l->base, id) : !l->dropped[id - l->first]))
            vec_push(&keys, ((struct trie_key){s, (uint32_t)n, id}));
    }
    trie_build(&l->trie, keys.data, keys.len);
    vec_release(&keys);
}

/* Scores above 0 are symbols that go before everything: certain ones will do here. */
static void
take_shares(struct learner *l)
{
    for (uint32_t id = 0; id < l->first + l->count; id++)
        l->share[id] = exp(fmin(l->score[id], 0));
}

/* ---- expectation ---- */

/* The edges of a chunk, by their beginnings, and the sums of what leads to each place. */
static void
walk_forward(const struct learner *l, struct worker *w, const char *s, uint32_t n)
{
    size_t used;
    vec_clear(&w->edges);
    memset(w->forward, 0, (n + 1) * sizeof *w->forward);
    w->forward[0] = 1;
    for (uint32_t at = 0; at < n; at += (uint32_t)used) {
        text_peek(s + at, &used);
        size_t found = trie_prefixes(&l->trie, s + at, n - at, w->matches, MATCHES);
        if (!found || w->matches[0].length != used) {
            vec_push(&w->edges, ((struct edge){at, at + (uint32_t)used, UINT32_MAX}));
            w->forward[at + used] += w->forward[at] * l->unknown;
        }
        for (size_t i = 0; i < found; i++) {
            uint32_t end = at + w->matches[i].length, id = w->matches[i].value;
            vec_push(&w->edges, ((struct edge){at, end, id}));
            w->forward[end] += w->forward[at] * l->share[id];
        }
    }
}

static void
expect_chunk(const struct learner *l, struct worker *w, const char *s, uint32_t n, uint64_t count)
{
    walk_forward(l, w, s, n);
    memset(w->backward, 0, (n + 1) * sizeof *w->backward);
    w->backward[n] = 1;
    double all = w->forward[n], unit = (double)count * (1 << FRACTION_BITS) / all;
    for (size_t i = w->edges.len; i-- > 0 && all > 0;) {
        struct edge e = w->edges.data[i];
        double share = e.id == UINT32_MAX ? l->unknown : l->share[e.id];
        double flow = share * w->backward[e.end];
        uint64_t expected = (uint64_t)(w->forward[e.begin] * flow * unit + 0.5);
        w->backward[e.begin] += flow;
        w->total += expected;
        if (e.id != UINT32_MAX && e.id >= l->first)
            w->expected[e.id - l->first] += expected;
    }
}

static int
expect_words(void *arg, size_t cell, int worker)
{
    const struct learner *l = arg;
    struct worker *w = &l->workers[worker];
    size_t end = (cell + 1) * CELL_WORDS;
    for (size_t i = cell * CELL_WORDS; i < end && i < l->words->pieces.len; i++) {
        const struct piece_count *p = &l->words->pieces.data[i];
        const char *s = l->words->pool.data + p->start;
        for (uint32_t at = 0, n; at < p->length; at += n) {
            for (n = p->length - at < CHUNK ? p->length - at : CHUNK;
                 at + n < p->length && ((unsigned char)s[at + n] & 0xC0) == 0x80; n--)
                ;
            expect_chunk(l, w, s + at, n, p->count);
        }
    }
    return 0;
}

/* New scores from what is expected by the old ones. expected: by new token, the sums. */
static void
maximize(struct learner *l, uint64_t *expected)
{
    uint64_t total = 0;
    int workers = threads_count(l->threads);
    take_shares(l);
    build_trie(l);
    for (int i = 0; i < workers; i++) {
        memset(l->workers[i].expected, 0, l->count * sizeof *expected);
        l->workers[i].total = 0;
    }
    threads_run(l->threads, (l->words->pieces.len + CELL_WORDS - 1) / CELL_WORDS, expect_words, l);
    memset(expected, 0, l->count * sizeof *expected);
    for (int i = 0; i < workers; i++) {
        total += l->workers[i].total;
        for (uint32_t k = 0; k < l->count; k++)
            expected[k] += l->workers[i].expected[k];
    }
    for (uint32_t k = 0; k < l->count; k++) {
        double share = total ? (double)expected[k] / (double)total : 0;
        l->score[l->first + k] = share > 0 ? fmax(log(share), l->lowest) : l->lowest;
    }
    trie_release(&l->trie);
}

/* At the start a candidate's share is its occurrences among all characters. */
static void
count_candidates(struct learner *l)
{
    struct worker *w = &l->workers[0];
    uint64_t all = 0, *counts = mem_zarray(l->count + 1, sizeof *counts);
    build_trie(l);
    for (size_t i = 0; i < l->words->pieces.len; i++) {
        const struct piece_count *p = &l->words->pieces.data[i];
        const char *s = l->words->pool.data + p->start;
        size_t used;
        for (size_t at = 0; at < p->length; at += used) {
            text_peek(s + at, &used);
            size_t found = trie_prefixes(&l->trie, s + at, p->length - at, w->matches, MATCHES);
            all += p->count;
            for (size_t k = 0; k < found; k++)
                if (w->matches[k].value >= l->first)
                    counts[w->matches[k].value - l->first] += p->count;
        }
    }
    for (uint32_t k = 0; k < l->count; k++)
        l->score[l->first + k] =
            counts[k] ? fmax(log((double)counts[k] / (double)all), l->lowest) : l->lowest;
    trie_release(&l->trie);
    free(counts);
}

/* ---- the choice ---- */

struct candidate {
    uint32_t token; /* from l->first */
    double worth;
    const char *text;
    size_t length;
};

/* The best score of a piece's text without the piece. */
static double
best_without(const struct learner *l, struct worker *w, uint32_t id, const char *s, size_t n)
{
    double *best = mem_array(n + 1, sizeof *best);
    size_t used;
    for (size_t i = 1; i <= n; i++)
        best[i] = -HUGE_VAL;
    best[0] = 0;
    for (size_t at = 0; at < n; at += used) {
        text_peek(s + at, &used);
        size_t found = trie_prefixes(&l->trie, s + at, n - at, w->matches, MATCHES);
        if (!found || w->matches[0].length != used)
            best[at + used] = fmax(best[at + used], best[at] + l->lowest - unknown_penalty);
        for (size_t i = 0; i < found; i++) {
            size_t end = at + w->matches[i].length;
            if (w->matches[i].value != id)
                best[end] = fmax(best[end], best[at] + l->score[w->matches[i].value]);
        }
    }
    double result = best[n];
    free(best);
    return result;
}

static int
most_worth_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->worth > y->worth || x->worth < y->worth)
        return x->worth > y->worth ? -1 : 1;
    int c = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return c ? c : x->length < y->length ? -1 : x->length > y->length;
}

static struct candidate
candidate_of(const struct learner *l, uint32_t k, double worth)
{
    struct candidate c = {.token = k, .worth = worth};
    c.text = vocab_get(l->tokens, l->first + k, &c.length);
    return c;
}

static void
drop_worst(struct learner *l, const uint64_t *expected, uint32_t characters, uint32_t keep)
{
    VEC(struct candidate) all = {0};
    build_trie(l);
    for (uint32_t k = characters; k < l->count; k++) {
        struct candidate c = candidate_of(l, k, 0);
        double without = best_without(l, &l->workers[0], l->first + k, c.text, c.length);
        c.worth = (double)expected[k] * (l->score[l->first + k] - without);
        vec_push(&all, c);
    }
    if (all.len)
        qsort(all.data, all.len, sizeof *all.data, most_worth_first);
    for (size_t i = keep - characters; i < all.len; i++)
        l->dropped[all.data[i].token] = true;
    vec_release(&all);
    trie_release(&l->trie);
}

/* What is left, the best first, becomes the result. */
static void
take_result(const struct learner *l, struct extension_tokens *x)
{
    VEC(struct candidate) all = {0};
    struct vocab tokens = {0};
    size_t n = 0;
    for (uint32_t k = 0; k < l->count; k++)
        if (!l->dropped[k])
            vec_push(&all, candidate_of(l, k, l->score[l->first + k]));
    if (all.len)
        qsort(all.data, all.len, sizeof *all.data, most_worth_first);
    for (uint32_t id = 0; id < l->first; id++) {
        const char *s = vocab_get(l->tokens, id, &n);
        if (s)
            vocab_add(&tokens, id, s, n);
    }
    for (size_t i = 0; i < all.len; i++) {
        vocab_add(&tokens, l->first + (uint32_t)i, all.data[i].text, all.data[i].length);
        vec_push(&x->scores, all.data[i].worth);
    }
    vocab_release(&x->tokens);
    x->tokens = tokens;
    vec_release(&all);
}

int
extend_unigram(const struct tokenizer *base, const struct piece_counts *words,
               uint32_t characters, uint32_t keep, struct threads *threads,
               struct extension_tokens *x)
{
    struct learner l = {.base = base, .words = words, .tokens = &x->tokens, .first = x->first,
                        .threads = threads};
    uint32_t all = (uint32_t)x->tokens.entries.len;
    int workers = threads_count(threads);
    l.count = all - l.first;
    l.dropped = mem_zarray(l.count + 1, sizeof *l.dropped);
    l.score = mem_zarray(all + 1, sizeof *l.score);
    l.share = mem_zarray(all + 1, sizeof *l.share);
    l.workers = mem_zarray((size_t)workers, sizeof *l.workers);
    uint64_t *expected = mem_zarray(l.count + 1, sizeof *expected);
    for (int i = 0; i < workers; i++)
        l.workers[i].expected = mem_zarray(l.count + 1, sizeof *expected);
    int rc = read_scores(&l);
    if (rc == 0) {
        count_candidates(&l);
        for (int i = 0; i < ROUNDS; i++)
            maximize(&l, expected);
        if (l.count > keep)
            drop_worst(&l, expected, characters, keep);
        for (int i = 0; i < ROUNDS; i++)
            maximize(&l, expected);
        take_result(&l, x);
    }
    for (int i = 0; i < workers; i++) {
        free(l.workers[i].expected);
        vec_release(&l.workers[i].edges);
    }
    free(l.workers);
    free(l.dropped);
    free(l.score);
    free(l.share);
    free(expected);
    return rc;
}
