/*
 * Context parallelism on this number of ranks: losses, every token's loss and the sum of the
 * ranks' gradients against one process with the whole sequences; the same bits twice.
 */
#include "model/decoder.h"

#include <math.h>
#include <string.h>

#include "base/die.h"
#include "model/decoder_impl.h"
#include "parallel/grid.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "tests/mpi/ranks.h"
#include "tests/unit/small_model.h"

/* Wide enough for several vectors, narrow heads in groups of three. */
static const char wide_llama[] =
    "{\"model_type\":\"llama\",\"vocab_size\":101,\"hidden_size\":96,\"intermediate_size\":80,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":6,\"num_key_value_heads\":2,\"head_dim\":20,"
    "\"max_position_embeddings\":2048,\"tie_word_embeddings\":true}";
static const char wide_mistral[] =
    "{\"model_type\":\"mistral\",\"vocab_size\":101,\"hidden_size\":64,\"intermediate_size\":80,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":16,"
    "\"max_position_embeddings\":2048,\"sliding_window\":150}";

static const char small_experts[] =
    "{\"model_type\":\"mixtral\",\"vocab_size\":61,\"hidden_size\":32,\"intermediate_size\":24,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
    "\"max_position_embeddings\":256,\"num_local_experts\":5,\"num_experts_per_tok\":2,"
    "\"tie_word_embeddings\":false}";

struct test {
    const char *name, *json;
    int64_t sequences, length; /* length: a multiple of 24 */
    int64_t document;          /* tokens of one, about; 0: one document */
    enum precision precision;
    enum recompute recompute;
    const char *table; /* NULL: the best here */
};

static const struct test tests[] = {
    {"llama in double", small_llama, 2, 48, 0, PRECISION_FP64, RECOMPUTE_NONE, "ref"},
    {"gpt2 in double, documents", small_gpt2, 3, 48, 17, PRECISION_FP64, RECOMPUTE_FULL, "ref"},
    {"mistral in double, window", small_mistral, 1, 24, 0, PRECISION_FP64, RECOMPUTE_SELECTIVE,
     "ref"},
    {"experts in double", small_experts, 2, 48, 17, PRECISION_FP64, RECOMPUTE_NONE, "ref"},
    {"experts", small_experts, 2, 144, 0, PRECISION_FP32, RECOMPUTE_FULL, NULL},
    {"llama, grouped queries", wide_llama, 2, 288, 0, PRECISION_FP32, RECOMPUTE_NONE, NULL},
    {"llama, documents", wide_llama, 3, 288, 70, PRECISION_FP32, RECOMPUTE_FULL, NULL},
    {"llama, long documents", wide_llama, 1, 1200, 500, PRECISION_FP32, RECOMPUTE_SELECTIVE,
     "avx2"},
    {"mistral, window", wide_mistral, 1, 600, 0, PRECISION_FP32, RECOMPUTE_NONE, NULL},
    {"mistral, window and documents", wide_mistral, 1, 360, 210, PRECISION_FP32, RECOMPUTE_FULL,
     "ref"},
    {"llama, one key/value head, biases", small_llama_tied, 2, 48, 9, PRECISION_FP32,
     RECOMPUTE_NONE, NULL},
    {"llama in bf16", wide_llama, 2, 288, 0, PRECISION_BF16, RECOMPUTE_NONE, NULL},
    {"llama in bf16, documents", wide_llama, 2, 288, 100, PRECISION_BF16, RECOMPUTE_FULL, NULL},
    {"mistral in bf16, window", wide_mistral, 1, 600, 0, PRECISION_BF16, RECOMPUTE_SELECTIVE,
     "avx2"},
};

/* Relative: of losses, of gradients by their norm. */
static const struct {
    double loss, gradient;
} bounds[PRECISIONS] = {[PRECISION_FP64] = {1e-13, 1e-12},
                        [PRECISION_FP32] = {1e-6, 1e-5},
                        [PRECISION_BF16] = {2e-3, 2e-2}};

static struct comm *world;

