/*
 * The decoder's promises: FP32 against FP64, the same bits for any number of threads and with
 * recomputation, sequences that do not see each other, padding that does not count, memory
 * that is planned exactly, and gradients announced once each.
 */
#include "tests/unit/small_model.h"

struct result {
    size_t size; /* bytes of grads */
    char *grads;
    struct sequence_loss loss[SMALL_SEQUENCES];
};

static struct result
train(const struct small_model *m, const struct small_batch *b, const struct kernels *k,
      enum precision precision, int threads, enum recompute recompute)
{
    struct threads *pool = threads > 1 ? threads_new(threads) : NULL;
    struct decoder *d = small_decoder(m, k, precision, pool, recompute, true);
    struct result r = {.size = (size_t)m->params.grad_elements * k->ops[precision].wide_size};

    r.grads = mem_zalloc(r.size);
    /* Twice: what a second micro-batch finds in the decoder must not matter. */
    for (int i = 0; i < 2; i++)
        if (decoder_train(d, &b->batch, r.grads, 0.25, 1e-3, r.loss, NULL, NULL) < 0)
            abort();
    decoder_free(d);
    threads_free(pool);
    return r;
}

static bool
same_bits(const struct result *a, const struct result *b)
{
    return a->size == b->size && memcmp(a->grads, b->grads, a->size) == 0 &&
           memcmp(a->loss, b->loss, sizeof a->loss) == 0;
}

/* The norm of the difference of float gradients to double ones, over that of the latter, the worst
 * tensor. */
static double
worst_difference(const struct small_model *m, const struct result *got, const struct result *want)
{
    const float *g = (const float *)(const void *)got->grads;
    const double *w = (const double *)(const void *)want->grads;
    double worst = 0;

    for (int i = 0; i < m->params.count; i++) {
        const struct param *p = &m->params.param[i];
        double difference = 0, norm = 1e-12;

        for (int64_t j = p->offset; j < p->offset + p->size; j++) {
            difference += ((double)g[j] - w[j]) * ((double)g[j] - w[j]);
            norm += w[j] * w[j];
        }
        worst = fmax(worst, sqrt(difference / norm));
    }
    return worst;
}

static void
test_precisions(const char *name, const struct small_model *given, const struct small_batch *b,
                const struct kernels *k)
{
    /* All experts: in BF16 a token near the border between two of them may take the other one. */
    struct small_model all = *given, *m = &all;
    all.config.num_experts_per_tok = all.config.num_experts;
    struct result wide = train(m, b, table_named("ref"), PRECISION_FP64, 1, RECOMPUTE_NONE);
    struct result fp32 = train(m, b, k, PRECISION_FP32, 1, RECOMPUTE_NONE);
    struct result half = train(m, b, k, PRECISION_BF16, 1, RECOMPUTE_NONE);

    for (int s = 0; s < SMALL_SEQUENCES; s++) {
        is_near(fp32.loss[s].loss, wide.loss[s].loss, 1e-6 * wide.loss[s].loss,
                "%s %s: fp32 loss of sequence %d", k->name, name, s);
        is_near(half.loss[s].loss, wide.loss[s].loss, 1e-2 * wide.loss[s].loss,
                "%s %s: bf16 loss of sequence %d", k->name, name, s);
    }
    is_near(worst_difference(m, &fp32, &wide), 0, 3e-6, "%s %s: fp32 gradients", k->name, name);
    is_near(worst_difference(m, &half, &wide), 0, 5e-2, "%s %s: bf16 gradients", k->name, name);
    free(wide.grads);
    free(fp32.grads);
    free(half.grads);
}

