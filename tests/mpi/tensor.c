/*
 * Tensor and sequence parallelism: losses and gradients of a model whose parts lie on all ranks
 * are those of the whole model on one rank, within rounding; the same bits in a second run and
 * on all ranks that hold the same weights. With an argument N, every sequence is besides shared by
 * N ranks (context parallelism), whose losses and gradients are added up here.
 */
#include "base/die.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "tests/mpi/ranks.h"
#include "tests/unit/small_model.h"

/* More tokens than the head takes at once and than a reduction block has; 2, 3 and 4 divide it. */
enum { SEQUENCES = 4, LENGTH = 72, TOKENS = SEQUENCES * LENGTH, BATCHES = 2 };

static const double scale = 0.37, z_loss = 0.05;

static struct comm *world, *tensors, *contexts; /* contexts NULL: no context ranks */

static const struct {
    const char *name, *json;
} models[] = {
    {"llama, 2 key/value heads",
     "{\"model_type\":\"llama\",\"vocab_size\":41,\"hidden_size\":24,\"intermediate_size\":36,"
     "\"num_hidden_layers\":2,\"num_attention_heads\":12,\"num_key_value_heads\":2,\"head_dim\":4,"
     "\"max_position_embeddings\":128,\"rope_theta\":100,\"tie_word_embeddings\":false}"},
    {"llama, tied, all biases, one key/value head",
     "{\"model_type\":\"llama\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":36,"
     "\"num_hidden_layers\":2,\"num_attention_heads\":12,\"num_key_value_heads\":1,\"head_dim\":4,"
     "\"max_position_embeddings\":128,\"tie_word_embeddings\":true,\"attention_bias\":true,"
     "\"mlp_bias\":true}"},
    {"mistral, sliding window",
     "{\"model_type\":\"mistral\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":36,"
     "\"num_hidden_layers\":2,\"num_attention_heads\":12,\"num_key_value_heads\":6,\"head_dim\":4,"
     "\"max_position_embeddings\":128,\"sliding_window\":5}"},
    {"gpt2: layer norm, biases, learned positions, tied",
     "{\"model_type\":\"gpt2\",\"vocab_size\":37,\"n_embd\":24,\"n_layer\":2,\"n_head\":12,"
     "\"n_positions\":128}"},
    {"qwen2_moe: experts, a shared one, a dense layer",
     "{\"model_type\":\"qwen2_moe\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":36,"
     "\"num_hidden_layers\":2,\"num_attention_heads\":12,\"num_key_value_heads\":2,\"head_dim\":4,"
     "\"max_position_embeddings\":128,\"num_experts\":5,\"num_experts_per_tok\":2,"
     "\"moe_intermediate_size\":12,\"shared_expert_intermediate_size\":24,\"mlp_only_layers\":[0]}"},
    {"qwen3_moe: experts, norms of heads",
     "{\"model_type\":\"qwen3_moe\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":36,"
     "\"num_hidden_layers\":2,\"num_attention_heads\":12,\"num_key_value_heads\":1,\"head_dim\":4,"
     "\"max_position_embeddings\":128,\"num_experts\":6,\"num_experts_per_tok\":3,"
     "\"moe_intermediate_size\":12,\"norm_topk_prob\":true}"},
};
enum { MODELS = sizeof models / sizeof *models };

/* ---- batches ---- */

struct tokens_of_batch {
    struct batch batch;
    uint32_t inputs[TOKENS];
    int32_t targets[TOKENS], first[TOKENS];
};

/* Documents begin at places of their own; some targets are not scored, in the second batch all
 * those of the head's second chunk. */
