/*
 * The whole model's gradient in FP64 against central finite differences of its
 * loss, tensor by tensor: along random directions, in which any wrong element
 * shows, and along single elements.
 */
#include "tests/unit/small_gradient.h"

/* A window of one token: attention copies the values. */
static const char small_narrow[] =
    "{\"model_type\":\"mistral\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":20,"
    "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"num_key_value_heads\":2,"
    "\"max_position_embeddings\":64,\"sliding_window\":1}";

static const double scale = 0.37, z_loss = 0.05;

static double
loss_of(struct decoder *d, const struct small_batch *b)
{
    struct sequence_loss out[SMALL_SEQUENCES];
    double sum = 0;

    if (decoder_loss(d, &b->batch, out, NULL) < 0)
        abort();
    for (int s = 0; s < SMALL_SEQUENCES; s++)
        sum += scale * (out[s].loss + z_loss * out[s].z_loss +
                        SMALL_ROUTER_AUX * out[s].router_aux_loss +
                        SMALL_ROUTER_Z * out[s].router_z_loss);
    return sum;
}

/* Adds the tied embedding's two gradients into one, as the trainer does. */
static void
join_tied(const struct params *p, double *grads)
{
    const struct param *e = &p->param[p->embedding];

    if (p->tied_offset >= 0)
        for (int64_t i = 0; i < e->size; i++)
            grads[e->offset + i] += grads[p->tied_offset + i];
}

/* What is computed again in the backward pass gives the same gradients. */
static void
test_recompute(const char *name, const struct small_model *m, const struct small_batch *b,
               const double *want)
{
    for (enum recompute r = RECOMPUTE_SELECTIVE; r <= RECOMPUTE_FULL; r++) {
        struct decoder *d = small_decoder(m, table_named("ref"), PRECISION_FP64, NULL, r, true);
        double *grads = mem_zarray((size_t)m->params.grad_elements, sizeof *grads), worst = 0;
        struct sequence_loss out[SMALL_SEQUENCES];

        if (decoder_train(d, &b->batch, grads, scale, z_loss, out, NULL, NULL) < 0)
            abort();
        join_tied(&m->params, grads);
        for (int64_t i = 0; i < m->params.elements; i++)
            worst = fmax(worst, fabs(grads[i] - want[i]));
        is_near(worst, 0, 0, "%s: the same gradients with %s recomputation", name,
                r == RECOMPUTE_FULL ? "full" : "selective");
        free(grads);
        decoder_free(d);
    }
}

static void
test_model(const char *name, const char *json)
{
    struct small_model m;
    struct small_batch b;
    const struct kernels *ref = table_named("ref");
    double worst = 0;
    const char *where = "";

    small_model_init(&m, json);
    small_batch_init(&b, &m.config);
    /* So small that no token changes its experts. */
    const double h = m.config.num_experts > 0 ? 3e-4 : 1e-3;
    struct decoder *d = small_decoder(&m, ref, PRECISION_FP64, NULL, RECOMPUTE_NONE, true);
    double *grads = mem_zarray((size_t)m.params.grad_elements, sizeof *grads);
    struct sequence_loss out[SMALL_SEQUENCES];

    if (decoder_train(d, &b.batch, grads, scale, z_loss, out, NULL, NULL) < 0)
        abort();
    join_tied(&m.params, grads);
    for (int i = 0; i < m.params.count; i++) {
        const struct param *p = &m.params.param[i];
        double *direction = mem_array((size_t)p->size, sizeof *direction);

        for (int k = 0; k < 8; k++) {
            double along = 0, norm = 0, found;

            small_direction(direction, p, k);
            for (int64_t j = 0; j < p->size; j++) {
                along += grads[p->offset + j] * direction[j];
                norm += grads[p->offset + j] * grads[p->offset + j] * direction[j] * direction[j];
            }
            found = small_difference(&m, d, &b, p, direction, h, loss_of);
            double error = fabs(found - along) / (sqrt(norm) + 1e-3);
            if (error > worst) {
                worst = error;
                where = p->name;
            }
        }
        free(direction);
    }
    ok(worst < (m.config.num_experts > 0 ? 1e-7 : 3e-8), "%s: every gradient is the finite difference (worst %.1e at %s)", name, worst,
       where);
    ok(worst > 0, "%s: something was compared", name);
    test_recompute(name, &m, &b, grads);
    free(grads);
    decoder_free(d);
    small_model_release(&m);
}

int
main(void)
{
    test_model("llama, untied, grouped queries", small_llama);
    test_model("llama, tied, all biases, one key/value head", small_llama_tied);
    test_model("mistral, sliding window", small_mistral);
    test_model("gpt2: layer norm, GELU, learned positions, tied", small_gpt2);
    test_model("gpt_neox: parallel residual, partial rotary, YaRN", small_neox);
    test_model("qwen2, a window in one layer", small_windows);
    test_model("mixtral", small_mixtral);
    test_model("qwen2_moe: shared expert, a dense layer, tied", small_qwen2_moe);
    test_model("qwen3_moe: QK-norm, a dense layer", small_qwen3_moe);
    test_model("mistral, a window of one token", small_narrow);
    return done();
}
