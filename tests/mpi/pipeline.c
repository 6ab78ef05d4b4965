/*
 * A decoder cut into as many pipeline stages as there are ranks, against the whole decoder in one
 * process: losses and gradients bit by bit, for every schedule and kind of recomputation.
 * timeout: 240
 */
#include "parallel/pipeline.h"

#include "base/die.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "parallel/pipeline_stages.h"
#include "tests/mpi/ranks.h"
#include "tests/unit/small_model.h"

/* Micro-batches: many enough for a pipeline of 4 to settle, and a multiple of 2, 3 and 4. */
enum { MICROS = 12, CHUNKS = 2 };

static const char llama_gqa[] =
    "{\"model_type\":\"llama\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":40,"
    "\"num_hidden_layers\":8,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,"
    "\"max_position_embeddings\":64,\"rope_theta\":100,\"tie_word_embeddings\":false}";
static const char gpt2_tied[] =
    "{\"model_type\":\"gpt2\",\"vocab_size\":37,\"n_embd\":24,\"n_layer\":8,\"n_head\":3,"
    "\"n_positions\":64}";

static struct comm *world;

/* What one process computes of a model, and the micro-batches. */
struct whole {
    struct small_model model;
    struct small_batch batch[MICROS];
    struct sequence_loss loss[MICROS][SMALL_SEQUENCES], valid[SMALL_SEQUENCES];
    double token_loss[SMALL_TOKENS];
    float *grads;
};

/* This rank's stage. */
struct stage {
    struct whole *whole;
    struct pipeline_stages cut;
    struct model_piece pieces[CHUNKS];
    struct params params;
    struct decoder *decoder;
    float *wide, *vectors, *grads;
    void *act;
    int *begun, *ready; /* [count + 1]: a tensor's micro-batches asked for, and complete */
    struct sequence_loss loss[MICROS][SMALL_SEQUENCES];
};

static const double scale = 0.25, z = 1e-3;

static void
make_batch(struct small_batch *b, const struct config *c, int micro)
{
    small_batch_init(b, c);
    for (int i = 0; i < SMALL_TOKENS; i++)
        b->inputs[i] = (b->inputs[i] * 3 + (uint32_t)(micro * i)) % (uint32_t)c->vocab_size;
    b->batch.overwrite = micro == 0;
}

static void
whole_init(struct whole *w, const char *json, const struct kernels *k, enum precision precision)
{
    small_model_init(&w->model, json);
    w->grads = mem_zarray((size_t)w->model.params.grad_elements, sizeof *w->grads);
    struct decoder *d = small_decoder(&w->model, k, precision, NULL, RECOMPUTE_NONE, true);
    for (int m = 0; m < MICROS; m++) {
        make_batch(&w->batch[m], &w->model.config, m);
        if (decoder_train(d, &w->batch[m].batch, w->grads, scale, z, w->loss[m], NULL, NULL) < 0)
            die_err();
    }
    if (decoder_loss(d, &w->batch[1].batch, w->valid, w->token_loss) < 0)
        die_err();
    decoder_free(d);
}

static void
whole_release(struct whole *w)
{
    small_model_release(&w->model);
    free(w->grads);
}

/* ---- the pipeline's callbacks ---- */

static struct batch
batch_of(void *arg, int micro)
{
    return ((struct stage *)arg)->whole->batch[micro].batch;
}

static struct sequence_loss *
loss_of(void *arg, int micro)
{
    return ((struct stage *)arg)->loss[micro];
}

/* Zero, or, where the first product is to be written over it, nothing that could be added to. */
static void *
gradient_at(void *arg, int param, bool *fresh)
{
    struct stage *s = arg;
    bool input_side = param == s->params.count;
    const struct param *p = &s->params.param[input_side ? s->params.embedding : param];
    float *grads = s->grads + (input_side ? s->params.tied_offset : p->offset);

    if (s->begun[param]++ == 0)
        for (int64_t i = 0; i < p->size; i++)
            grads[i] = fresh ? NAN : 0;
    if (fresh)
        *fresh = s->begun[param] == 1;
    return grads;
}

static void
gradient_ready(void *arg, int param)
{
    struct stage *s = arg;

    s->ready[param]++;
}

