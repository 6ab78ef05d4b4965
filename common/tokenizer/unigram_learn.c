#include "tokenizer/unigram_learn.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "tokenizer/unigram_learn_lattice.h"

/*
 * The Unigram model's training (T. Kudo: Subword Regularization, ACL 2018), with the
 * constants and the Bayesian M-step of SentencePiece's trainer: seeds; rounds of a few EM
 * iterations, after each of which the pieces are dropped whose loss the likelihood feels
 * least; at the end the best pieces, and every character.
 *
 * Other than there, the last dropping is followed by an iteration.
 */

enum { FRACTION_BITS = 30 };
#define EXPECTED_LEAST 0.5   /* pieces that are expected less often are dropped */
#define UNKNOWN_PENALTY 10   /* of a dropped character, below the worst score */
#define CHARACTER_STEP 1e-4f /* keeps apart the scores of characters that come back */

struct learner {
    const struct unigram_learn_options *o;
    struct threads *threads;
    int workers;
    struct unigram_pieces *p;
    struct lattices words, pieces; /* of the corpus; of the pieces themselves */
    struct lattice_scratch *scratch; /* by worker */
    uint64_t **sums;                 /* by worker: one number a piece */
    uint64_t *counts;                /* their sum */
    double *loss;                    /* by piece */
    double log_all, all;             /* pieces in the best segmentation of the corpus */
    int bits;
    double work; /* done so far, for the progress meter */
};

/* ---- pieces ---- */

void
unigram_pieces_release(struct unigram_pieces *p)
{
    vec_release(&p->text);
    vec_release(&p->strings);
    free(p->score);
    free(p->share);
    free(p->dropped);
    *p = (struct unigram_pieces){0};
}

void
unigram_learned_release(struct unigram_learned *l)
{
    unigram_pieces_release(&l->pieces);
    vec_release(&l->ranked);
}

static void
add_string(struct unigram_pieces *p, const unigram_symbol *s, uint32_t length, uint64_t weight)
{
    uint32_t start = (uint32_t)p->text.len;

    for (uint32_t i = 0; i < length; i++)
        vec_push(&p->text, s[i]);
    vec_push(&p->strings, ((struct unigram_string){weight, start, length}));
}

/* The characters and seeds, each with its share of the sum of their weights. */
static void
take_seeds(struct unigram_pieces *p, const struct unigram_corpus *c,
           const struct unigram_strings *seeds)
{
    double sum = 0;

    for (uint32_t i = 1; i <= c->symbols; i++) {
        unigram_symbol one = (unigram_symbol)i;
        add_string(p, &one, 1, c->counts[i]);
    }
    p->characters = c->symbols;
    for (size_t i = 0; i < seeds->len; i++)
        add_string(p, c->text.data + seeds->data[i].start, seeds->data[i].length,
                   seeds->data[i].weight);
    p->score = mem_array(p->strings.len, sizeof *p->score);
    p->share = mem_array(p->strings.len, sizeof *p->share);
    p->dropped = mem_zarray(p->strings.len, 1);
    for (size_t i = 0; i < p->strings.len; i++)
        sum += (double)p->strings.data[i].weight;
    for (size_t i = 0; i < p->strings.len; i++) {
        p->dropped[i] = p->strings.data[i].weight == 0;
        p->score[i] = (float)(log((double)p->strings.data[i].weight) - log(sum));
    }
}

static size_t
count_pieces(const struct unigram_pieces *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->strings.len; i++)
        n += !p->dropped[i];
    return n;
}

static float
worst_score(const struct unigram_pieces *p)
{
    float worst = 0;

    for (size_t i = 0; i < p->strings.len; i++)
        if (!p->dropped[i] && p->score[i] < worst)
            worst = p->score[i];
    return worst;
}

/* Shares from scores. A dropped character is unknown: it remains as the last resort. */
static void
set_shares(struct unigram_pieces *p)
{
    float unknown = worst_score(p) - UNKNOWN_PENALTY;

    for (size_t i = 0; i < p->strings.len; i++) {
        if (p->dropped[i])
            p->score[i] = i < p->characters ? unknown : -INFINITY;
        p->share[i] = expf(p->score[i]);
    }
}

/* ---- running over the lattices ---- */

/* A pass costs about as much as there are pieces; rounds get shorter as they get fewer. */
static void
advance(struct learner *l, size_t pieces)
{
    enum { UNITS = 1000 };
    double rest = 0, n = (double)pieces;

    l->work += n;
    for (; n > (double)l->o->stop; n *= l->o->shrink)
        rest += (l->o->sub_iterations + 1) * n;
    rest += (double)l->o->stop;
    if (l->o->seed.progress)
        l->o->seed.progress("learn", (uint64_t)(UNITS * l->work / (l->work + rest)), UNITS);
}

static void
clear_sums(struct learner *l)
{
    for (int i = 0; i < l->workers; i++)
        memset(l->sums[i], 0, l->p->strings.len * sizeof **l->sums);
}

static void
join_sums(struct learner *l)
{
    memcpy(l->counts, l->sums[0], l->p->strings.len * sizeof *l->counts);
    for (int i = 1; i < l->workers; i++)
        for (size_t k = 0; k < l->p->strings.len; k++)
            l->counts[k] += l->sums[i][k];
}