static void
make_batch(struct tokens_of_batch *b, const struct config *c, int number)
{
    uint64_t key = rng_key((uint64_t)number, "batch"), vocab = (uint64_t)c->vocab_size;

    for (int s = 0; s < SEQUENCES; s++) {
        uint8_t begins[LENGTH] = {0};

        for (int i = 0; i < LENGTH; i++) {
            int at = s * LENGTH + i;

            b->inputs[at] = (uint32_t)(rng_u64(key, (uint64_t)at) % vocab);
            b->targets[at] = (int32_t)(rng_u64(key, 1000 + (uint64_t)at) % vocab);
            begins[i] = (i + s) % 19 == 7;
            if (begins[i] || (number == 1 && at >= 256))
                b->targets[at] = -1;
        }
        batch_pieces(begins, LENGTH, s != 2, b->first + s * LENGTH);
    }
    b->batch = (struct batch){.sequences = SEQUENCES,
                              .length = LENGTH,
                              .inputs = b->inputs,
                              .targets = b->targets,
                              .first = b->first};
}

/* ---- what a run gives ---- */

struct result {
    const struct params *params;
    size_t wide;
    void *grads; /* wide [grad_elements] */
    bool *begun; /* [count + 1] */
    int *ready;  /* [count + 1] */
    struct sequence_loss loss[BATCHES][SEQUENCES];
    double token_loss[TOKENS];
};

static void
result_init(struct result *r, const struct params *p, enum precision precision)
{
    r->params = p;
    r->wide = precision == PRECISION_FP64 ? sizeof(double) : sizeof(float);
    r->grads = mem_array((size_t)p->grad_elements, r->wide);
    memset(r->grads, 255, (size_t)p->grad_elements * r->wide); /* NaN */
    r->begun = mem_zarray((size_t)p->count + 1, sizeof *r->begun);
    r->ready = mem_zarray((size_t)p->count + 1, sizeof *r->ready);
}

static void
result_release(struct result *r)
{
    free(r->grads);
    free(r->begun);
    free(r->ready);
}

static void *
grad_at(const struct result *r, int64_t i)
{
    return (char *)r->grads + (size_t)i * r->wide;
}

static double
grad(const struct result *r, int64_t i)
{
    return r->wide == sizeof(double) ? ((double *)r->grads)[i] : (double)((float *)r->grads)[i];
}

static int64_t
size_of_gradient(const struct params *p, int param)
{
    return param == p->count ? p->grad_elements - p->tied_offset : p->param[param].size;
}

static void *
result_at(void *arg, int param, bool *fresh)
{
    struct result *r = arg;
    const struct params *p = r->params;
    void *at = grad_at(r, param == p->count ? p->tied_offset : p->param[param].offset);

    if (fresh)
        *fresh = !r->begun[param];
    else if (!r->begun[param])
        memset(at, 0, (size_t)size_of_gradient(p, param) * r->wide);
    r->begun[param] = true;
    return at;
}

static void
result_ready(void *arg, int param)
{
    ((struct result *)arg)->ready[param]++;
}

/* ---- the part of a rank ---- */

struct mode {
    const char *name;
    enum recompute recompute;
    bool sequence, split, later; /* later: weights' gradients in a pass of their own */
};

static const struct mode whole_mode = {"whole", RECOMPUTE_NONE, false, false, false};

struct part {
    struct params params;
    struct model_part which;
    void *act, *wide;
};

static const struct model_piece pieces[] = {{0, 1, true, false}, {1, 2, false, true}};

/* The part's elements of an array of the whole model. */
static void *
cut_weights(const struct params *part, const struct params *whole, const void *from, size_t element)
{
    char *to = mem_zarray((size_t)part->elements, element);

    for (int64_t b = 0; b < params_blocks(part); b++) {
        struct extent e[BLOCK_EXTENTS];
        int n = params_block_extents(part, b, e);

        for (int i = 0; i < n; i++)
            for (int64_t k = 0; k < e[i].repeat; k++)
                memcpy(to + (size_t)(e[i].local + k * e[i].count) * element,
                       (const char *)from + (size_t)(whole->param[e[i].param].offset + e[i].offset +
                                                     k * e[i].stride) *
                                                element,
                       (size_t)e[i].count * element);
    }
    return to;
}

