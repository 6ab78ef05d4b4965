/*
 * Low-rank adapters in FP64 (Hu et al., 2021): gradients of A and B, and through them of the layers
 * below, against central finite differences; the loss with adapters against that of the model with
 * W + s B A merged, which needs no code of theirs.
 */
#include "tests/unit/small_gradient.h"

static double
loss_of(struct decoder *d, const struct small_batch *b)
{
    struct sequence_loss out[SMALL_SEQUENCES];
    double sum = 0;

    if (decoder_loss(d, &b->batch, out, NULL) < 0)
        abort();
    for (int s = 0; s < SMALL_SEQUENCES; s++)
        sum += out[s].loss + SMALL_ROUTER_AUX * out[s].router_aux_loss +
               SMALL_ROUTER_Z * out[s].router_z_loss;
    return sum;
}

/* The worst difference of one tensor, relative to its gradient. */
static double
worst_of(struct small_model *m, struct decoder *d, const struct small_batch *b,
         const struct param *p, const double *grads)
{
    double *direction = mem_array((size_t)p->size, sizeof *direction), worst = 0;

    for (int k = 0; k < 8; k++) {
        double along = 0, norm = 0;

        small_direction(direction, p, k);
        for (int64_t j = 0; j < p->size; j++) {
            double one = grads[p->offset + j] * direction[j];
            along += one;
            norm += one * one;
        }
        double error = fabs(small_difference(m, d, b, p, direction, 3e-4, loss_of) - along) / (sqrt(norm) + 1e-3);
        worst = fmax(worst, error);
    }
    free(direction);
    return worst;
}

static double *
gradients_of(const struct small_model *m, const struct small_batch *b, enum recompute r)
{
    struct decoder *d = small_decoder(m, table_named("ref"), PRECISION_FP64, NULL, r, true);
    double *grads = mem_zarray((size_t)m->params.grad_elements, sizeof *grads);
    struct sequence_loss out[SMALL_SEQUENCES];

    if (decoder_train(d, &b->batch, grads, 1, 0, out, NULL, NULL) < 0)
        abort();
    decoder_free(d);
    return grads;
}

static void
test_gradients(const char *name, struct small_model *m, const struct small_batch *b)
{
    struct decoder *d = small_decoder(m, table_named("ref"), PRECISION_FP64, NULL, RECOMPUTE_NONE,
                                      true);
    double *grads = gradients_of(m, b, RECOMPUTE_NONE), worst = 0, least = 1e30, frozen = 0;
    int64_t n = m->params.grad_elements;

    for (int i = 0; i < m->params.count; i++) {
        const struct param *p = &m->params.param[i];
        double size = 0;

        for (int64_t j = p->offset; j < p->offset + p->size; j++)
            size = fmax(size, fabs(grads[j]));
        if (p->adapter) {
            worst = fmax(worst, worst_of(m, d, b, p, grads));
            least = fmin(least, size);
        } else {
            frozen = fmax(frozen, size);
        }
    }
    ok(worst < 3e-8 && worst > 0, "%s: adapters' gradients are finite differences (worst %.1e)",
       name, worst);
    ok(least > 1e-4 && least < 1e30, "%s: none is zero (%.1e)", name, least);
    ok(frozen == 0, "%s: the model's own tensors have no gradient", name);
    for (enum recompute r = RECOMPUTE_SELECTIVE; r <= RECOMPUTE_FULL; r++) {
        double *other = gradients_of(m, b, r);
        ok(memcmp(grads, other, (size_t)n * sizeof *grads) == 0,
           "%s: the same with recomputation %d", name, (int)r);
        free(other);
    }
    free(grads);
    decoder_free(d);
}

/* W += s B A, every target's rows; then the same batch without adapters. */
static void
test_merged(const char *name, const struct small_model *m, const struct small_batch *b)
{
    struct small_model plain = *m;
    struct config c;
    double scale = m->config.lora.alpha / (double)m->config.lora.rank;
    int64_t rank = m->config.lora.rank;

    if (config_parse(&c, "config.json", m->config.json, strlen(m->config.json)) < 0 ||
        config_set_lora(&c, &(struct lora){0}) < 0)
        abort();
    plain.config = c;
    if (params_init(&plain.params, &plain.config) < 0)
        abort();
    plain.weights = mem_zarray((size_t)plain.params.elements, sizeof *plain.weights);
    for (int i = 0; i < plain.params.count; i++) {
        const struct param *to = &plain.params.param[i];
        const struct param *from = &m->params.param[params_find(&m->params, to->name)];
        const struct adapters *l = &from->adapters;
        double *w = plain.weights + to->offset;

        memcpy(w, m->weights + from->offset, (size_t)to->size * sizeof *w);
        for (int k = 0; k < l->parts; k++) {
            const double *A = m->weights + m->params.param[l->a].offset + k * rank * to->columns;
            const double *B = m->weights + m->params.param[l->b].offset + l->part[k].at * rank;
            for (int64_t row = 0; row < l->part[k].rows; row++)
                for (int64_t j = 0; j < to->columns; j++)
                    for (int64_t r = 0; r < rank; r++)
                        w[(l->part[k].row + row) * to->columns + j] += scale * B[row * rank + r] *
                                                                       A[r * to->columns + j];
        }
    }
    struct decoder *with = small_decoder(m, table_named("ref"), PRECISION_FP64, NULL,
                                         RECOMPUTE_NONE, true);
    struct decoder *without = small_decoder(&plain, table_named("ref"), PRECISION_FP64, NULL,
                                            RECOMPUTE_NONE, false);
    double x = loss_of(with, b), y = loss_of(without, b);
    ok(fabs(x - y) < 1e-11 * fabs(x), "%s: the loss is that of merged weights (%.12f, %.12f)", name,
       x, y);
    decoder_free(with);
    decoder_free(without);
    free(plain.weights);
    params_release(&plain.params);
    config_release(&c);
}

static void
test_model(const char *name, const char *json, const char *targets, int64_t rank)
{
    struct small_model m;
    struct small_batch b;
    struct config c;
    struct lora l = {.rank = rank, .alpha = 1.25 * (double)rank};

    if (config_parse(&c, "config.json", json, strlen(json)) < 0 ||
        lora_targets(&c, targets, &l.targets) < 0 || config_set_lora(&c, &l) < 0) {
        diag("%s", err_text());
        abort();
    }
    small_model_init(&m, c.json);
    small_batch_init(&b, &m.config);
    test_gradients(name, &m, &b);
    test_merged(name, &m, &b);
    small_model_release(&m);
    config_release(&c);
}

int
main(void)
{
    test_model("llama, every module", small_llama, "all-linear", 3);
    test_model("llama, tied, biases; some modules", small_llama_tied, "v_proj,q_proj,up_proj", 2);
    test_model("gpt2, every module", small_gpt2, "all-linear", 4);
    test_model("gpt2, the ends of attention", small_gpt2, "attn.c_proj,c_attn", 1);
    test_model("gpt_neox", small_neox, "all-linear", 2);
    test_model("mixtral, attention alone", small_mixtral, "q_proj,k_proj,v_proj,o_proj", 2);
    return done();
}
