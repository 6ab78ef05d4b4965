/*
 * Inference on a model whose parts lie on all ranks: scores and logits of a tree of sequences are
 * those of the whole model on one rank, within rounding, and the same bits on all ranks.
 */
#include "base/die.h"
#include "kernels/blas.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "tests/mpi/ranks.h"
#include "tests/unit/small_model.h"

enum { ITEMS = 6, LENGTH = 40, VOCAB = 901, SCORES = 3 };

static struct comm *world;

static const struct {
    const char *name, *json;
} models[] = {
    {"llama, 2 key/value heads",
     "{\"model_type\":\"llama\",\"vocab_size\":901,\"hidden_size\":24,\"intermediate_size\":36,"
     "\"num_hidden_layers\":2,\"num_attention_heads\":12,\"num_key_value_heads\":2,\"head_dim\":4,"
     "\"max_position_embeddings\":128,\"tie_word_embeddings\":false}"},
    {"gpt2: layer norm, biases, learned positions, tied",
     "{\"model_type\":\"gpt2\",\"vocab_size\":901,\"n_embd\":24,\"n_layer\":2,\"n_head\":12,"
     "\"n_positions\":128}"},
    {"qwen3_moe: experts, norms of heads",
     "{\"model_type\":\"qwen3_moe\",\"vocab_size\":901,\"hidden_size\":24,\"intermediate_size\":36,"
     "\"num_hidden_layers\":2,\"num_attention_heads\":12,\"num_key_value_heads\":1,\"head_dim\":4,"
     "\"max_position_embeddings\":128,\"num_experts\":6,\"num_experts_per_tok\":3,"
     "\"moe_intermediate_size\":12,\"norm_topk_prob\":true}"},
};
enum { MODELS = sizeof models / sizeof *models };

/* One sequence of 12 tokens, and five that leave it at the eighth. */
struct answers {
    struct walk_score score[ITEMS][SCORES];
    float logits[ITEMS][VOCAB];
};

static int
walk(const struct small_model *m, const struct params *p, const struct model_part *part,
     struct comm *tensor, float *weights, struct answers *out)
{
    struct decoder_options o = {.kernels = kernels_pick(NULL),
                                .precision = PRECISION_FP32,
                                .micro_batch = 1,
                                .seq_length = 16, /* several runs */
                                .part = part,
                                .tensor = tensor};
    struct decoder *d = decoder_new(&m->config, p, &o);
    struct kv_cache *c;
    struct walk_item item[ITEMS];
    uint32_t ids[ITEMS][12];
    int result;

    if (!d)
        die_err();
    decoder_set_weights(d, weights, weights);
    c = kv_cache_new(d, LENGTH);
    for (int i = 0; i < ITEMS; i++) {
        for (int k = 0; k < 12; k++)
            ids[i][k] = (uint32_t)(rng_u64(5, (uint64_t)(100 * i + k)) % VOCAB);
        item[i] = (struct walk_item){.cache = c,
                                     .at = i ? 8 : 0,
                                     .ids = ids[i],
                                     .n = 12 - i,
                                     .score = out->score[i],
                                     .scores = SCORES,
                                     .logits = out->logits[i]};
        for (int k = 0; k < SCORES; k++) {
            struct walk_score *s = &out->score[i][k];

            s->token = k * (11 - i) / (SCORES - 1);
            if (!tensor) /* the ranks ask for the same, the last for the greatest */
                s->target = (uint32_t)(rng_u64(6, (uint64_t)(10 * i + k)) % VOCAB);
        }
    }
    result = decoder_walk(d, item, ITEMS);
    if (tensor && tensor->size > 1)
        ok_all(world, decoder_extend(d, c, ids[0], 1, 1, out->logits[0]) < 0, "extend: %s",
               err_text());
    kv_cache_free(c);
    decoder_free(d);
    return result;
}

