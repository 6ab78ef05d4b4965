#include "model/generate.h"

#include <math.h>
#include <stddef.h>

#include "base/rng.h"

/* The next token from logits: greedy, or drawn from the most likely ones. */

struct candidate {
    double weight; /* exp((logit - largest) / temperature) */
    uint32_t id;
};

enum { LANES = 16 }; /* so many maxima at a time: a loop that compilers vectorize */

/* The first of the greatest; 0 when no logit is above -infinity. */
static uint32_t
largest(const float *logits, int64_t vocab)
{
    float lane[LANES], most = -INFINITY;
    int64_t i = 0;

    for (int j = 0; j < LANES; j++)
        lane[j] = -INFINITY;
    for (; i + LANES <= vocab; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] = logits[i + j] > lane[j] ? logits[i + j] : lane[j];
    for (; i < vocab; i++)
        most = logits[i] > most ? logits[i] : most;
    for (int j = 0; j < LANES; j++)
        most = lane[j] > most ? lane[j] : most;
    for (i = 0; i < vocab; i++)
        if (logits[i] == most)
            return (uint32_t)i;
    return 0;
}

/* a is taken before b. */
static int
before(const struct candidate *a, const struct candidate *b)
{
    return a->weight > b->weight || (a->weight == b->weight && a->id < b->id);
}

/* Restores the heap order below `at`. */
static void
sift(struct candidate *heap, size_t n, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &heap[at]))
            return;

        struct candidate swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

/* Moves the best of the n candidates to heap[n - 1]. */
static void
pop(struct candidate *heap, size_t n)
{
    struct candidate best = heap[0];

    heap[0] = heap[n - 1];
    heap[n - 1] = best;
    sift(heap, n - 1, 0);
}

/* Draws from c[0], c[step], ... (n of them) at u in [0, 1). */
static uint32_t
draw(const struct candidate *c, ptrdiff_t step, size_t n, double mass, double u)
{
    double sum = 0;

    for (size_t i = 0; i + 1 < n; i++, c += step) {
        sum += c->weight;
        if (sum > u * mass)
            return c->id;
    }
    return c->id;
}

/*
 * The best candidates, from c[n - 1] downwards: at most top_k (0: all), and no more than it takes
 * to reach the share top_p of their weight. Returns how many; *mass is their weight.
 */
static size_t
keep_best(const struct sampler *s, struct candidate *c, size_t n, double total, double *mass)
{
    size_t most = s->top_k > 0 && (size_t)s->top_k < n ? (size_t)s->top_k : n, kept = 0;

    for (size_t i = n / 2; i-- > 0;)
        sift(c, n, i);
    if (most < n) {
        total = 0;
        for (size_t i = 0; i < most; i++) {
            pop(c, n - i);
            total += c[n - 1 - i].weight;
        }
    }
    *mass = 0;
    while (kept < most) {
        if (most == n)
            pop(c, n - kept);
        *mass += c[n - 1 - kept++].weight;
        if (s->top_p < 1 && *mass >= s->top_p * total)
            break;
    }
    return kept;
}

uint32_t
sampler_next(const struct sampler *s, const float *logits, int64_t vocab, uint64_t index,
             void *scratch)
{
    struct candidate *c = scratch;
    size_t n = (size_t)vocab, kept;
    uint32_t best = largest(logits, vocab);
    double total = 0, mass, u;

    if (s->temperature <= 0)
        return best;
    for (size_t i = 0; i < n; i++) {
        double logit = ((double)logits[i] - (double)logits[best]) / s->temperature;

        c[i] = (struct candidate){exp(logit), (uint32_t)i};
        total += c[i].weight;
    }
    u = rng_uniform(rng_key(s->seed, "sample"), index);
    if (s->top_k <= 0 && s->top_p >= 1)
        return draw(c, 1, n, total, u);
    kept = keep_best(s, c, n, total, &mass);
    return draw(c + n - 1, -1, kept, mass, u);
}

void
sampler_see(uint64_t *seen, int64_t vocab, const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] < (uint64_t)vocab)
            seen[ids[i] / 64] |= UINT64_C(1) << ids[i] % 64;
}

void
sampler_penalize(float *logits, int64_t vocab, const uint64_t *seen, double penalty)
{
    float by = (float)penalty;

    for (size_t word = 0; word < sampler_seen_words(vocab); word++)
        for (uint64_t bits = seen[word]; bits; bits &= bits - 1) {
            float *logit = logits + word * 64 + (size_t)__builtin_ctzll(bits);

            *logit = *logit < 0 ? *logit * by : *logit / by;
        }
}
