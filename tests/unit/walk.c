/*
 * A walk over trees of sequences gives each node the bits that its path alone has: logits are those
 * of decoder_extend over the path, scores those of a walk over the path, whatever stands beside it
 * in the tree, in other caches, in the run, and on any number of threads. Scores are the log
 * softmax of the logits; of equal logits the lowest id is the greedy one.
 */
#include "kernels/blas.h"

#include "tests/unit/small_model.h"

static const char llama[] =
    "{\"model_type\":\"llama\",\"vocab_size\":1701,\"hidden_size\":84,\"intermediate_size\":300,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":6,\"num_key_value_heads\":2,\"head_dim\":14,"
    "\"max_position_embeddings\":256,\"tie_word_embeddings\":true,\"attention_bias\":true}";
static const char mistral[] =
    "{\"model_type\":\"mistral\",\"vocab_size\":131,\"hidden_size\":64,\"intermediate_size\":520,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":1,"
    "\"max_position_embeddings\":256,\"sliding_window\":37}";
static const char gpt2[] = "{\"model_type\":\"gpt2\",\"vocab_size\":131,\"n_embd\":72,"
                           "\"n_layer\":2,\"n_head\":3,\"n_positions\":256}";
static const char mixtral[] =
    "{\"model_type\":\"mixtral\",\"vocab_size\":131,\"hidden_size\":48,\"intermediate_size\":40,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
    "\"max_position_embeddings\":256,\"num_local_experts\":5,\"num_experts_per_tok\":2}";

enum { CACHES = 3, NODES = 40, DEPTH = 4, LENGTH = 200, MOST_VOCAB = 1701, NODE_SCORES = 4 };

struct node {
    int cache, parent; /* -1: a root */
    int64_t at, n, end; /* end: of what its children find of it */
    uint32_t path[LENGTH]; /* ids from the root to its end */
    struct walk_score score[NODE_SCORES], expected[NODE_SCORES];
    float logits[MOST_VOCAB], expected_logits[MOST_VOCAB];
};

struct subject {
    struct small_model m;
    const char *name;
    const struct kernels *kernels;
    enum precision precision;
    struct node node[NODES];
};

static uint64_t drawn;

static int64_t
draw(int64_t n)
{
    return (int64_t)(rng_u64(17, drawn++) % (uint64_t)n);
}

/* Trees in depth-first order, one a cache, the caches' nodes mixed. */
static void
grow(struct subject *s)
{
    int stack[CACHES][DEPTH], depth[CACHES] = {0};
    int64_t vocab = s->m.config.vocab_size;

    for (int i = 0; i < NODES; i++) {
        struct node *n = &s->node[i];
        int c = (int)draw(CACHES), back = (int)draw(DEPTH);

        depth[c] = depth[c] < DEPTH ? depth[c] : DEPTH - 1;
        depth[c] = back < depth[c] ? depth[c] - (back ? back - 1 : 0) : depth[c];
        n->cache = c;
        n->parent = depth[c] ? stack[c][depth[c] - 1] : -1;
        n->at = 0;
        if (n->parent >= 0) {
            struct node *p = &s->node[n->parent];
            n->at = p->end;
            if (draw(2) && p->end > p->at) /* from within the parent, whose end is then gone */
                n->at = p->end -= draw(p->end - p->at + 1);
            memcpy(n->path, p->path, (size_t)n->at * sizeof *n->path);
        }
        n->n = 1 + draw(draw(4) ? 12 : 50);
        for (int64_t k = 0; k < n->n; k++)
            n->path[n->at + k] = (uint32_t)draw(vocab);
        n->end = n->at + n->n;
        stack[c][depth[c]++] = i;
    }
}

static struct decoder *
decoder_for(const struct subject *s, struct threads *pool, int64_t length)
{
    bool half = s->precision == PRECISION_BF16;
    struct decoder_options o = {.kernels = s->kernels,
                                .precision = s->precision,
                                .pool = pool,
                                .micro_batch = 1,
                                .seq_length = length};
    struct decoder *d = decoder_new(&s->m.config, &s->m.params, &o);

    if (!d) {
        diag("%s", err_text());
        abort();
    }
    decoder_set_weights(d, half ? (void *)s->m.weights16 : (void *)s->m.weights32,
                        s->m.weights32);
    return d;
}

