/*
 * Expert parallelism: every rank has a micro-batch of its own and some of the experts. Losses are
 * those of the whole model on one rank, gradients the sums over all micro-batches: those of experts
 * at their owner, all others added up over the ranks here. Twice the same bits.
 */
#include "base/die.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "tests/mpi/ranks.h"
#include "tests/unit/small_model.h"

enum { MOST_RANKS = 8 };

static const double scale = 0.37, z_loss = 0.05;

static struct comm *world;

/* Experts that 2 and 4 ranks can share. */
static const struct {
    const char *name, *json;
    bool no_router; /* weights of zero: all tokens go to the lowest experts, others get none */
} models[] = {
    {"mixtral",
     "{\"model_type\":\"mixtral\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":20,"
     "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
     "\"max_position_embeddings\":64,\"num_local_experts\":4,\"num_experts_per_tok\":2}",
     false},
    {"qwen2_moe: a shared expert, a dense layer, tied",
     "{\"model_type\":\"qwen2_moe\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":40,"
     "\"num_hidden_layers\":3,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
     "\"max_position_embeddings\":64,\"num_experts\":8,\"num_experts_per_tok\":3,"
     "\"moe_intermediate_size\":12,\"shared_expert_intermediate_size\":28,\"mlp_only_layers\":[1],"
     "\"tie_word_embeddings\":true}",
     false},
    {"qwen3_moe, all tokens to one rank",
     "{\"model_type\":\"qwen3_moe\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":40,"
     "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,"
     "\"max_position_embeddings\":64,\"num_experts\":12,\"num_experts_per_tok\":3,"
     "\"moe_intermediate_size\":12,\"norm_topk_prob\":true}",
     true},
};
enum { MODELS = sizeof models / sizeof *models };

/* ---- data ---- */

static void
no_routers(struct small_model *m)
{
    for (int i = 0; i < m->config.num_hidden_layers; i++) {
        const struct param *t = &m->params.param[m->params.layer[i].router];

        memset(m->weights + t->offset, 0, (size_t)t->size * sizeof *m->weights);
        memset(m->weights32 + t->offset, 0, (size_t)t->size * sizeof *m->weights32);
    }
}

/* Of each rank other ids, and another number of sequences. */
static void
rank_batch(struct small_batch *b, const struct config *c, int rank)
{
    small_batch_init(b, c);
    for (int i = 0; i < SMALL_TOKENS; i++)
        b->inputs[i] = (b->inputs[i] + 7 * (uint32_t)rank) % (uint32_t)c->vocab_size;
    b->batch.sequences = 1 + rank % SMALL_SEQUENCES;
}

static struct decoder_options
options_of(enum precision precision, enum recompute recompute)
{
    return (struct decoder_options){.kernels = precision == PRECISION_FP64 ? table_named("ref")
                                                                           : kernels_pick(NULL),
                                    .precision = precision,
                                    .micro_batch = SMALL_SEQUENCES,
                                    .seq_length = SMALL_LENGTH,
                                    .recompute = recompute,
                                    .training = true,
                                    .router_aux_loss = SMALL_ROUTER_AUX,
                                    .router_z_loss = SMALL_ROUTER_Z};
}

static size_t
wide_of(enum precision precision)
{
    return precision == PRECISION_FP64 ? sizeof(double) : sizeof(float);
}

static const void *
weights_of(const struct small_model *m, enum precision precision)
{
    return precision == PRECISION_FP64 ? (const void *)m->weights : (const void *)m->weights32;
}

/* ---- the whole model on this rank ---- */

struct whole {
    void *grads; /* wide [grad_elements], of all ranks' micro-batches */
    struct sequence_loss loss[MOST_RANKS][SMALL_SEQUENCES];
};

static void
run_whole(const struct small_model *m, enum precision precision, struct whole *w)
{
    struct decoder_options o = options_of(precision, RECOMPUTE_NONE);
    struct decoder *d = decoder_new(&m->config, &m->params, &o);
    void *weights = (void *)(uintptr_t)weights_of(m, precision);

    if (!d)
        die_err();
    decoder_set_weights(d, weights, weights);
    w->grads = mem_zarray((size_t)m->params.grad_elements, wide_of(precision));
    for (int r = 0; r < world->size; r++) {
        struct small_batch b;

        rank_batch(&b, &m->config, r);
        if (decoder_train(d, &b.batch, w->grads, scale, z_loss, w->loss[r], NULL, NULL) < 0)
            die_err();
    }
    decoder_free(d);
}

/* ---- this rank's part ---- */

/* The part's tensors are whole ones. */
static void *
cut_weights(const struct params *part, const struct small_model *m, enum precision precision)
{
    size_t wide = wide_of(precision);
    char *to = mem_zarray((size_t)part->elements, wide);
    const char *from = weights_of(m, precision);

    for (int i = 0; i < part->count; i++) {
        const struct param *t = &part->param[i], *w = &m->params.param[t->whole.index];

        memcpy(to + (size_t)t->offset * wide, from + (size_t)w->offset * wide,
               (size_t)t->size * wide);
    }
    return to;
}

