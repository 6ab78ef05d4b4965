/*
 * A model cut into pieces gives the gradients and losses of the whole one, bit for bit: forward
 * of all micro-batches before any backward, and with weight gradients put off.
 */
#include "tests/unit/small_model.h"

enum { MICROS = 2, STAGES = 2 };

/* One stage: its part of the model, in arrays of its own. */
struct stage {
    struct model_piece piece;
    struct model_part part;
    struct params params;
    struct decoder *decoder;
    float *wide, *vectors, *grads;
    void *act;
    bool *written;
};

struct sink {
    struct stage *stage;
    int *ready;
};

static void *
sink_at(void *arg, int param, bool *fresh)
{
    struct stage *s = ((struct sink *)arg)->stage;

    if (param == s->params.count)
        return s->grads + s->params.tied_offset;
    if (fresh) {
        *fresh = !s->written[param];
        s->written[param] = true;
    }
    return s->grads + s->params.param[param].offset;
}

static void
sink_ready(void *arg, int param)
{
    ((struct sink *)arg)->ready[param]++;
}

static void
stage_init(struct stage *s, const struct small_model *m, struct model_piece piece,
           const struct kernels *k, enum precision precision, enum recompute recompute)
{
    static const int slots[] = {MICROS};

    *s = (struct stage){.piece = piece};
    s->part = (struct model_part){.piece = &s->piece, .pieces = 1};
    if (params_init_part(&s->params, &m->config, &s->part) < 0)
        abort();
    size_t n = (size_t)s->params.elements, size = k->ops[precision].act_size;
    s->wide = mem_zarray(n, sizeof *s->wide);
    s->vectors = mem_zarray((size_t)s->params.vectors, sizeof *s->vectors);
    s->act = mem_zarray(n, size);
    s->grads = mem_zarray((size_t)s->params.grad_elements, sizeof *s->grads);
    s->written = mem_zarray((size_t)s->params.count, sizeof *s->written);
    for (int i = 0; i < s->params.count; i++) {
        const struct param *p = &s->params.param[i];
        const float *from = m->weights32 + m->params.param[p->whole.index].offset;
        memcpy(s->wide + p->offset, from, (size_t)p->size * sizeof *from);
        if (p->vector >= 0)
            memcpy(s->vectors + p->vector, from, (size_t)p->size * sizeof *from);
    }
    k->ops[precision].to_act(s->act, s->wide, s->params.elements);
    struct decoder_options o = {.kernels = k,
                                .precision = precision,
                                .micro_batch = SMALL_SEQUENCES,
                                .seq_length = SMALL_LENGTH,
                                .recompute = recompute,
                                .training = true,
                                .router_aux_loss = SMALL_ROUTER_AUX,
                                .router_z_loss = SMALL_ROUTER_Z,
                                .part = &s->part,
                                .slots = slots,
                                .weight_slots = MICROS};
    s->decoder = decoder_new(&m->config, &s->params, &o);
    decoder_set_part_weights(s->decoder, s->act, s->vectors, NULL);
}

static void
stage_release(struct stage *s)
{
    decoder_free(s->decoder);
    params_release(&s->params);
    free(s->wide);
    free(s->vectors);
    free(s->act);
    free(s->grads);
    free(s->written);
}

/* Are a stage's gradients those of the whole model? */
static bool
same_gradients(const struct stage *s, const struct small_model *m, const float *whole)
{
    for (int i = 0; i < s->params.count; i++) {
        const struct param *p = &s->params.param[i];
        const float *want = whole + m->params.param[p->whole.index].offset;
        /* A tied table's input side stands apart in the whole model. */
        if (i == s->params.embedding && m->params.tied_offset >= 0 && s->piece.embedding)
            want = whole + m->params.tied_offset;
        if (memcmp(s->grads + p->offset, want, (size_t)p->size * sizeof *want) != 0) {
            diag("%s differs", p->name);
            return false;
        }
    }
    return true;
}

