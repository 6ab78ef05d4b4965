/*
 * Scores do not depend on how they are computed: with the tables' own products the logits of
 * a sequence have the same bits whether it goes through the cache whole, in pieces of any size,
 * token by token or after a return, on any number of threads, and the losses are those of the
 * training path, alone or among other sequences.
 */
#include "kernels/blas.h"
#include "model/generate.h"

#include "tests/unit/small_model.h"

enum { LENGTH = 141, VOCAB = 131, BATCH = 3 };

/* Long enough for several blocks of attention; no size is a multiple of a vector. */
static const char long_llama[] =
    "{\"model_type\":\"llama\",\"vocab_size\":131,\"hidden_size\":84,\"intermediate_size\":300,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":6,\"num_key_value_heads\":2,\"head_dim\":14,"
    "\"max_position_embeddings\":256,\"tie_word_embeddings\":true,\"attention_bias\":true}";
static const char long_mistral[] =
    "{\"model_type\":\"mistral\",\"vocab_size\":131,\"hidden_size\":64,\"intermediate_size\":520,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
    "\"max_position_embeddings\":256,\"sliding_window\":90}";
static const char long_gpt2[] = "{\"model_type\":\"gpt2\",\"vocab_size\":131,\"n_embd\":72,"
                                "\"n_layer\":2,\"n_head\":3,\"n_positions\":256}";

struct subject {
    struct small_model m;
    const char *name;
    const struct kernels *kernels;
    enum precision precision;
    uint32_t ids[BATCH * LENGTH];
};

/* With *copy not NULL its own weights, arranged; the caller frees them behind it. */
static struct decoder *
decoder_for(const struct subject *s, struct threads *pool, int64_t sequences, int64_t length,
            void **copy)
{
    bool half = s->precision == PRECISION_BF16;
    void *act = half ? (void *)s->m.weights16 : (void *)s->m.weights32;
    size_t bytes = (size_t)s->m.params.elements * (half ? sizeof(bf16) : sizeof(float));
    struct decoder_options o = {.kernels = s->kernels,
                                .arrange = copy != NULL,
                                .precision = s->precision,
                                .pool = pool,
                                .micro_batch = sequences,
                                .seq_length = length};
    struct decoder *d = decoder_new(&s->m.config, &s->m.params, &o);
    if (!d) {
        diag("%s", err_text());
        abort();
    }
    if (copy) {
        *copy = mem_alloc(bytes);
        act = memcpy(*copy, act, bytes);
    }
    decoder_set_weights(d, act, s->m.weights32);
    return d;
}

/* ---- the cache ---- */

/* Logits of all tokens, fed in pieces of `piece`, with a return before the last one. */
static void
extend_by(struct decoder *d, const uint32_t *ids, int64_t piece, float *logits)
{
    struct kv_cache *c = kv_cache_new(d, LENGTH);
    for (int64_t at = 0; at < LENGTH; at += piece) {
        int64_t n = LENGTH - at < piece ? LENGTH - at : piece;
        if (at + n == LENGTH) {
            decoder_extend(d, c, ids + 1, n, 0, NULL);
            kv_cache_truncate(c, at);
        }
        if (decoder_extend(d, c, ids + at, n, n, logits + at * VOCAB) < 0)
            diag("%s", err_text());
    }
    kv_cache_free(c);
}

static void
test_pieces(const struct subject *s, float *whole)
{
    static const int pieces[] = {1, 7, 64, LENGTH};
    static float logits[LENGTH * VOCAB];
    struct decoder *d = decoder_for(s, NULL, 1, LENGTH, NULL);
    extend_by(d, s->ids, LENGTH, whole);
    decoder_free(d);
    for (int threads = 1; threads <= 3; threads += 2) {
        struct threads *pool = threads > 1 ? threads_new(threads) : NULL;
        void *copy = NULL;
        d = decoder_for(s, pool, 1, 77, threads > 1 ? &copy : NULL); /* 77 cuts longer pieces */
        int wrong = 0;
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            memset(logits, 0xff, sizeof logits);
            extend_by(d, s->ids, pieces[i], logits);
            wrong += memcmp(logits, whole, sizeof logits) != 0;
        }
        is_int(wrong, 0, "%s %s %s: logits in pieces of 1 to %d, %d threads%s", s->kernels->name,
               precision_name(s->precision), s->name, LENGTH, threads,
               copy ? ", weights arranged" : "");
        decoder_free(d);
        free(copy);
        threads_free(pool);
    }
}