static int
expect_block(void *arg, size_t cell, int worker)
{
    struct learner *l = arg;

    lattice_expect(&l->words.blocks[cell], l->p->share, l->bits, &l->scratch[worker],
                   l->sums[worker]);
    return 0;
}

static int
best_block(void *arg, size_t cell, int worker)
{
    struct learner *l = arg;

    lattice_best(&l->words.blocks[cell], l->p->score, &l->scratch[worker], l->sums[worker]);
    return 0;
}

static void
sum_words(struct learner *l, int (*block)(void *arg, size_t cell, int worker))
{
    clear_sums(l);
    threads_run(l->threads, l->words.count, block, l);
    join_sums(l);
}

/* ---- expectation and maximization ---- */

/* The derivative of log Γ: by recurrence to 7 or more, then the asymptotic series at x - 1/2. */
static double
digamma(double x)
{
    double sum = 0;

    for (; x < 7; x++)
        sum -= 1 / x;
    x -= 0.5;
    double y = 1 / (x * x);

    return sum + log(x) + y * (1.0 / 24 - y * (7.0 / 960 - y * (31.0 / 8064 - y * 127.0 / 30720)));
}

static void
maximize(struct learner *l)
{
    struct unigram_pieces *p = l->p;
    double sum = 0, unit = ldexp(1, -l->bits);

    for (size_t i = 0; i < p->strings.len; i++) {
        double expected = (double)l->counts[i] * unit;

        p->dropped[i] |= expected < EXPECTED_LEAST;
        if (!p->dropped[i])
            sum += expected;
    }
    double log_sum = digamma(sum);
    for (size_t i = 0; i < p->strings.len; i++)
        if (!p->dropped[i])
            p->score[i] = (float)(digamma((double)l->counts[i] * unit) - log_sum);
    set_shares(p);
}

/* ---- dropping pieces ---- */

/*
 * What the likelihood loses without a piece, when its occurrences in the best
 * segmentation of the corpus go to the piece's own second best one. Negative infinity:
 * nothing.
 */
static double
loss_of(struct learner *l, const struct lattice_word *w, const uint32_t *e, int worker)
{
    uint32_t piece = (uint32_t)w->count, path[UNIGRAM_LENGTH_MOST], n;
    double count = (double)l->counts[piece];

    if (l->p->dropped[piece] || !l->counts[piece])
        return -HUGE_VAL;
    if (lattice_second(e, w->length, l->p->score, &l->scratch[worker], path, &n) >
        (double)l->p->score[piece])
        return -HUGE_VAL;
    double before = log(count) - l->log_all, after = 0, log_after = log(l->all + count * (n - 1.0));

    for (uint32_t i = 0; i < n; i++)
        after += log((double)l->counts[path[i]] + count) - log_after;
    return count * (before - after);
}

static int
loss_block(void *arg, size_t cell, int worker)
{
    struct learner *l = arg;
    const struct lattice_block *b = &l->pieces.blocks[cell];
    const uint32_t *e = b->edges.data;

    for (size_t i = 0; i < b->words.len; i++) {
        l->loss[b->words.data[i].count] = loss_of(l, &b->words.data[i], e, worker);
        e += b->words.data[i].edges;
    }
    return 0;
}

struct candidate {
    double loss;
    uint32_t piece;
};

static int
compare_losses(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->loss != y->loss)
        return x->loss < y->loss ? 1 : -1;
    return x->piece < y->piece ? -1 : 1;
}

/* Keeps the pieces of the largest losses, so many that `most` are left with the characters. */
static void
choose_pieces(struct learner *l, size_t most)
{
    struct unigram_pieces *p = l->p;
    VEC(struct candidate) all = {0};
    size_t kept = 0;

    for (uint32_t i = 0; i < p->strings.len; i++) {
        if (i < p->characters) {
            p->dropped[i] |= l->counts[i] == 0;
            kept += !p->dropped[i];
            continue;
        }
        if (!p->dropped[i] && l->loss[i] > -HUGE_VAL)
            vec_push(&all, ((struct candidate){l->loss[i], i}));
        p->dropped[i] = 1;
    }
    if (all.len)
        qsort(all.data, all.len, sizeof *all.data, compare_losses);
    for (size_t i = 0; i < all.len && kept + i < most; i++)
        p->dropped[all.data[i].piece] = 0;
    vec_release(&all);
}

/* Takes dropped pieces, but for characters, out of everything. */
static void
remove_dropped(struct learner *l)
{
    struct unigram_pieces *p = l->p;
    uint32_t *names = mem_array(p->strings.len, sizeof *names), kept = 0;

    for (uint32_t i = 0; i < p->strings.len; i++) {
        names[i] = UINT32_MAX;
        if (i >= p->characters && p->dropped[i])
            continue;
        names[i] = kept;
        p->strings.data[kept] = p->strings.data[i];
        p->score[kept] = p->score[i];
        p->dropped[kept] = p->dropped[i];
        kept++;
    }
    p->strings.len = kept;
    lattices_rename(&l->words, names, false, l->threads);
    lattices_rename(&l->pieces, names, true, l->threads);
    free(names);
    set_shares(p);
}