/* Rows of the head come in pairs, so that every greatest logit is there twice. */
static void
pair_rows(struct small_model *m)
{
    const struct param *p = &m->params.param[m->params.head];
    int64_t half = p->rows / 2 * p->columns;

    memcpy(m->weights32 + p->offset + half, m->weights32 + p->offset,
           (size_t)half * sizeof(float));
    memcpy(m->weights16 + p->offset + half, m->weights16 + p->offset, (size_t)half * sizeof(bf16));
}

static int64_t
largest(const float *x, int64_t n)
{
    int64_t best = 0;

    for (int64_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

static double
log_softmax(const float *x, int64_t n, int64_t at)
{
    double max = (double)x[largest(x, n)], sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += exp((double)x[i] - max);
    return (double)x[at] - max - log(sum);
}

/* What each node gets alone; scores against the logits. */
static void
expect(struct subject *s)
{
    static float logits[LENGTH * MOST_VOCAB];
    struct decoder *d = decoder_for(s, NULL, LENGTH);
    struct kv_cache *c = kv_cache_new(d, LENGTH);
    int64_t vocab = s->m.config.vocab_size, half = vocab / 2;
    int wrong = 0, greedy = 0;
    double off = 0;

    for (int i = 0; i < NODES; i++) {
        struct node *n = &s->node[i];
        struct walk_score alone[NODE_SCORES];
        int64_t length = n->at + n->n, tokens[NODE_SCORES];
        struct walk_item item = {
            .cache = c, .ids = n->path, .n = length, .score = alone, .scores = NODE_SCORES};

        kv_cache_truncate(c, 0);
        wrong += decoder_extend(d, c, n->path, length, length, logits) < 0;
        memcpy(n->expected_logits, logits + (length - 1) * vocab, (size_t)vocab * sizeof(float));
        for (int k = 0; k < NODE_SCORES; k++)
            tokens[k] = k * n->n / NODE_SCORES;
        for (int k = 0; k < NODE_SCORES; k++) {
            const float *row = logits + (n->at + tokens[k]) * vocab;
            int64_t best = largest(row, vocab), other = best < half ? best + half : best;
            int64_t target = k == 0 ? best : k == 1 ? other : draw(vocab);
            n->expected[k] = (struct walk_score){.token = tokens[k], .target = (uint32_t)target};
            alone[k] = n->expected[k];
            alone[k].token += n->at;
        }
        wrong += decoder_walk(d, &item, 1) < 0;
        for (int k = 0; k < NODE_SCORES; k++) {
            const float *row = logits + (n->at + tokens[k]) * vocab;
            double by = fabs(alone[k].log_p - log_softmax(row, vocab, alone[k].target));

            off = by > off ? by : off;
            wrong += alone[k].is_greedy != (largest(row, vocab) == (int64_t)alone[k].target);
            greedy += alone[k].is_greedy;
            n->expected[k].log_p = alone[k].log_p;
            n->expected[k].is_greedy = alone[k].is_greedy;
        }
    }
    ok(off < 1e-5, "%s %s %s: log softmax of the logits, off by %g", s->kernels->name,
       precision_name(s->precision), s->name, off);
    ok(wrong == 0 && greedy >= NODES, "%s %s %s: the greedy token is the first of the greatest",
       s->kernels->name, precision_name(s->precision), s->name);
    kv_cache_free(c);
    decoder_free(d);
}

/* All nodes in one call, or in calls of some. */
static int
walk(struct subject *s, struct decoder *d, int each)
{
    struct kv_cache *c[CACHES];
    struct walk_item item[NODES];
    int64_t vocab = s->m.config.vocab_size;
    int wrong = 0;

    for (int i = 0; i < CACHES; i++)
        c[i] = kv_cache_new(d, LENGTH + 10 * i);
    for (int i = 0; i < NODES; i++) {
        struct node *n = &s->node[i];

        for (int k = 0; k < NODE_SCORES; k++)
            n->score[k] = (struct walk_score){.token = n->expected[k].token,
                                              .target = n->expected[k].target,
                                              .log_p = (double)NAN};
        memset(n->logits, 0xff, sizeof n->logits);
        item[i] = (struct walk_item){.cache = c[n->cache],
                                     .at = n->at,
                                     .ids = n->path + n->at,
                                     .n = n->n,
                                     .score = n->score,
                                     .scores = NODE_SCORES,
                                     .logits = n->logits};
    }
    for (int i = 0; i < NODES; i += each)
        if (decoder_walk(d, item + i, (size_t)(NODES - i < each ? NODES - i : each)) < 0) {
            diag("%s", err_text());
            wrong++;
        }
    for (int i = 0; i < NODES; i++) {
        const struct node *n = &s->node[i];

        wrong += memcmp(n->logits, n->expected_logits, (size_t)vocab * sizeof(float)) != 0;
        for (int k = 0; k < NODE_SCORES; k++)
            wrong += n->score[k].log_p != n->expected[k].log_p ||
                     n->score[k].is_greedy != n->expected[k].is_greedy;
    }
    for (int i = 0; i < CACHES; i++)
        kv_cache_free(c[i]);
    return wrong;
}

static void
test_walks(struct subject *s)
{
    static const int64_t lengths[] = {1, 33, 200};

    for (int threads = 1; threads <= 8; threads += 7) {
        struct threads *pool = threads > 1 ? threads_new(threads) : NULL;

        for (size_t i = threads > 1; i < sizeof lengths / sizeof *lengths; i++) {
            struct decoder *d = decoder_for(s, pool, lengths[i]);

            is_int(walk(s, d, NODES) + walk(s, d, 7), 0,
                   "%s %s %s: each path's own bits, %lld tokens a run, %d threads",
                   s->kernels->name, precision_name(s->precision), s->name, (long long)lengths[i],
                   threads);
            decoder_free(d);
        }
        threads_free(pool);
    }
}

/* A copy goes on as the original does; bad items are refused and leave the caches usable. */
static void
test_caches(struct subject *s)
{
    static float logits[MOST_VOCAB], again[MOST_VOCAB];
    struct decoder *d = decoder_for(s, NULL, 16);
    struct kv_cache *a = kv_cache_new(d, 64), *b = kv_cache_new(d, 40);
    struct node *n = &s->node[0];
    uint32_t bad = (uint32_t)s->m.config.vocab_size;
    struct walk_score score = {.token = 1};
    size_t bytes = (size_t)s->m.config.vocab_size * sizeof(float);

    decoder_extend(d, a, n->path, 1, 0, NULL);
    for (int i = 0; i < 30; i++)
        decoder_extend(d, a, n->path, 1, 0, NULL);
    kv_cache_copy(b, a, 20);
    is_int(kv_cache_length(b), 20, "%s: a copied cache's length", s->name);
    kv_cache_truncate(a, 20);
    decoder_extend(d, a, n->path, 1, 1, logits);
    decoder_extend(d, b, n->path, 1, 1, again);
    ok(memcmp(logits, again, bytes) == 0, "%s: a copied cache goes on as the first", s->name);

    struct walk_item far = {.cache = b, .at = 22, .ids = n->path, .n = 1};
    struct walk_item full = {.cache = b, .at = 21, .ids = s->node[1].path, .n = 20};
    struct walk_item wide = {.cache = b, .at = 21, .ids = &bad, .n = 1};
    struct walk_item late = {
        .cache = b, .at = 21, .ids = n->path, .n = 1, .score = &score, .scores = 1};
    ok(decoder_walk(d, &far, 1) < 0, "an item behind the cache's end: %s", err_text());
    ok(decoder_walk(d, &full, 1) < 0, "an item longer than the cache: %s", err_text());
    ok(decoder_walk(d, &wide, 1) < 0, "an id beyond the vocabulary: %s", err_text());
    ok(decoder_walk(d, &late, 1) < 0, "a score behind the item: %s", err_text());
    is_int(kv_cache_length(b), 21, "refused items leave the cache");
    kv_cache_free(a);
    kv_cache_free(b);
    decoder_free(d);
}

static void
test_model(const char *name, const char *json, const struct kernels *k, enum precision p)
{
    static struct subject s;

    s.name = name;
    s.kernels = k;
    s.precision = p;
    small_model_init(&s.m, json);
    pair_rows(&s.m);
    grow(&s);
    expect(&s);
    test_walks(&s);
    if (p == PRECISION_FP32)
        test_caches(&s);
    small_model_release(&s.m);
}

int
main(void)
{
    for (int level = 0; kernels_level_name(level); level++) {
        const struct kernels *k = table_named(kernels_level_name(level));
        if (!k || k->blas)
            continue; /* its products without OpenBLAS are ref's */
        blas_disable("the test is about the tables' own products");
        for (enum precision p = PRECISION_FP32; p <= PRECISION_BF16; p++) {
            test_model("gpt2", gpt2, k, p);
            if (level == 0)
                continue; /* ref is plain loops, and slow */
            test_model("llama", llama, k, p);
            test_model("mistral", mistral, k, p);
            test_model("mixtral", mixtral, k, p);
        }
    }
    return done();
}