/* Random ids; every fifth target not scored; documents of odd lengths. */
static struct batch
batch_new(const struct test *t, int64_t vocab)
{
    int64_t n = t->sequences * t->length;
    uint64_t key = rng_key(5, t->name);
    uint32_t *inputs = mem_array((size_t)n, sizeof *inputs);
    int32_t *targets = mem_array((size_t)n, sizeof *targets);
    int32_t *first = mem_array((size_t)n, sizeof *first);

    for (int64_t i = 0; i < n; i++) {
        inputs[i] = (uint32_t)(rng_u64(key, (uint64_t)i) % (uint64_t)vocab);
        targets[i] = (int32_t)(rng_u64(key, (uint64_t)(n + i)) % (uint64_t)vocab);
        targets[i] = i % 5 == 3 ? -1 : targets[i];
    }
    for (int64_t s = 0; s < t->sequences; s++) {
        uint8_t *begins = mem_zarray((size_t)t->length, 1);
        for (int64_t i = 0; t->document && i < t->length; i++)
            begins[i] = (i + 11 * s) % t->document == t->document / 2;
        batch_pieces(begins, t->length, true, first + s * t->length);
        free(begins);
    }
    return (struct batch){.sequences = t->sequences,
                          .length = t->length,
                          .inputs = inputs,
                          .targets = targets,
                          .first = first};
}

static void
batch_free(const struct batch *b)
{
    free((void *)(uintptr_t)b->inputs);
    free((void *)(uintptr_t)b->targets);
    free((void *)(uintptr_t)b->first);
}

static struct decoder_options
options_of(const struct test *t, const struct kernels *k, struct comm *group)
{
    return (struct decoder_options){.kernels = k,
                                    .precision = t->precision,
                                    .micro_batch = t->sequences,
                                    .seq_length = t->length,
                                    .recompute = t->recompute,
                                    .training = true,
                                    .router_aux_loss = 0.2,
                                    .router_z_loss = 0.1,
                                    .context = group};
}

/* What one decoder gives, in double. */
struct results {
    double *gradients, *token_loss;
    struct sequence_loss *loss, *again; /* of training; of evaluation */
    uint64_t planned, taken;
};

static void
results_free(struct results *r)
{
    free(r->gradients);
    free(r->token_loss);
    free(r->loss);
    free(r->again);
}

static double
wide_at_place(const struct ops *ops, const void *x, int64_t i)
{
    return ops->wide_size == sizeof(float) ? (double)((const float *)x)[i]
                                           : ((const double *)x)[i];
}

static void
set_weights(struct decoder *d, const struct small_model *m, enum precision p)
{
    if (p == PRECISION_FP64)
        decoder_set_weights(d, m->weights, m->weights);
    else
        decoder_set_weights(d, p == PRECISION_BF16 ? (void *)m->weights16 : (void *)m->weights32,
                            m->weights32);
}

static struct results
run(const struct test *t, const struct small_model *m, const struct kernels *k,
    const struct batch *b, struct comm *group)
{
    struct decoder_options o = options_of(t, k, group), plan = o;
    const struct ops *ops = &k->ops[t->precision];
    size_t n = (size_t)m->params.grad_elements, s = (size_t)t->sequences;
    struct decoder_memory memory;
    struct decoder *d = decoder_new(&m->config, &m->params, &o);
    struct results r = {
        .gradients = mem_array(n, sizeof(double)),
        .token_loss = mem_array(s * (size_t)t->length, sizeof(double)),
        .loss = mem_zarray(s, sizeof *r.loss),
        .again = mem_zarray(s, sizeof *r.again),
    };
    void *grads = mem_zarray(n, sizeof(double));

    if (!d)
        die_err();
    plan.context = NULL;
    plan.context_size = group ? group->size : 0;
    decoder_plan(&m->config, &m->params, &plan, &memory);
    r.planned = memory.activations + memory.logits + memory.scratch + memory.tables;
    r.taken = decoder_bytes(d);
    set_weights(d, m, t->precision);
    /* the second of two micro-batches adds to what the first one left */
    for (int i = 0; i < 2; i++)
        if (decoder_train(d, b, grads, 0.37, 0.05, r.loss, NULL, NULL) < 0)
            die_err();
    if (decoder_loss(d, b, r.again, r.token_loss) < 0)
        die_err();
    for (size_t i = 0; i < n; i++)
        r.gradients[i] = wide_at_place(ops, grads, (int64_t)i);
    free(grads);
    decoder_free(d);
    return r;
}