static struct gradients
gradients_of(void *arg, int micro)
{
    return (struct gradients){arg, gradient_at, gradient_ready, micro == MICROS - 1};
}

/* ---- a stage ---- */

/* The part's weights are the whole model's of the same name. */
static void
copy_weights(struct stage *s, const struct kernels *k, enum precision precision)
{
    const struct small_model *m = &s->whole->model;

    s->wide = mem_zarray((size_t)s->params.elements, sizeof *s->wide);
    s->vectors = mem_zarray((size_t)s->params.vectors + 1, sizeof *s->vectors);
    s->act = mem_zarray((size_t)s->params.elements, k->ops[precision].act_size);
    for (int i = 0; i < s->params.count; i++) {
        const struct param *p = &s->params.param[i];
        const float *from = m->weights32 + m->params.param[p->whole.index].offset;
        memcpy(s->wide + p->offset, from, (size_t)p->size * sizeof *from);
        if (p->vector >= 0)
            memcpy(s->vectors + p->vector, from, (size_t)p->size * sizeof *from);
    }
    k->ops[precision].to_act(s->act, s->wide, s->params.elements);
}

static void
stage_init(struct stage *s, struct whole *w, const struct kernels *k, enum precision precision,
           enum recompute recompute, const struct pipeline_table *t)
{
    const struct config *c = &w->model.config;
    int slots[CHUNKS], weight_slots = pipeline_slots(t, world->rank, slots);

    *s = (struct stage){.whole = w};
    if (pipeline_stages_make(c, t->stages, t->chunks, SMALL_LENGTH, NULL, &s->cut) < 0)
        die_err();
    pipeline_stage_pieces(&s->cut, world->rank, s->pieces);
    struct model_part part = {.piece = s->pieces, .pieces = t->chunks};
    if (params_init_part(&s->params, c, &part) < 0)
        die_err();
    copy_weights(s, k, precision);
    s->grads = mem_zarray((size_t)s->params.grad_elements, sizeof *s->grads);
    s->begun = mem_zarray(2 * ((size_t)s->params.count + 1), sizeof *s->begun);
    s->ready = s->begun + s->params.count + 1;
    struct decoder_options o = {.kernels = k,
                                .precision = precision,
                                .micro_batch = SMALL_SEQUENCES,
                                .seq_length = SMALL_LENGTH,
                                .recompute = recompute,
                                .training = true,
                                .part = &part,
                                .slots = slots,
                                .weight_slots = weight_slots};
    s->decoder = decoder_new(c, &s->params, &o);
    if (!s->decoder)
        die_err();
    decoder_set_part_weights(s->decoder, s->act, s->vectors, NULL);
}

static void
stage_release(struct stage *s)
{
    decoder_free(s->decoder);
    params_release(&s->params);
    pipeline_stages_release(&s->cut);
    free(s->wide);
    free(s->vectors);
    free(s->act);
    free(s->grads);
    free(s->begun);
}

/* Tensors whose gradient is not that of the whole model. A tied table's two uses are apart there. */
static int
wrong_gradients(const struct stage *s)
{
    const struct params *whole = &s->whole->model.params;
    bool input = s->pieces[0].embedding, alone = s->params.tied_offset < 0;
    int wrong = 0;

    for (int i = 0; i < s->params.count + !alone; i++) {
        bool input_side = i == s->params.count;
        const struct param *p = &s->params.param[input_side ? s->params.embedding : i];
        const float *want = s->whole->grads + whole->param[p->whole.index].offset;
        const float *got = s->grads + (input_side ? s->params.tied_offset : p->offset);
        if (whole->tied_offset >= 0 && (input_side || (alone && input && i == s->params.embedding)))
            want = s->whole->grads + whole->tied_offset;
        bool same = memcmp(got, want, (size_t)p->size * sizeof *want) == 0;
        if (!same)
            diag("rank %d: %s differs", world->rank, p->name);
        wrong += !same;
    }
    return wrong;
}

static int
tensors_not_ready(const struct stage *s)
{
    int count = s->params.count + (s->params.tied_offset >= 0), wrong = 0;

    for (int i = 0; i < count; i++)
        wrong += s->ready[i] != MICROS;
    return wrong;
}