static int
part_init(struct part *p, const struct small_model *m, const struct mode *mode,
          enum precision precision)
{
    p->which = (struct model_part){.piece = mode->split ? pieces : NULL,
                                   .pieces = mode->split ? 2 : 0,
                                   .tensor_rank = tensors->rank,
                                   .tensor_size = tensors->size};
    if (params_init_part(&p->params, &m->config, &p->which) < 0)
        return -1;
    if (precision == PRECISION_FP64)
        p->wide = cut_weights(&p->params, &m->params, m->weights, sizeof(double));
    else
        p->wide = cut_weights(&p->params, &m->params, m->weights32, sizeof(float));
    p->act = precision == PRECISION_BF16
                 ? cut_weights(&p->params, &m->params, m->weights16, sizeof(bf16))
                 : p->wide;
    return 0;
}

static void
part_release(struct part *p)
{
    if (p->act != p->wide)
        free(p->act);
    free(p->wide);
    params_release(&p->params);
}

static const struct kernels *
table_of(enum precision precision)
{
    return precision == PRECISION_FP64 ? table_named("ref") : kernels_pick(NULL);
}

static struct decoder *
part_decoder(const struct part *p, const struct config *c, const struct mode *mode,
             enum precision precision)
{
    static const int slots[] = {1, 1};
    struct decoder_options o = {.kernels = table_of(precision),
                                .precision = precision,
                                .micro_batch = SEQUENCES,
                                .seq_length = LENGTH,
                                .recompute = mode->recompute,
                                .training = true,
                                .part = &p->which,
                                .slots = mode->split ? slots : NULL,
                                .weight_slots = mode->later,
                                .tensor = tensors,
                                .context = contexts,
                                .sequence_parallel = mode->sequence};
    struct decoder *d = decoder_new(c, &p->params, &o);

    if (!d)
        die_err();
    decoder_set_weights(d, p->act, p->wide);
    return d;
}

static int
train_split(struct decoder *d, const struct batch *b, const struct gradients *g,
            struct sequence_loss *out)
{
    size_t element;
    int64_t n = decoder_border(d, b->sequences, &element);
    void *x = mem_array((size_t)n, element), *dx = mem_array((size_t)n, element);
    int result = decoder_forward_piece(d, 0, 0, b, NULL, x);

    if (result == 0)
        result = decoder_forward_piece(d, 1, 0, b, x, NULL);
    if (result == 0)
        result = decoder_backward_piece(d, 1, 0, b, g, scale, z_loss, NULL, dx, out);
    if (result == 0)
        result = decoder_backward_piece(d, 0, 0, b, g, scale, z_loss, dx, NULL, NULL);
    free(x);
    free(dx);
    return result;
}

static int
train(struct decoder *d, const struct mode *mode, const struct batch *b, const struct gradients *g,
      struct sequence_loss *out)
{
    if (mode->split)
        return train_split(d, b, g, out);
    if (decoder_forward_piece(d, 0, 0, b, NULL, NULL) < 0)
        return -1;
    if (!mode->later)
        return decoder_backward_piece(d, 0, 0, b, g, scale, z_loss, NULL, NULL, out);
    if (decoder_backward_input(d, 0, 0, 0, b, g, scale, z_loss, NULL, NULL, out) < 0)
        return -1;
    return decoder_backward_weight(d, 0, 0, 0, b, g);
}

/* What the trainer and the reducer do: sums over ranks that share sequences. */
static void
sum_contexts(struct result *r)
{
    enum comm_type type = r->wide == sizeof(double) ? COMM_F64 : COMM_F32;
    int status = 0;

    for (int i = 0; i < BATCHES * SEQUENCES; i++) {
        struct sequence_loss *l = &r->loss[i / SEQUENCES][i % SEQUENCES];
        double x[3] = {l->loss, l->z_loss, (double)l->scored};

        status |= comm_sum(contexts, x, 3, COMM_F64);
        *l = (struct sequence_loss){.loss = x[0], .z_loss = x[1], .scored = (int64_t)x[2]};
    }
    for (int i = 0; i < r->params->count + (r->params->tied_offset >= 0); i++) {
        const struct params *p = r->params;
        int64_t at = i == p->count ? p->tied_offset : p->param[i].offset;

        status |= comm_sum(contexts, grad_at(r, at), (size_t)size_of_gradient(p, i), type);
    }
    if (status != 0)
        die_err();
}