static void
test_same_bits(const char *name, const struct small_model *m, const struct small_batch *b,
               const struct kernels *k)
{
    for (int p = PRECISION_FP32; p <= PRECISION_BF16; p++) {
        enum precision precision = (enum precision)p;
        struct result one = train(m, b, k, precision, 1, RECOMPUTE_NONE);
        struct result selective = train(m, b, k, precision, 1, RECOMPUTE_SELECTIVE);
        struct result full = train(m, b, k, precision, 1, RECOMPUTE_FULL);

        ok(same_bits(&one, &selective), "%s %s %s: selective recomputation gives the same bits",
           k->name, name, precision_name(precision));
        ok(same_bits(&one, &full), "%s %s %s: full recomputation gives the same bits", k->name,
           name, precision_name(precision));
        free(selective.grads);
        free(full.grads);
        for (int threads = 2; threads <= 3; threads++) {
            struct result many = train(m, b, k, precision, threads, RECOMPUTE_NONE);

            ok(same_bits(&one, &many), "%s %s %s: %d threads give the same bits", k->name, name,
               precision_name(precision), threads);
            free(many.grads);
        }
        free(one.grads);
    }
}

/* Other ids in the other sequences, in padding and in other documents leave a sequence's loss
 * alone. */
static void
test_independence(const char *name, const struct small_model *m, const struct kernels *k)
{
    struct small_batch a, b;
    struct sequence_loss before[SMALL_SEQUENCES], after[SMALL_SEQUENCES];
    struct decoder *d = small_decoder(m, k, PRECISION_FP32, NULL, RECOMPUTE_NONE, false);
    double tokens_before[SMALL_TOKENS], tokens_after[SMALL_TOKENS];

    small_batch_init(&a, &m->config);
    for (int i = 10; i < SMALL_LENGTH; i++)
        a.targets[i] = -1;
    b = a;
    b.batch.inputs = b.inputs;
    b.batch.targets = b.targets;
    b.batch.first = b.first;
    for (int i = 10; i < SMALL_TOKENS; i++)
        b.inputs[i] = (b.inputs[i] + 5) % (uint32_t)m->config.vocab_size;
    ok(decoder_loss(d, &a.batch, before, tokens_before) == 0 &&
           decoder_loss(d, &b.batch, after, tokens_after) == 0,
       "%s %s: loss alone", k->name, name);
    ok(memcmp(&before[0].loss, &after[0].loss, sizeof before[0].loss) == 0 &&
           memcmp(&before[0].z_loss, &after[0].z_loss, sizeof before[0].z_loss) == 0,
       "%s %s: padding and other sequences do not matter", k->name, name);
    ok(before[1].loss < after[1].loss || before[1].loss > after[1].loss, "%s %s: other ids do",
       k->name, name);

    /* The first document of sequence 1 ends before its 2nd token: changing it moves nothing behind.
     */
    b = a;
    b.batch.inputs = b.inputs;
    b.inputs[SMALL_LENGTH] = (b.inputs[SMALL_LENGTH] + 1) % (uint32_t)m->config.vocab_size;
    decoder_loss(d, &b.batch, after, tokens_after);
    ok(memcmp(tokens_before + SMALL_LENGTH + 2, tokens_after + SMALL_LENGTH + 2,
              (SMALL_LENGTH - 2) * sizeof(double)) == 0,
       "%s %s: a document does not see the one before", k->name, name);

    double sum = 0;
    for (int i = 0; i < SMALL_LENGTH; i++)
        sum += tokens_before[i];
    is_near(sum, before[0].loss, 0, "%s %s: token losses add up", k->name, name);
    is_int(before[0].scored, 9, "%s %s: scored targets are counted", k->name, name);
    decoder_free(d);
}

struct announced {
    char *times;
    int64_t last;
    bool whole;
};

static void
note_ready(void *arg, int64_t begin, int64_t end)
{
    struct announced *a = arg;

    a->whole = a->whole && begin < end;
    for (int64_t i = begin; i < end; i++)
        a->times[i]++;
}

