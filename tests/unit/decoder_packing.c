/*
 * Packed weights in the decoder, with a table that packs for the test's sake: op(B) as rows
 * [k][n]. Its product reads nothing but the packed form where there is one, so that the same
 * gradients mean that the right matrix was packed at the right time, whole.
 */
#include "tests/unit/small_model.h"

/* What the packed form begins with; a cell does not know its whole. */
struct head {
    int64_t n, k;
};

static struct ops plain;
static int packed_products, other_products;

static size_t
pack_size(bool tb, int64_t n, int64_t k)
{
    (void)tb;
    return sizeof(struct head) + (size_t)(n * k) * sizeof(float);
}

static void
pack(bool tb, int64_t n, int64_t k, const void *b, int64_t ldb, int64_t column, int64_t columns,
     void *packed)
{
    struct head *h = packed;
    float *out = (float *)(void *)(h + 1);
    const float *x = b;

    if (column % PACK_COLUMNS || columns < 1 || column + columns > n)
        abort();
    if (column == 0)
        *h = (struct head){n, k};
    for (int64_t p = 0; p < k; p++)
        for (int64_t j = column; j < column + columns; j++)
            out[p * n + j] = tb ? x[j * ldb + p] : x[p * ldb + j];
}

static void
multiply(const struct gemm *g)
{
    struct gemm cell = *g;

    if (g->b_packed) {
        const struct head *h = g->b_packed;

        if (h->k != g->k || g->b_column + g->n > h->n)
            abort();
        cell.tb = false;
        cell.b = (const float *)(const void *)(h + 1) + g->b_column;
        cell.ldb = h->n;
    }
    __atomic_fetch_add(g->b_packed ? &packed_products : &other_products, 1, __ATOMIC_RELAXED);
    plain.gemm(&cell);
}

static struct kernels
packing_table(void)
{
    struct kernels k = *table_named("ref");

    plain = k.ops[PRECISION_FP32];
    k.ops[PRECISION_FP32].gemm = multiply;
    k.ops[PRECISION_FP32].gemm_pack = pack;
    k.ops[PRECISION_FP32].gemm_pack_size = pack_size;
    return k;
}

struct result {
    float *grads;
    struct sequence_loss loss[SMALL_SEQUENCES];
};

/* Two steps with other weights in between: a packed form must not outlive its weights. */
static struct result
train(struct small_model *m, const struct batch *b, const struct kernels *k, int threads)
{
    struct threads *pool = threads > 1 ? threads_new(threads) : NULL;
    struct decoder *d = small_decoder(m, k, PRECISION_FP32, pool, RECOMPUTE_NONE, true);
    struct result r = {.grads = mem_zarray((size_t)m->params.grad_elements, sizeof(float))};

    for (int step = 0; step < 2; step++) {
        float sign = step ? -1 : 1;

        for (int64_t i = 0; i < m->params.elements; i++)
            m->weights32[i] = (float)m->weights[i] * sign;
        decoder_set_weights(d, m->weights32, m->weights32);
        if (decoder_train(d, b, r.grads, 0.25, 1e-3, r.loss, NULL, NULL) < 0)
            abort();
    }
    decoder_free(d);
    threads_free(pool);
    return r;
}

static void
test_train(const char *name, const char *json)
{
    struct small_model m;
    struct small_batch b;
    struct kernels packing = packing_table();

    small_model_init(&m, json);
    small_batch_init(&b, &m.config);
    struct result want = train(&m, &b.batch, table_named("ref"), 1);
    size_t size = (size_t)m.params.grad_elements * sizeof(float);
    for (int threads = 1; threads <= 3; threads += 2) {
        packed_products = other_products = 0;
        struct result got = train(&m, &b.batch, &packing, threads);

        ok(!memcmp(got.grads, want.grads, size) && !memcmp(got.loss, want.loss, sizeof want.loss),
           "%s: packed weights give the same bits on %d threads", name, threads);
        ok(packed_products >= 2 * (2 * 8 + 2) && other_products >= 2 * (8 + 1),
           "%s: forward and input gradients took them (%d cells, %d others)", name,
           packed_products, other_products);
        free(got.grads);
    }
    free(want.grads);
    small_model_release(&m);
}

/* One sequence of few tokens: nothing is packed. */
static void
test_few(void)
{
    struct small_model m;
    struct small_batch b;
    struct kernels packing = packing_table();

    small_model_init(&m, small_llama);
    small_batch_init(&b, &m.config);
    b.batch.sequences = 1;
    packed_products = 0;
    struct result r = train(&m, &b.batch, &packing, 1);
    ok(packed_products == 0, "a batch of %d tokens packs nothing", SMALL_LENGTH);
    free(r.grads);
    small_model_release(&m);
}

int
main(void)
{
    test_train("llama", small_llama);
    test_train("tied", small_llama_tied);
    test_train("gpt2", small_gpt2);
    test_train("gpt_neox", small_neox);
    test_few();
    return done();
}