static double
at(const void *x, int64_t i, size_t wide)
{
    return wide == sizeof(double) ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

/* |difference| / |whole| of n elements. */
static double
distance(const void *part, int64_t p, const void *whole, int64_t w, int64_t n, size_t wide)
{
    double difference = 0, norm = 0;

    for (int64_t i = 0; i < n; i++) {
        double a = at(part, p + i, wide), b = at(whole, w + i, wide);

        difference += (a - b) * (a - b);
        norm += b * b;
    }
    return sqrt(difference) / (sqrt(norm) + 1e-30);
}

/* Experts' gradients are complete; the others are added up over the ranks. */
static double
worst_gradient(const struct params *part, const struct small_model *m, void *grads,
               const struct whole *w, enum precision precision, const char **where)
{
    size_t wide = wide_of(precision);
    double worst = 0;

    for (int i = 0; i < part->count + (part->tied_offset >= 0); i++) {
        bool tied = i == part->count;
        const struct param *t = &part->param[tied ? part->embedding : i];
        int64_t own = tied ? part->tied_offset : t->offset;
        int64_t whole = tied ? m->params.tied_offset : m->params.param[t->whole.index].offset;
        enum comm_type type = wide == sizeof(double) ? COMM_F64 : COMM_F32;

        if (t->expert < 0 &&
            comm_sum(world, (char *)grads + (size_t)own * wide, (size_t)t->size, type) < 0)
            die_err();
        double error = distance(grads, own, w->grads, whole, t->size, wide);
        if (!(error <= worst)) {
            worst = error;
            *where = t->name;
        }
    }
    return worst;
}

static double
worst_loss(const struct sequence_loss *got, const struct sequence_loss *want, int64_t sequences)
{
    double worst = 0;

    for (int64_t s = 0; s < sequences; s++) {
        worst = fmax(worst, fabs(got[s].loss / want[s].loss - 1));
        worst = fmax(worst, fabs(got[s].router_aux_loss - want[s].router_aux_loss));
        worst = fmax(worst, fabs(got[s].router_z_loss - want[s].router_z_loss));
    }
    return worst;
}

static void
test_part(const char *name, const struct small_model *m, const struct whole *w,
          enum precision precision, enum recompute recompute)
{
    static const char *const modes[] = {"none", "selective", "full"};
    struct model_part which = {.expert_rank = world->rank, .expert_size = world->size};
    struct decoder_options o = options_of(precision, recompute);
    double bound = precision == PRECISION_FP64 ? 1e-12 : 1e-5;
    struct sequence_loss loss[SMALL_SEQUENCES];
    const char *where = "none";
    struct small_batch b;
    struct params p;

    o.part = &which;
    o.expert = world;
    if (params_init_part(&p, &m->config, &which) < 0)
        die_err();
    struct decoder *d = decoder_new(&m->config, &p, &o);
    if (!d)
        die_err();
    void *weights = cut_weights(&p, m, precision);
    size_t bytes = (size_t)p.grad_elements * wide_of(precision);
    void *grads = mem_zalloc(bytes), *again = mem_zalloc(bytes);

    decoder_set_weights(d, weights, weights);
    rank_batch(&b, &m->config, world->rank);
    if (decoder_train(d, &b.batch, grads, scale, z_loss, loss, NULL, NULL) < 0 ||
        decoder_train(d, &b.batch, again, scale, z_loss, loss, NULL, NULL) < 0)
        die_err();
    ok_all(world, memcmp(grads, again, bytes) == 0, "%s, %s, %s: twice the same bits", name,
           precision_name(precision), modes[recompute]);
    double error = worst_gradient(&p, m, grads, w, precision, &where);
    double worst = worst_loss(loss, w->loss[world->rank], b.batch.sequences);
    ok_all(world, error <= bound && worst <= 10 * bound,
           "%s, %s, %s: gradients %.1e at %s, losses %.1e", name, precision_name(precision),
           modes[recompute], error, where, worst);
    free(grads);
    free(again);
    free(weights);
    decoder_free(d);
    params_release(&p);
}

static void
test_model(int k)
{
    const enum precision precisions[] = {PRECISION_FP64, PRECISION_FP32};
    struct small_model m;

    small_model_init(&m, models[k].json);
    if (models[k].no_router)
        no_routers(&m);
    for (int i = 0; i < 2; i++) {
        struct whole w;

        run_whole(&m, precisions[i], &w);
        for (enum recompute r = RECOMPUTE_NONE; r <= RECOMPUTE_FULL; r++)
            test_part(models[k].name, &m, &w, precisions[i], r);
        free(w.grads);
    }
    small_model_release(&m);
}

/* Experts that the ranks cannot share. */
static void
test_refused(void)
{
    struct model_part which = {.expert_size = 5};
    struct config c;
    struct params p;

    if (config_parse(&c, "config.json", models[0].json, strlen(models[0].json)) < 0)
        die_err();
    ok_all(world, params_init_part(&p, &c, &which) < 0 && err_status() == STATUS_INPUT,
           "refused: %s", err_text());
    params_release(&p);
    config_release(&c);
}

int
main(int argc, char **argv)
{
    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    for (int k = 0; k < MODELS; k++)
        test_model(k);
    test_refused();
    finish((enum status)mpi_end(world, done_all(world)));
}