static void
test_valid(struct pipeline *p, const struct stage *s, int chunks, const char *name)
{
    struct batch some = s->whole->batch[1].batch;
    struct sequence_loss loss[SMALL_SEQUENCES];
    double each[SMALL_TOKENS];
    bool good = true;

    /* As many as buffers are used in turn, and more; then a smaller batch. */
    for (int i = 0; i < 5; i++) {
        memset(loss, 0, sizeof loss);
        some.sequences = i < 4 ? SMALL_SEQUENCES : 2;
        good = good && pipeline_loss(p, &some, loss, each) == 0;
        if (s->pieces[chunks - 1].head)
            good = good &&
                   memcmp(loss, s->whole->valid, (size_t)some.sequences * sizeof *loss) == 0 &&
                   memcmp(each, s->whole->token_loss,
                          (size_t)some.sequences * SMALL_LENGTH * sizeof *each) == 0;
    }
    ok_all(world, good, "%s: the loss alone", name);
}

static void
run(struct whole *w, const struct kernels *k, enum precision precision, enum recompute recompute,
    enum pipeline_schedule schedule, const char *name)
{
    struct pipeline_table t;
    struct stage s;
    double busy, waiting;

    if (pipeline_table_make(schedule, world->size, schedule == PIPELINE_INTERLEAVED ? CHUNKS : 1,
                            MICROS, &t) < 0 ||
        pipeline_table_check(&t) < 0)
        die_err();
    stage_init(&s, w, k, precision, recompute, &t);
    struct pipeline_options o = {
        .comm = world,
        .table = &t,
        .decoder = s.decoder,
        .micro_batch = SMALL_SEQUENCES,
        .arg = &s,
        .batch = batch_of,
        .gradients = gradients_of,
        .loss = loss_of,
    };
    struct pipeline *p = pipeline_new(&o);
    if (!p || pipeline_run(p, scale, z) < 0)
        die_err();
    int wrong = wrong_gradients(&s) + tensors_not_ready(&s);
    if (s.pieces[t.chunks - 1].head)
        wrong += memcmp(s.loss, w->loss, sizeof s.loss) != 0;
    ok_all(world, wrong == 0, "%s: losses and gradients", name);

    if (recompute == RECOMPUTE_NONE)
        test_valid(p, &s, t.chunks, name);
    memset(s.begun, 0, 2 * ((size_t)s.params.count + 1) * sizeof *s.begun);
    uint64_t allocations = mem_allocations();
    if (pipeline_run(p, scale, z) < 0)
        die_err();
    ok_all(world, wrong_gradients(&s) == 0 && mem_allocations() == allocations,
           "%s: the same once more, without an allocation", name);
    pipeline_seconds(p, &busy, &waiting);
    ok_all(world, busy > 0 && waiting >= 0 && (world->size == 1 ? waiting <= 0 : 1), "%s: seconds",
           name);
    pipeline_free(p);
    stage_release(&s);
    pipeline_table_release(&t);
}

int
main(int argc, char **argv)
{
    static const char *const recomputes[] = {"none", "selective", "full"};
    static const struct {
        const char *name, *json;
    } models[] = {{"llama", llama_gqa}, {"gpt2", gpt2_tied}};
    char name[96];

    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    const struct kernels *k = kernels_pick(NULL);
    for (int i = 0; i < 4; i++) {
        enum precision precision = i & 1 ? PRECISION_BF16 : PRECISION_FP32;
        static struct whole w;
        whole_init(&w, models[i / 2].json, k, precision);
        for (int s = 0; s < PIPELINE_SCHEDULES; s++)
            for (int r = 0; r < 3; r++) {
                snprintf(name, sizeof name, "%s %s, %d stages, %s, recompute %s",
                         models[i / 2].name, i & 1 ? "bf16" : "fp32", world->size,
                         pipeline_schedule_name((enum pipeline_schedule)s), recomputes[r]);
                run(&w, k, precision, (enum recompute)r, (enum pipeline_schedule)s, name);
            }
        whole_release(&w);
    }
    finish((enum status)mpi_end(world, done_all(world)));
}