/* Both batches' gradients added, their losses; then the second one's losses by token. */
static void
run(struct decoder *d, const struct mode *mode, struct tokens_of_batch *b, struct result *r)
{
    for (int i = 0; i < BATCHES; i++) {
        struct gradients g = {r, result_at, result_ready, i + 1 == BATCHES};

        if (train(d, mode, &b[i].batch, &g, r->loss[i]) < 0)
            die_err();
    }
    if (contexts && mode != &whole_mode)
        sum_contexts(r);
    if (mode->split)
        return;
    struct sequence_loss again[SEQUENCES];
    if (decoder_loss(d, &b[1].batch, again, r->token_loss) < 0)
        die_err();
}

/* ---- comparing ---- */

/* The largest of |got - want| of a tensor, by the root of its sum of squares. */
static double
tensor_error(const struct result *part, const struct result *whole, int param, bool input_side)
{
    const struct params *p = part->params, *w = whole->params;
    const struct param *t = &p->param[param], *all = &w->param[t->whole.index];
    int64_t shift = input_side ? p->tied_offset - t->offset : 0;
    int64_t from = input_side ? w->tied_offset : all->offset;
    double worst = 0, squares = 0;

    for (int64_t i = 0; i < all->size; i++)
        squares += grad(whole, from + i) * grad(whole, from + i);
    for (int64_t b = 0; b < params_blocks(p); b++) {
        struct param_block block;
        struct extent e[BLOCK_EXTENTS];

        params_block(p, b, &block);
        int n = block.param == param ? params_block_extents(p, b, e) : 0;
        for (int i = 0; i < n; i++)
            for (int64_t j = 0; j < e[i].repeat * e[i].count; j++) {
                int64_t at = e[i].offset + j / e[i].count * e[i].stride + j % e[i].count;
                double error = fabs(grad(part, e[i].local + shift + j) - grad(whole, from + at));
                worst = error <= worst ? worst : error;
            }
    }
    return worst / sqrt(squares);
}

static double
worst_gradient(const struct result *part, const struct result *whole, const char **where)
{
    const struct params *p = part->params;
    double worst = 0;

    for (int i = 0; i <= p->count; i++) {
        bool input_side = i == p->count;

        if (input_side && p->tied_offset < 0)
            break;
        double error = tensor_error(part, whole, input_side ? p->embedding : i, input_side);
        if (!(error <= worst)) {
            worst = error;
            *where = input_side ? "embedding (input side)" : p->param[i].name;
        }
    }
    return worst;
}

static double
worst_loss(const struct result *part, const struct result *whole, bool tokens)
{
    double worst = 0;

    for (int i = 0; i < BATCHES * SEQUENCES; i++) {
        int batch = i / SEQUENCES, s = i % SEQUENCES;
        const struct sequence_loss *got = &part->loss[batch][s], *want = &whole->loss[batch][s];

        if (got->scored != want->scored)
            return INFINITY;
        worst = fmax(worst, fabs(got->loss / want->loss - 1));
        worst = fmax(worst, fabs(got->z_loss / want->z_loss - 1));
    }
    for (int i = 0; i < TOKENS && tokens; i++)
        worst = fmax(worst,
                     fabs(part->token_loss[i] - whole->token_loss[i]) / (1 + whole->token_loss[i]));
    return worst;
}

/* Every tensor was ready once in each batch. */
static bool
all_ready(const struct result *r)
{
    for (int i = 0; i < r->params->count + (r->params->tied_offset >= 0); i++)
        if (r->ready[i] != BATCHES)
            return false;
    return true;
}