/* The part's elements of the whole model's weights. */
static float *
cut_weights(const struct params *part, const struct small_model *m)
{
    float *to = mem_zarray((size_t)part->elements, sizeof *to);

    for (int64_t b = 0; b < params_blocks(part); b++) {
        struct extent e[BLOCK_EXTENTS];
        int n = params_block_extents(part, b, e);

        for (int i = 0; i < n; i++)
            for (int64_t k = 0; k < e[i].repeat; k++)
                memcpy(to + e[i].local + k * e[i].count,
                       m->weights32 + m->params.param[e[i].param].offset + e[i].offset +
                           k * e[i].stride,
                       (size_t)e[i].count * sizeof *to);
    }
    return to;
}

static uint32_t
largest(const float *x)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < VOCAB; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

static void
compare(const char *name, const struct answers *whole, const struct answers *parts)
{
    double score = 0, logit = 0;
    int greedy = 0, other = 0;
    bool same;
    uint64_t hash = 0, least, most;

    for (int i = 0; i < ITEMS; i++) {
        for (int k = 0; k < SCORES; k++) {
            double by = fabs(whole->score[i][k].log_p - parts->score[i][k].log_p);

            score = by <= score ? score : by;
            greedy += parts->score[i][k].is_greedy;
            other += parts->score[i][k].is_greedy != whole->score[i][k].is_greedy;
            memcpy(&least, &parts->score[i][k].log_p, sizeof least);
            hash = rng_u64(hash, least);
        }
        for (int k = 0; k < VOCAB; k++) {
            double by = fabs((double)(whole->logits[i][k] - parts->logits[i][k]));

            logit = by <= logit ? logit : by;
        }
    }
    least = most = hash >> 1;
    same = comm_all_reduce(world, &least, 1, COMM_U64, COMM_MIN) == 0 &&
           comm_all_reduce(world, &most, 1, COMM_U64, COMM_MAX) == 0 && least == most;
    ok_all(world, score < 1e-5, "%s: scores within %.2g", name, score);
    ok_all(world, logit < 1e-4, "%s: logits within %.2g", name, logit);
    ok_all(world, greedy >= ITEMS && other == 0, "%s: %d of %d are greedy", name, greedy,
           ITEMS * SCORES);
    ok_all(world, same, "%s: the same bits on all ranks", name);
}

static void
test_model(const char *name, const char *json)
{
    static struct answers whole, parts;
    struct small_model m;
    struct params p;
    struct model_part part = {.tensor_rank = world->rank, .tensor_size = world->size};

    small_model_init(&m, json);
    if (params_init_part(&p, &m.config, &part) < 0)
        die_err();
    float *weights = cut_weights(&p, &m);
    int result = walk(&m, &m.params, NULL, NULL, m.weights32, &whole);

    for (int i = 0; i < ITEMS; i++) /* the last score of each: of the greatest logit */
        whole.score[i][SCORES - 1].target = largest(whole.logits[i]);
    for (int i = 0; i < ITEMS; i++)
        for (int k = 0; k < SCORES; k++)
            parts.score[i][k].target = whole.score[i][k].target;
    for (int i = 0; i < ITEMS; i++) {
        double max = (double)whole.logits[i][largest(whole.logits[i])], sum = 0;
        struct walk_score *last = &whole.score[i][SCORES - 1];
        for (int k = 0; k < VOCAB; k++)
            sum += exp((double)whole.logits[i][k] - max);
        last->log_p = -log(sum);
        last->is_greedy = true;
    }
    ok_all(world, result == 0 && walk(&m, &p, &part, world, weights, &parts) == 0, "%s: a walk",
           name);
    compare(name, &whole, &parts);
    free(weights);
    params_release(&p);
    small_model_release(&m);
}

int
main(int argc, char **argv)
{
    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    blas_disable("bits");
    for (int i = 0; i < MODELS; i++)
        test_model(models[i].name, models[i].json);
    finish((enum status)mpi_end(world, done_all(world)));
}