static void
prune(struct learner *l, size_t most)
{
    sum_words(l, best_block);
    l->all = 0;
    for (size_t i = 0; i < l->p->strings.len; i++)
        l->all += (double)l->counts[i];
    l->log_all = log(l->all);
    threads_run(l->threads, l->pieces.count, loss_block, l);
    choose_pieces(l, most);
    remove_dropped(l);
}

/* ---- the whole ---- */

static int
build_lattices(struct learner *l, struct unigram_corpus *c)
{
    struct unigram_pieces *p = l->p;
    struct symbol_trie t;
    VEC(struct unigram_word) own = {0};

    if (!symbol_trie_build(&t, p))
        return err_set(STATUS_USAGE, "%zu seeds are too many for pieces of this length: give "
                                     "a smaller --seed-size", p->strings.len);
    lattices_build(&l->words, &t, c->text.data, c->words.data, c->words.len, l->threads);
    vec_release(&c->text);
    vec_release(&c->words);
    for (uint32_t i = p->characters; i < p->strings.len; i++)
        vec_push(&own, ((struct unigram_word){i, p->strings.data[i].start,
                                              p->strings.data[i].length}));
    lattices_build(&l->pieces, &t, p->text.data, own.data, own.len, l->threads);
    vec_release(&own);
    symbol_trie_release(&t);
    return 0;
}

static void
iterate(struct learner *l)
{
    sum_words(l, expect_block);
    maximize(l);
    advance(l, count_pieces(l->p));
}

static void
run_rounds(struct learner *l)
{
    do {
        for (int i = 0; i < l->o->sub_iterations; i++)
            iterate(l);
        size_t n = count_pieces(l->p), most = (size_t)(l->o->shrink * (double)n);

        prune(l, most > l->o->stop ? most : l->o->stop);
        advance(l, count_pieces(l->p));
    } while (count_pieces(l->p) > l->o->stop);
    iterate(l);
}

static int
compare_ranked(const void *a, const void *b)
{
    const struct unigram_learned_piece *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->string < y->string ? -1 : 1;
}

/* All characters, then the other pieces of the highest scores; sorted. */
static void
rank_pieces(const struct learner *l, struct unigram_learned *out)
{
    const struct unigram_pieces *p = l->p;
    float worst = worst_score(p);
    uint32_t back = 0;
    size_t n;

    for (uint32_t i = p->characters; i < p->strings.len; i++)
        if (!p->dropped[i])
            vec_push(&out->ranked, ((struct unigram_learned_piece){i, p->score[i]}));
    n = l->o->target > p->characters ? l->o->target - p->characters : 0;
    if (out->ranked.len)
        qsort(out->ranked.data, out->ranked.len, sizeof *out->ranked.data, compare_ranked);
    out->ranked.len = out->ranked.len < n ? out->ranked.len : n;
    for (uint32_t i = 0; i < p->characters; i++) {
        float score = p->dropped[i] ? worst + CHARACTER_STEP * (float)back++ : p->score[i];

        vec_push(&out->ranked, ((struct unigram_learned_piece){i, score}));
    }
    qsort(out->ranked.data, out->ranked.len, sizeof *out->ranked.data, compare_ranked);
}

/* Fraction bits that leave room for the sum of everything in 62. */
static int
fraction_bits(uint64_t weight)
{
    int bits = FRACTION_BITS;

    while (bits > 0 && ldexp((double)weight, bits) > 0x1p61)
        bits--;
    return bits;
}

int
unigram_learn(struct unigram_corpus *c, const struct unigram_learn_options *o,
              struct threads *threads, struct unigram_learned *out)
{
    struct unigram_strings seeds = {0};
    struct learner l = {.o = o, .threads = threads, .workers = threads_count(threads)};
    int r = 0;

    *out = (struct unigram_learned){0};
    l.p = &out->pieces;
    l.bits = fraction_bits(c->weight);
    unigram_seed(c, &o->seed, threads, &seeds);
    take_seeds(l.p, c, &seeds);
    vec_release(&seeds);
    set_shares(l.p);
    l.scratch = mem_zarray((size_t)l.workers, sizeof *l.scratch);
    l.sums = mem_zarray((size_t)l.workers, sizeof *l.sums);
    for (int i = 0; i < l.workers; i++)
        l.sums[i] = mem_array(l.p->strings.len, sizeof **l.sums);
    l.counts = mem_array(l.p->strings.len, sizeof *l.counts);
    l.loss = mem_array(l.p->strings.len, sizeof *l.loss);
    r = build_lattices(&l, c);
    if (!r) {
        run_rounds(&l);
        rank_pieces(&l, out);
    }
    for (int i = 0; i < l.workers; i++) {
        lattice_scratch_release(&l.scratch[i]);
        free(l.sums[i]);
    }
    free(l.scratch);
    free(l.sums);
    free(l.counts);
    free(l.loss);
    lattices_release(&l.words);
    lattices_release(&l.pieces);
    return r;
}