/* ---- the loss ---- */

static void
losses(struct decoder *d, const uint32_t *ids, int64_t sequences, int64_t length, double *out)
{
    static int32_t targets[BATCH * LENGTH], first[BATCH * LENGTH];
    struct sequence_loss sum[BATCH];
    struct batch b = {.sequences = sequences,
                      .length = length,
                      .inputs = ids,
                      .targets = targets,
                      .first = first};
    for (int64_t i = 0; i < sequences * length; i++)
        targets[i] = (int32_t)(ids[i] * 7 % VOCAB);
    if (decoder_loss(d, &b, sum, out) < 0)
        diag("%s", err_text());
}

/* Sequences together, alone, cut shorter; and from the logits of the cache. */
static void
test_losses(const struct subject *s, const float *logits)
{
    static double together[BATCH * LENGTH], alone[LENGTH];
    const struct ops *ops = &s->kernels->ops[s->precision];
    struct threads *pool = threads_new(2);
    struct decoder *d = decoder_for(s, pool, BATCH, LENGTH, NULL);
    int wrong = 0;
    losses(d, s->ids, BATCH, LENGTH, together);
    for (int i = 0; i < BATCH; i++) {
        losses(d, s->ids + i * LENGTH, 1, LENGTH, alone);
        wrong += memcmp(alone, together + i * LENGTH, sizeof alone) != 0;
        for (int64_t length = 1; length < LENGTH; length += 45) {
            losses(d, s->ids + i * LENGTH, 1, length, alone);
            wrong += memcmp(alone, together + i * LENGTH, (size_t)length * sizeof *alone) != 0;
        }
    }
    is_int(wrong, 0, "%s %s %s: losses of sequences alone, shorter, and together",
           s->kernels->name, precision_name(s->precision), s->name);
    wrong = 0;
    for (int i = 0; i < LENGTH; i++) {
        int32_t target = (int32_t)(s->ids[i] * 7 % VOCAB);
        double loss, log_z;
        ops->cross_entropy(logits + i * VOCAB, VOCAB, NULL, VOCAB, &target, 1, VOCAB, 0, 0, &loss,
                           &log_z);
        wrong += loss != together[i];
    }
    is_int(wrong, 0, "%s %s %s: the losses are those of the cache's logits", s->kernels->name,
           precision_name(s->precision), s->name);
    decoder_free(d);
    threads_free(pool);
}

static void
test_model(const char *name, const char *json, const struct kernels *k, enum precision p)
{
    static float logits[LENGTH * VOCAB];
    struct subject s = {.name = name, .kernels = k, .precision = p};
    small_model_init(&s.m, json);
    for (int i = 0; i < BATCH * LENGTH; i++)
        s.ids[i] = (uint32_t)(rng_u64(11, (uint64_t)i) % VOCAB);
    test_pieces(&s, logits);
    test_losses(&s, logits);
    small_model_release(&s.m);
}

int
main(void)
{
    for (int level = 0; kernels_level_name(level); level++) {
        const struct kernels *k = table_named(kernels_level_name(level));
        if (!k)
            continue;
        blas_disable("the test is about the tables' own products");
        for (enum precision p = PRECISION_FP32; p <= PRECISION_BF16; p++) {
            test_model("llama", long_llama, k, p);
            if (level == 0)
                continue; /* ref is plain loops, and slow */
            test_model("mistral", long_mistral, k, p);
            test_model("gpt2", long_gpt2, k, p);
        }
    }
    return done();
}