/* Sums over the ranks: what the trainer and the reducer do. */
static void
sum_results(const struct test *t, const struct small_model *m, struct results *r)
{
    for (int64_t s = 0; s < t->sequences; s++) {
        struct sequence_loss *l = &r->loss[s], *again = &r->again[s];
        double x[] = {l->loss,           l->z_loss,   (double)l->scored, l->router_aux_loss,
                      l->router_z_loss, again->loss, again->router_aux_loss};
        if (comm_all_reduce(world, x, sizeof x / sizeof *x, COMM_F64, COMM_SUM) != 0)
            die_err();
        *l = (struct sequence_loss){x[0], x[1], (int64_t)x[2], x[3], x[4]};
        *again = (struct sequence_loss){.loss = x[5], .router_aux_loss = x[6]};
    }
    if (comm_all_reduce(world, r->gradients, (size_t)m->params.grad_elements, COMM_F64,
                        COMM_SUM) != 0)
        die_err();
}

static double
worse(double a, double b)
{
    return b <= a ? a : b; /* a NaN stays */
}

/* The largest relative error of any loss. */
static double
loss_error(const struct test *t, const struct results *got, const struct results *want)
{
    double worst = 0;

    for (int64_t s = 0; s < t->sequences; s++) {
        const struct sequence_loss *g = &got->loss[s], *w = &want->loss[s];
        worst = worse(worst, fabs(g->loss - w->loss) / w->loss);
        worst = worse(worst, fabs(g->z_loss - w->z_loss) / w->z_loss);
        worst = worse(worst, fabs(got->again[s].loss - want->again[s].loss) / w->loss);
        worst = worse(worst, fabs(g->router_aux_loss - w->router_aux_loss) / w->loss);
        worst = worse(worst, fabs(g->router_z_loss - w->router_z_loss) / w->loss);
        worst = worse(worst,
                      fabs(got->again[s].router_aux_loss - w->router_aux_loss) / w->loss);
        worst = worse(worst, g->scored == w->scored ? 0 : INFINITY);
    }
    return worst;
}

static double
token_error(const struct test *t, const struct results *got, const struct results *want)
{
    double worst = 0;

    for (int64_t i = 0; i < t->sequences * t->length; i++)
        worst = worse(worst, fabs(got->token_loss[i] - want->token_loss[i]));
    return worst;
}

/* The largest of any tensor's gradient: the difference's norm beside its own. */
static double
gradient_error(const struct params *p, const double *got, const double *want, const char **where)
{
    double worst = 0;

    for (int i = 0; i <= p->count; i++) {
        bool tied = i == p->count;
        int64_t begin = tied ? p->tied_offset : p->param[i].offset;
        int64_t size = p->param[tied ? p->embedding : i].size;
        double difference = 0, norm = 0;

        if (begin < 0)
            continue;
        for (int64_t j = begin; j < begin + size; j++) {
            difference += (got[j] - want[j]) * (got[j] - want[j]);
            norm += want[j] * want[j];
        }
        if (!(sqrt(difference / norm) <= worst)) {
            worst = sqrt(difference / norm);
            *where = p->param[tied ? p->embedding : i].name;
        }
    }
    return worst;
}

static bool
same_bits(const struct test *t, const struct small_model *m, const struct results *a,
          const struct results *b)
{
    size_t s = (size_t)t->sequences;

    return !memcmp(a->gradients, b->gradients,
                   (size_t)m->params.grad_elements * sizeof *a->gradients) &&
           !memcmp(a->loss, b->loss, s * sizeof *a->loss) &&
           !memcmp(a->token_loss, b->token_loss,
                   s * (size_t)t->length * sizeof *a->token_loss);
}