static void
test_ready(const char *name, const struct small_model *m, const struct small_batch *b)
{
    struct decoder *d =
        small_decoder(m, table_named("ref"), PRECISION_FP32, NULL, RECOMPUTE_NONE, true);
    size_t n = (size_t)m->params.grad_elements;
    float *grads = mem_zarray(n, sizeof *grads);
    struct sequence_loss out[SMALL_SEQUENCES];
    struct announced a = {.times = mem_zalloc(n), .whole = true};
    bool once = true;

    decoder_train(d, &b->batch, grads, 1, 0, out, note_ready, &a);
    for (size_t i = 0; i < n; i++)
        once = once && a.times[i] == 1;
    ok(once && a.whole, "%s: each gradient element is announced once", name);
    free(a.times);
    free(grads);
    decoder_free(d);
}

/* A planned figure is what the activations of the formula take, and what recomputation saves. */
/* Gradients of products are overwritten, whatever stood there; the second batch is added. */
static void
test_overwrite(const char *name, const struct small_model *m, const struct small_batch *b,
               enum precision precision, bool scored)
{
    const struct params *p = &m->params;
    size_t bytes = (size_t)p->grad_elements * sizeof(float);
    struct decoder *d = small_decoder(m, kernels_pick(NULL), precision, NULL, RECOMPUTE_NONE, true);
    struct sequence_loss out[SMALL_SEQUENCES];
    float *want = mem_zalloc(bytes), *got = mem_zalloc(bytes);
    int32_t none[SMALL_TOKENS];
    struct batch first = b->batch, second = b->batch;

    for (int i = 0; i < SMALL_TOKENS; i++)
        none[i] = -1;
    if (!scored)
        first.targets = none;
    for (int i = 0; i < p->count; i++)
        for (int64_t j = 0; params_in_product(p, i) && j < p->param[i].size; j++)
            got[p->param[i].offset + j] = NAN;
    decoder_train(d, &first, want, 0.25, 1e-3, out, NULL, NULL);
    decoder_train(d, &second, want, 0.25, 1e-3, out, NULL, NULL);
    first.overwrite = true;
    decoder_train(d, &first, got, 0.25, 1e-3, out, NULL, NULL);
    decoder_train(d, &second, got, 0.25, 1e-3, out, NULL, NULL);
    int64_t differ = 0;
    for (int64_t i = 0; i < p->grad_elements; i++)
        differ += !(want[i] == got[i]);
    ok(differ == 0, "%s %s: gradients written over%s: %lld differ", name, precision_name(precision),
       scored ? "" : " by a batch that scores nothing", (long long)differ);
    decoder_free(d);
    free(want);
    free(got);
}

static void
test_plan(const char *name, const struct small_model *m)
{
    struct decoder_options o = {.kernels = table_named("ref"),
                                .precision = PRECISION_BF16,
                                .micro_batch = 4,
                                .seq_length = 32,
                                .training = true};
    struct decoder_memory none, selective, full, eval;

    decoder_plan(&m->config, &m->params, &o, &none);
    o.recompute = RECOMPUTE_SELECTIVE;
    decoder_plan(&m->config, &m->params, &o, &selective);
    o.recompute = RECOMPUTE_FULL;
    decoder_plan(&m->config, &m->params, &o, &full);
    o.training = false;
    decoder_plan(&m->config, &m->params, &o, &eval);
    ok(full.activations < selective.activations && selective.activations < none.activations &&
           eval.activations < full.activations,
       "%s: recomputation and evaluation take less memory", name);
    is_int((int64_t)none.logits, 128 * 37 * 4 + 128 * 37 * 2 + 2 * 128 * 8,
           "%s: logits of a chunk, in wide and in bf16, and two figures a token", name);
}

static void
test_refusals(const struct small_model *m)
{
    struct small_batch b;
    struct sequence_loss out[SMALL_SEQUENCES];
    struct decoder *d =
        small_decoder(m, table_named("ref"), PRECISION_FP32, NULL, RECOMPUTE_NONE, false);

    small_batch_init(&b, &m->config);
    b.inputs[5] = 37;
    ok(decoder_loss(d, &b.batch, out, NULL) < 0 && err_status() == STATUS_INPUT,
       "an id beyond the vocabulary is refused");
    is_str(err_text(), "token id 37 is not below vocab_size (37)", "and named");
    b.inputs[5] = 3;
    b.batch.length = SMALL_LENGTH + 1;
    ok(decoder_loss(d, &b.batch, out, NULL) < 0, "a longer batch is refused");
    decoder_free(d);
}

