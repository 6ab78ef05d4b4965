/*
 * Inference: a sequence fed in pieces of any size gives the logits of the whole, and the
 * sampler's choices follow its rules.
 */
#include "model/generate.h"

#include "tests/unit/small_model.h"

enum { LENGTH = 29, VOCAB = 37 };

/* Logits of all tokens, fed in pieces of `piece`. */
static void
extend_by(struct decoder *d, const uint32_t *ids, int64_t piece, float *logits)
{
    struct kv_cache *c = kv_cache_new(d, LENGTH);

    for (int64_t at = 0; at < LENGTH; at += piece) {
        int64_t n = LENGTH - at < piece ? LENGTH - at : piece;

        if (decoder_extend(d, c, ids + at, n, n, logits + at * VOCAB) < 0)
            diag("%s", err_text());
    }
    ok(kv_cache_length(c) == LENGTH, "the cache holds all tokens");
    kv_cache_free(c);
}

static double
worst_of(const float *a, const float *b)
{
    double worst = 0;

    for (int i = 0; i < LENGTH * VOCAB; i++)
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    return worst;
}

/* -log p of the targets by the training path, over one whole sequence. */
static void
test_against_loss(const char *name, const struct small_model *m, const uint32_t *ids,
                  const float *logits)
{
    struct decoder_options o = {.kernels = table_named("ref"),
                                .precision = PRECISION_FP32,
                                .micro_batch = 1,
                                .seq_length = LENGTH};
    struct decoder *d = decoder_new(&m->config, &m->params, &o);
    int32_t targets[LENGTH], first[LENGTH] = {0};
    double token_loss[LENGTH], worst = 0;
    struct sequence_loss out;
    struct batch b = {
        .sequences = 1, .length = LENGTH, .inputs = ids, .targets = targets, .first = first};

    for (int i = 0; i < LENGTH; i++)
        targets[i] = (int32_t)ids[(i + 1) % LENGTH];
    decoder_set_weights(d, m->weights32, m->weights32);
    decoder_loss(d, &b, &out, token_loss);
    for (int i = 0; i < LENGTH; i++) {
        const float *row = logits + i * VOCAB;
        double sum = 0;

        for (int j = 0; j < VOCAB; j++)
            sum += exp((double)row[j]);
        worst = fmax(worst, fabs(log(sum) - (double)row[targets[i]] - token_loss[i]));
    }
    is_near(worst, 0, 2e-5, "%s: the logits are those of the loss", name);
    decoder_free(d);
}

static void
test_extend(const char *name, const char *json)
{
    struct small_model m;
    uint32_t ids[LENGTH];
    static float whole[LENGTH * VOCAB], pieces[LENGTH * VOCAB], last[VOCAB];
    static const int pieces_of[] = {1, 2, 7, 20};
    const struct kernels *k = kernels_pick(NULL);

    small_model_init(&m, json);
    for (int i = 0; i < LENGTH; i++)
        ids[i] = (uint32_t)(rng_u64(11, (uint64_t)i) % VOCAB);
    struct threads *pool = threads_new(2);
    struct decoder *d = small_decoder(&m, k, PRECISION_FP32, pool, RECOMPUTE_NONE, false);
    extend_by(d, ids, LENGTH, whole);
    for (size_t i = 0; i < sizeof pieces_of / sizeof *pieces_of; i++) {
        extend_by(d, ids, pieces_of[i], pieces);
        is_near(worst_of(whole, pieces), 0, 2e-5, "%s: pieces of %d tokens", name, pieces_of[i]);
    }
    test_against_loss(name, &m, ids, whole);

    /* Beyond the decoder's own capacity (3 x 17 tokens do not matter here: 29 fit), after a return.
     */
    struct kv_cache *c = kv_cache_new(d, LENGTH);
    decoder_extend(d, c, ids, 20, 0, NULL);
    kv_cache_truncate(c, 12);
    decoder_extend(d, c, ids + 12, LENGTH - 12, 1, last);
    double worst = 0;
    for (int j = 0; j < VOCAB; j++)
        worst = fmax(worst, fabs((double)last[j] - (double)whole[(LENGTH - 1) * VOCAB + j]));
    is_near(worst, 0, 2e-5, "%s: what was truncated is forgotten", name);
    ok(decoder_extend(d, c, ids, 1, 1, last) < 0, "%s: a full cache is refused", name);
    kv_cache_free(c);
    decoder_free(d);
    threads_free(pool);
    small_model_release(&m);
}

/* A prompt longer than the decoder's capacity goes in chunks; only the wanted logits are written.
 */