static void
run_stages(struct stage *s, const struct small_batch *b, struct sequence_loss loss[][SMALL_SEQUENCES],
           bool split, int *ready)
{
    size_t element;
    size_t bytes = (size_t)decoder_border(s[0].decoder, SMALL_SEQUENCES, &element);
    char *border[MICROS], *gradient;
    struct sink sink[STAGES] = {{&s[0], ready}, {&s[1], ready + s[0].params.count}};
    struct gradients g[STAGES];

    bytes *= element;
    gradient = mem_alloc(bytes);
    for (int i = 0; i < STAGES; i++)
        g[i] = (struct gradients){&sink[i], sink_at, sink_ready, true};
    for (int i = 0; i < MICROS; i++) {
        border[i] = mem_alloc(bytes);
        decoder_forward_piece(s[0].decoder, 0, i, &b[i].batch, NULL, border[i]);
        decoder_forward_piece(s[1].decoder, 0, i, &b[i].batch, border[i], NULL);
    }
    for (int i = 0; i < MICROS; i++) {
        const struct batch *batch = &b[i].batch;
        if (split) {
            decoder_backward_input(s[1].decoder, 0, i, i, batch, &g[1], 0.25, 1e-3, NULL, gradient, loss[i]);
            decoder_backward_input(s[0].decoder, 0, i, i, batch, &g[0], 0.25, 1e-3, gradient, NULL, NULL);
        } else {
            decoder_backward_piece(s[1].decoder, 0, i, batch, &g[1], 0.25, 1e-3, NULL, gradient, loss[i]);
            decoder_backward_piece(s[0].decoder, 0, i, batch, &g[0], 0.25, 1e-3, gradient, NULL, NULL);
        }
        free(border[i]);
    }
    for (int i = 0; i < MICROS && split; i++)
        for (int k = 0; k < STAGES; k++)
            decoder_backward_weight(s[k].decoder, 0, i, i, &b[i].batch, &g[k]);
    free(gradient);
}

static void
compare(const char *name, const char *json, const struct kernels *k, enum precision precision,
        enum recompute recompute, bool split)
{
    struct small_model m;
    struct small_batch b[MICROS];
    struct stage s[STAGES];
    struct sequence_loss want[MICROS][SMALL_SEQUENCES], got[MICROS][SMALL_SEQUENCES];
    int ready[128] = {0}, tensors, once = 0;

    small_model_init(&m, json);
    float *grads = mem_zarray((size_t)m.params.grad_elements, sizeof *grads);
    struct decoder *d = small_decoder(&m, k, precision, NULL, recompute, true);
    for (int i = 0; i < MICROS; i++) {
        small_batch_init(&b[i], &m.config);
        for (int t = 0; t < SMALL_TOKENS; t++)
            b[i].inputs[t] = (b[i].inputs[t] + (uint32_t)i) % 37;
        b[i].batch.inputs = b[i].inputs;
        b[i].batch.targets = b[i].targets;
        b[i].batch.first = b[i].first;
        b[i].batch.overwrite = i == 0;
        decoder_train(d, &b[i].batch, grads, 0.25, 1e-3, want[i], NULL, NULL);
    }
    stage_init(&s[0], &m, (struct model_piece){0, 1, true, false}, k, precision, recompute);
    stage_init(&s[1], &m, (struct model_piece){1, 2, false, true}, k, precision, recompute);
    run_stages(s, b, got, split, ready);
    tensors = s[0].params.count + s[1].params.count;
    for (int i = 0; i < tensors; i++)
        once += ready[i] == MICROS;
    ok(once == tensors, "%s: every tensor is ready once a micro-batch", name);
    ok(memcmp(want, got, sizeof want) == 0, "%s: losses", name);
    ok(same_gradients(&s[0], &m, grads) && same_gradients(&s[1], &m, grads), "%s: gradients", name);
    for (int i = 0; i < STAGES; i++)
        stage_release(&s[i]);
    decoder_free(d);
    free(grads);
    small_model_release(&m);
}

int
main(void)
{
    static const char *const kinds[] = {"none", "selective", "full"};
    static const struct {
        const char *name, *json;
    } models[] = {{"llama", small_llama}, {"tied", small_llama_tied}, {"gpt2", small_gpt2}, {"gpt_neox", small_neox}, {"windows", small_windows},
                  {"mixtral", small_mixtral}, {"qwen3_moe", small_qwen3_moe}};
    enum { MODELS = sizeof models / sizeof *models };
    const struct kernels *k = kernels_pick(NULL);
    char name[64];

    for (int i = 0; i < MODELS; i++)
        for (int r = 0; r < 3; r++)
            for (int c = 0; c < 4; c++) {
                enum precision precision = c & 1 ? PRECISION_BF16 : PRECISION_FP32;
                snprintf(name, sizeof name, "%s %s recompute %s %s", models[i].name,
                         c & 1 ? "bf16" : "fp32", kinds[r], c & 2 ? "split" : "joint");
                compare(name, models[i].json, k, precision, (enum recompute)r, c & 2);
            }
    return done();
}