/* 6 N + 6 L T d a token for long sequences (Narayanan et al., 2021, without recomputation), causal.
 */
static void
test_flops(const struct small_model *m)
{
    struct flops f;
    double tokens = 8192, layers = 2, query = 32, weights;

    decoder_flops(&m->config, 8192, RECOMPUTE_NONE, &f);
    weights = layers * (24.0 * (32 + 2 * 16) + 32.0 * 24 + 3 * 40.0 * 24) + 37 * 24;
    is_near((f.forward + f.backward) / (tokens * (6 * weights + 6 * layers * (tokens + 1) * query)),
            1, 1e-12, "model flops of a sequence");
    is_near(f.recompute, layers * query * tokens * (tokens + 1), 1, "attention scores, once more");
    decoder_flops(&m->config, 8192, RECOMPUTE_SELECTIVE, &f);
    is_near(f.recompute, layers * (query * tokens * (tokens + 1) + 2 * tokens * 2 * 40 * 24), 1,
            "and the up projections");
}

/* Of the experts those that a token meets; the dense layer between them is another. */
static void
test_expert_flops(const struct small_model *m)
{
    struct flops f;
    double attention = 24 * (24 + 2 * 12) + 24 * 24;
    double experts = 6 * 24 + 3 * (3.0 * 12 * 24) + 3 * 28 * 24 + 24;
    double weights = 3 * attention + 2 * experts + 3 * 40 * 24 + 37 * 24;
    double norms = 3 * (2 * 24 + 24 + 2 * 12) + 24; /* and biases */

    decoder_flops(&m->config, 1, RECOMPUTE_NONE, &f);
    is_near(f.forward, 2 * weights + 3 * 4 * 24, 1e-6, "flops of a token in a model with experts");
    is_int(params_active(&m->params, &m->config), (int64_t)(weights + norms),
           "its active parameters");
    is_int(m->params.parameters - params_active(&m->params, &m->config), 2 * 3 * 3 * 12 * 24,
           "and those that sleep");
}

static void
test_model(const char *name, const char *json)
{
    struct small_model m;
    struct small_batch b;

    small_model_init(&m, json);
    small_batch_init(&b, &m.config);
    for (size_t i = 0; i < TABLE_NAMES; i++) {
        const struct kernels *k = table_named(table_names[i]);

        if (!k) {
            skip(table_names[i], "not on this machine");
            continue;
        }
        test_precisions(name, &m, &b, k);
        test_same_bits(name, &m, &b, k);
        test_independence(name, &m, k);
    }
    for (enum precision p = PRECISION_FP32; p <= PRECISION_BF16; p++) {
        test_overwrite(name, &m, &b, p, true);
        test_overwrite(name, &m, &b, p, false);
    }
    test_ready(name, &m, &b);
    /* With one layer of each kind there is nothing to share. */
    if (config_sparse_layers(&m.config) != 1)
        test_plan(name, &m);
    small_model_release(&m);
}

int
main(void)
{
    struct small_model m;

    test_model("llama", small_llama);
    test_model("llama tied", small_llama_tied);
    test_model("mistral", small_mistral);
    test_model("gpt2", small_gpt2);
    test_model("gpt_neox", small_neox);
    test_model("some windows", small_windows);
    test_model("mixtral", small_mixtral);
    test_model("qwen2_moe", small_qwen2_moe);
    test_model("qwen3_moe", small_qwen3_moe);
    small_model_init(&m, small_llama);
    test_refusals(&m);
    test_flops(&m);
    small_model_release(&m);
    small_model_init(&m, small_qwen2_moe);
    test_expert_flops(&m);
    small_model_release(&m);
    return done();
}