/* Do all ranks that hold an element hold the same bits? Those of any two differ from their OR. */
static bool
replicas_agree(const struct result *part, const struct params *whole)
{
    uint64_t *bits = mem_zarray((size_t)whole->elements, sizeof *bits);
    bool same = true;

    for (int pass = 0; pass < 2; pass++) {
        for (int64_t b = 0; b < params_blocks(part->params); b++) {
            struct extent e[BLOCK_EXTENTS];
            int n = params_block_extents(part->params, b, e);

            for (int i = 0; i < n; i++)
                for (int64_t j = 0; j < e[i].repeat * e[i].count; j++) {
                    uint64_t own = 0, *all = &bits[whole->param[e[i].param].offset + e[i].offset +
                                                   j / e[i].count * e[i].stride + j % e[i].count];
                    memcpy(&own, grad_at(part, e[i].local + j), part->wide);
                    same &= pass == 0 || own == *all;
                    *all = own;
                }
        }
        if (pass == 0 &&
            comm_all_reduce(world, bits, (size_t)whole->elements, COMM_U64, COMM_OR) < 0)
            die_err();
    }
    free(bits);
    return same;
}

static bool
same_bits(const struct result *a, const struct result *b)
{
    for (int i = 0; i < a->params->count; i++) {
        const struct param *t = &a->params->param[i];
        if (memcmp(grad_at(a, t->offset), grad_at(b, t->offset), (size_t)t->size * a->wide) != 0)
            return false;
    }
    return memcmp(a->loss, b->loss, sizeof a->loss) == 0;
}

/* ---- tests ---- */

static void
test_mode(const char *name, const struct small_model *m, struct tokens_of_batch *b,
          const struct result *whole, enum precision precision, const struct mode *mode)
{
    static const double bound[PRECISIONS] = {
        [PRECISION_FP32] = 1e-5, [PRECISION_BF16] = 3e-2, [PRECISION_FP64] = 1e-13};
    const char *where = "none", *kind = precision_name(precision);
    struct result once = {0}, twice = {0};
    struct part p;

    if (part_init(&p, m, mode, precision) < 0)
        die_err();
    struct decoder *d = part_decoder(&p, &m->config, mode, precision);
    result_init(&once, &p.params, precision);
    result_init(&twice, &p.params, precision);
    run(d, mode, b, &once);
    double error = worst_gradient(&once, whole, &where);
    double loss = worst_loss(&once, whole, !mode->split);
    ok_all(world, error <= bound[precision] && loss <= bound[precision],
           "%s, %s, %s: gradients %.1e at %s, losses %.1e", name, kind, mode->name, error, where,
           loss);
    ok_all(world, all_ready(&once) && replicas_agree(&once, &m->params),
           "%s, %s, %s: the same bits on all who have a tensor", name, kind, mode->name);
    if (precision == PRECISION_FP32) {
        run(d, mode, b, &twice);
        ok_all(world, same_bits(&once, &twice), "%s, %s, %s: the same bits again", name, kind,
               mode->name);
    }
    result_release(&once);
    result_release(&twice);
    decoder_free(d);
    part_release(&p);
}

static const struct mode modes[] = {
    {"nothing made again", RECOMPUTE_NONE, false, false, false},
    {"selective", RECOMPUTE_SELECTIVE, false, false, false},
    {"full, weights later", RECOMPUTE_FULL, false, false, true},
    {"sequence parallel", RECOMPUTE_NONE, true, false, false},
    {"sequence parallel, selective, two pieces", RECOMPUTE_SELECTIVE, true, true, false},
    {"sequence parallel, full", RECOMPUTE_FULL, true, false, false},
    {"sequence parallel, weights later", RECOMPUTE_NONE, true, false, true},
};
enum { MODES = sizeof modes / sizeof *modes };

/* The whole model on this rank alone. */
static void
run_whole(const struct small_model *m, struct tokens_of_batch *b, enum precision precision,
          struct result *r)
{
    struct decoder_options o = {.kernels = table_of(precision),
                                .precision = precision,
                                .micro_batch = SEQUENCES,
                                .seq_length = LENGTH,
                                .training = true};
    struct decoder *d = decoder_new(&m->config, &m->params, &o);

    if (!d)
        die_err();
    if (precision == PRECISION_FP64)
        decoder_set_weights(d, m->weights, m->weights);
    else if (precision == PRECISION_BF16)
        decoder_set_weights(d, m->weights16, m->weights32);
    else
        decoder_set_weights(d, m->weights32, m->weights32);
    result_init(r, &m->params, precision);
    run(d, &whole_mode, b, r);
    decoder_free(d);
}