static void
test_chunks(void)
{
    struct small_model m;
    uint32_t ids[LENGTH];
    static float whole[LENGTH * VOCAB], tail[15 * VOCAB + 1];
    struct decoder_options o = {.kernels = table_named("ref"),
                                .precision = PRECISION_FP32,
                                .micro_batch = 1,
                                .seq_length = 8};

    small_model_init(&m, small_llama);
    for (int i = 0; i < LENGTH; i++)
        ids[i] = (uint32_t)(rng_u64(11, (uint64_t)i) % VOCAB);
    struct decoder *d = small_decoder(&m, o.kernels, PRECISION_FP32, NULL, RECOMPUTE_NONE, false);
    extend_by(d, ids, LENGTH, whole);
    decoder_free(d);

    d = decoder_new(&m.config, &m.params, &o);
    decoder_set_weights(d, m.weights32, m.weights32);
    struct kv_cache *c = kv_cache_new(d, LENGTH);
    tail[15 * VOCAB] = 123;
    ok(decoder_extend(d, c, ids, LENGTH, 15, tail) == 0, "a long prompt");
    double worst = 0;
    for (int j = 0; j < 15 * VOCAB; j++)
        worst = fmax(worst, fabs((double)tail[j] - (double)whole[(LENGTH - 15) * VOCAB + j]));
    is_near(worst, 0, 2e-5, "its last 15 logits");
    is_near((double)tail[15 * VOCAB], 123, 0, "and nothing behind them");
    kv_cache_free(c);
    decoder_free(d);
    small_model_release(&m);
}

static void
count(const struct sampler *s, const float *logits, int vocab, int *times, int draws)
{
    char scratch[16 * 8] __attribute__((aligned(16)));

    memset(times, 0, (size_t)vocab * sizeof *times);
    for (int i = 0; i < draws; i++)
        times[sampler_next(s, logits, vocab, (uint64_t)i, scratch)]++;
}

static void
test_sampler(void)
{
    enum { DRAWS = 20000 };
    /* Probabilities 0.4 0.3 0.1 0.1 0.1. */
    const float logits[5] = {logf(3), logf(4), 0, 0, 0};
    const double all[5] = {0.3, 0.4, 0.1, 0.1, 0.1};
    struct sampler s = {.temperature = 1, .top_p = 1, .seed = 5};
    int times[5], again[5];

    count(&s, logits, 5, times, DRAWS);
    for (int i = 0; i < 5; i++)
        is_near(times[i], all[i] * DRAWS, 5 * sqrt(all[i] * DRAWS),
                "token %d is drawn at its probability", i);
    count(&s, logits, 5, again, DRAWS);
    ok(memcmp(times, again, sizeof times) == 0, "the same seed draws the same");
    s.seed = 6;
    count(&s, logits, 5, again, DRAWS);
    ok(memcmp(times, again, sizeof times) != 0, "another one does not");

    s.top_p = 0.75;
    count(&s, logits, 5, times, DRAWS);
    ok(times[3] == 0 && times[4] == 0 && times[2] > 0,
       "top-p keeps the smallest set, ties to the lower id");
    is_near(times[1], 0.5 * DRAWS, 5 * sqrt(0.5 * DRAWS), "and its shares");
    s.top_p = 1;
    s.top_k = 2;
    count(&s, logits, 5, times, DRAWS);
    ok(times[0] + times[1] == DRAWS, "top-k keeps the best");
    is_near(times[1], DRAWS * 4 / 7.0, 5 * sqrt(DRAWS), "and their shares");
    s.top_p = 0.5;
    count(&s, logits, 5, times, DRAWS);
    is_int(times[1], DRAWS, "top-p works on what top-k kept");
    s.top_k = 50;
    s.top_p = 0.2;
    count(&s, logits, 5, times, DRAWS);
    is_int(times[1], DRAWS, "top-k beyond the vocabulary keeps all");

    s = (struct sampler){.temperature = 0.25, .top_p = 1, .seed = 5};
    count(&s, logits, 5, times, DRAWS);
    is_near(times[1], DRAWS * 256.0 / (256 + 81 + 3), 5 * sqrt(DRAWS), "temperature sharpens");
    s.temperature = 0;
    count(&s, (const float[]){1, 2, 2, 0, 2}, 5, times, 3);
    is_int(times[1], 3, "greedy takes the lowest id among equals");
}

/* What transformers' RepetitionPenaltyLogitsProcessor gives for these (5.x: score < 0 ? x p : / p). */
static void
test_penalty(void)
{
    enum { MANY = 130 };
    float logits[MANY];
    uint64_t seen[3] = {0};
    is_int((int64_t)sampler_seen_words(MANY), 3, "words of marks");
    for (int i = 0; i < MANY; i++)
        logits[i] = i % 2 ? -3.0f : 3.0f;
    sampler_see(seen, MANY, (const uint32_t[]){0, 1, 64, 129, 64, 500}, 6);
    sampler_penalize(logits, MANY, seen, 1.5);
    is_near((double)logits[0], 2, 0, "a positive logit is divided");
    is_near((double)logits[1], -4.5, 0, "a negative one multiplied");
    is_near((double)logits[64], 2, 0, "once, however often the token was");
    is_near((double)logits[129], -4.5, 0, "the last one, too");
    is_near((double)logits[2] + (double)logits[65] + (double)logits[128], 3, 0, "no others");
    const float none[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    is_int(sampler_next(&(struct sampler){.top_p = 1}, none, 4, 0, NULL), 0, "nothing is likely: the first");
    logits[77] = logits[33] = 9;
    is_int(sampler_next(&(struct sampler){.top_p = 1}, logits, MANY, 0, NULL), 33,
           "the first of the greatest");
}

int
main(void)
{
    test_penalty();
    test_extend("llama", small_llama);
    test_extend("llama tied", small_llama_tied);
    test_extend("mistral", small_mistral);
    test_extend("gpt2", small_gpt2);
    test_extend("gpt_neox", small_neox);
    test_extend("some windows", small_windows);
    test_chunks();
    test_sampler();
    return done();
}