static void
run_test(const struct test *t)
{
    const struct kernels *k = t->table ? table_named(t->table) : kernels_pick(NULL);
    const char *where = "";
    struct small_model m;

    if (!k) /* another processor */
        return;
    small_model_init(&m, t->json);
    struct batch b = batch_new(t, m.config.vocab_size);
    struct results want = run(t, &m, k, &b, NULL), got = run(t, &m, k, &b, world);
    struct results again = run(t, &m, k, &b, world);
    bool same = same_bits(t, &m, &got, &again);

    ok_all(world, same, "%s: the same bits again", t->name);
    ok_all(world, got.planned == got.taken, "%s: takes the memory that was planned", t->name);
    sum_results(t, &m, &got);
    double loss = loss_error(t, &got, &want), token = token_error(t, &got, &want);
    double gradient = gradient_error(&m.params, got.gradients, want.gradients, &where);
    ok_all(world, loss <= bounds[t->precision].loss, "%s: losses differ by %.1e", t->name, loss);
    ok_all(world, token <= 50 * bounds[t->precision].loss, "%s: a token's loss by %.1e", t->name,
           token);
    ok_all(world, gradient <= bounds[t->precision].gradient, "%s: gradients by %.1e (%s)", t->name,
           gradient, where);
    results_free(&want);
    results_free(&got);
    results_free(&again);
    batch_free(&b);
    small_model_release(&m);
}

/* Pairs of a query and a key that a rank computes, documents of `document` tokens (0: one). */
static double
pairs_of(int rank, int64_t length, int64_t document)
{
    int64_t local = length / world->size;
    double pairs = 0;

    for (int64_t i = 0; i < local; i++) {
        int64_t position = context_position(world->size, rank, local, i);
        pairs += (double)(document ? position % document : position) + 1;
    }
    return pairs;
}

static void
test_balance(void)
{
    enum { LENGTH = 6144 };
    static const int64_t documents[] = {0, 3000, 700};

    for (int k = 0; k < 3; k++) {
        double least = INFINITY, most = 0, sum = 0;
        for (int r = 0; r < world->size; r++) {
            double pairs = pairs_of(r, LENGTH, documents[k]);
            least = fmin(least, pairs);
            most = fmax(most, pairs);
            sum += pairs;
        }
        if (documents[k] && world->rank == 0)
            diag("documents of %d: %.0f to %.0f pairs a rank, the most %.2f times the mean",
                 (int)documents[k], least, most, most * world->size / sum);
        if (!documents[k])
            ok_all(world, most <= 1.03 * least, "work of ranks: %.0f to %.0f pairs of %d tokens",
                   least, most, (int)LENGTH);
    }
}

/* Every position is one rank's, and the count of those before agrees with the list. */
static void
test_positions(void)
{
    enum { LENGTH = 48 };
    int owners[LENGTH] = {0}, size = world->size;
    int64_t local = LENGTH / size;
    bool good = true;

    for (int r = 0; r < size; r++)
        for (int64_t i = 0; i < local; i++) {
            int64_t position = context_position(size, r, local, i);
            owners[position]++;
            good &= context_tokens_before(size, r, local, position) == i;
            good &= context_tokens_before(size, r, local, position + 1) == i + 1;
        }
    for (int i = 0; i < LENGTH; i++)
        good &= owners[i] == 1;
    ok_all(world, good, "every token has one rank");
}

static void
test_refusals(void)
{
    struct test t = tests[3];
    struct small_model m;

    small_model_init(&m, t.json);
    t.length = 48 * world->size + world->size;
    struct decoder_options o = options_of(&t, kernels_pick(NULL), world);
    struct decoder *d = decoder_new(&m.config, &m.params, &o);
    char want[100];
    snprintf(want, sizeof want, "the nearest are %d and %d", 48 * world->size, 50 * world->size);
    ok_all(world, world->size == 1 ? d != NULL : !d && strstr(err_text(), want) != NULL,
           "a length that ranks cannot share is refused with the nearest: %s", err_text());
    decoder_free(d);
    small_model_release(&m);
}

int
main(int argc, char **argv)
{
    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    test_positions();
    test_balance();
    test_refusals();
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        run_test(&tests[i]);
    finish((enum status)mpi_end(world, done_all(world)));
}