/* Can the model be cut for this number of ranks? If not, it is said why. */
static bool
divides(const char *name, const struct small_model *m)
{
    int64_t groups = m->config.num_key_value_heads, size = tensors->size;
    struct model_part which = {.tensor_rank = tensors->rank, .tensor_size = tensors->size};
    struct params p;

    if (groups % size == 0 || size % groups == 0)
        return true;
    ok_all(world,
           params_init_part(&p, &m->config, &which) < 0 && err_status() == STATUS_INPUT &&
               strstr(err_text(), "num_key_value_heads"),
           "%s: refused: %s", name, err_text());
    return false;
}

static void
test_model(const char *name, const char *json)
{
    struct small_model m;
    struct tokens_of_batch b[BATCHES];
    struct result whole[PRECISIONS];

    small_model_init(&m, json);
    int64_t chosen = m.config.num_experts_per_tok;
    for (int i = 0; i < BATCHES; i++)
        make_batch(&b[i], &m.config, i);
    for (int p = 0; p < PRECISIONS && divides(name, &m); p++) {
        /* In BF16 a token near the border between two experts takes the other one. */
        if (p == PRECISION_BF16)
            m.config.num_experts_per_tok = m.config.num_experts;
        run_whole(&m, b, (enum precision)p, &whole[p]);
        /* The bounds of FP64 find any mistake; of the others three modes are enough. */
        for (int i = 0; i < MODES; i += p == PRECISION_FP64 ? 1 : 3)
            test_mode(name, &m, b, &whole[p], (enum precision)p, &modes[i]);
        result_release(&whole[p]);
        m.config.num_experts_per_tok = chosen;
    }
    small_model_release(&m);
}

/* A number of tokens that ranks cannot share evenly. */
static void
test_refusals(void)
{
    struct small_model m;
    struct part p;
    struct fp8_options fp8 = {.recipe = FP8_TENSORWISE};
    struct decoder_options o = {.kernels = table_of(PRECISION_BF16),
                                .precision = PRECISION_BF16,
                                .micro_batch = 1,
                                .seq_length = 61,
                                .training = true,
                                .part = &p.which,
                                .tensor = world,
                                .sequence_parallel = true};

    small_model_init(&m, models[3].json);
    if (part_init(&p, &m, &whole_mode, PRECISION_FP32) < 0)
        die_err();
    ok_all(world,
           !decoder_new(&m.config, &p.params, &o) && err_status() == STATUS_INPUT &&
               strstr(err_text(), "61 tokens"),
           "sequence parallel with 61 tokens: %s", err_text());
    o.seq_length = 60;
    o.fp8 = &fp8;
    ok_all(world, !decoder_new(&m.config, &p.params, &o) && strstr(err_text(), "fp8"),
           "tensorwise fp8-hybrid: %s", err_text());
    o.fp8 = NULL;
    struct decoder *d = decoder_new(&m.config, &p.params, &o);
    decoder_set_weights(d, p.act, p.wide);
    struct kv_cache *cache = kv_cache_new(d, 8);
    const uint32_t id = 1;
    float logits[64];
    ok_all(world, decoder_extend(d, cache, &id, 1, 1, logits) < 0, "inference: %s", err_text());
    kv_cache_free(cache);
    decoder_free(d);
    part_release(&p);
    small_model_release(&m);
}

/* Tensor ranks are neighbours. */
static void
make_groups(int context_size)
{
    int size = world->size / context_size;

    if (world->ops->split(world, world->rank / size, world->rank, &tensors) < 0)
        die_err();
    if (context_size > 1 &&
        world->ops->split(world, world->rank % size, world->rank, &contexts) < 0)
        die_err();
}

int
main(int argc, char **argv)
{
    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    make_groups(argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1);
    for (int i = 0; i < MODELS; i++)
        test_model(models[i].name, models[i].json);
    if (world->size > 1 && !contexts)
        test_refusals();
    comm_release(tensors);
    if (contexts)
        comm_release(contexts);
    finish((enum status)mpi_end(world, done_all(world)));
}
