#ifndef TESTS_SMALL_MODEL_H
#define TESTS_SMALL_MODEL_H

#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/float16.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/decoder.h"
#include "tests/unit/tap.h"

/* Small models and batches for the tests of common/model. */

static const char small_llama[] =
    "{\"model_type\":\"llama\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":40,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,"
    "\"max_position_embeddings\":64,\"rope_theta\":100,\"tie_word_embeddings\":false}";
static const char small_llama_tied[] =
    "{\"model_type\":\"llama\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":40,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":1,\"head_dim\":6,"
    "\"max_position_embeddings\":64,\"tie_word_embeddings\":true,\"attention_bias\":true,\"mlp_"
    "bias\":true,"
    "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":4,\"low_freq_factor\":1,"
    "\"high_freq_factor\":4,\"original_max_position_embeddings\":32}}";
static const char small_mistral[] =
    "{\"model_type\":\"mistral\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":40,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
    "\"max_position_embeddings\":64,\"sliding_window\":5}";
/* Experts: in every layer; in one of two, with a shared one; with QK-norm. */
static const char small_mixtral[] =
    "{\"model_type\":\"mixtral\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":20,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
    "\"max_position_embeddings\":64,\"num_local_experts\":5,\"num_experts_per_tok\":2}";
static const char small_qwen2_moe[] =
    "{\"model_type\":\"qwen2_moe\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":40,"
    "\"num_hidden_layers\":3,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
    "\"max_position_embeddings\":64,\"num_experts\":6,\"num_experts_per_tok\":3,"
    "\"moe_intermediate_size\":12,\"shared_expert_intermediate_size\":28,\"mlp_only_layers\":[1],"
    "\"tie_word_embeddings\":true}";
static const char small_qwen3_moe[] =
    "{\"model_type\":\"qwen3_moe\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":40,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,"
    "\"max_position_embeddings\":64,\"num_experts\":8,\"num_experts_per_tok\":3,"
    "\"moe_intermediate_size\":12,\"norm_topk_prob\":true,\"decoder_sparse_step\":2}";
static const char small_gpt2[] = "{\"model_type\":\"gpt2\",\"vocab_size\":37,\"n_embd\":24,\"n_"
                                 "layer\":2,\"n_head\":3,\"n_positions\":64}";
/* Attention and MLP side by side, rotary over a part of the head, longer waves and a factor (YaRN). */
static const char small_neox[] =
    "{\"model_type\":\"gpt_neox\",\"vocab_size\":37,\"hidden_size\":32,\"intermediate_size\":40,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":2,\"max_position_embeddings\":64,"
    "\"rotary_pct\":0.5,\"rotary_emb_base\":100,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,"
    "\"original_max_position_embeddings\":16}}";
/* A sliding window in one of two layers. */
static const char small_windows[] =
    "{\"model_type\":\"qwen2\",\"vocab_size\":37,\"hidden_size\":24,\"intermediate_size\":40,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
    "\"max_position_embeddings\":64,\"use_sliding_window\":true,\"sliding_window\":5,"
    "\"layer_types\":[\"full_attention\",\"sliding_attention\"]}";

struct small_model {
    struct config config;
    struct params params;
    double *weights; /* [elements] */
    float *weights32;
    bf16 *weights16;
};

/* Weights that leave nothing at its neutral value: norms around 1, biases around 0, deviation 0.2.
 */
static inline void
small_model_init(struct small_model *m, const char *json)
{
    if (config_parse(&m->config, "config.json", json, strlen(json)) < 0 ||
        params_init(&m->params, &m->config) < 0) {
        diag("%s", err_text());
        abort();
    }
    size_t n = (size_t)m->params.elements;
    m->weights = mem_zarray(n, sizeof *m->weights);
    m->weights32 = mem_zarray(n, sizeof *m->weights32);
    m->weights16 = mem_zarray(n, sizeof *m->weights16);
    for (int i = 0; i < m->params.count; i++) {
        const struct param *p = &m->params.param[i];

        for (int64_t j = p->offset; j < p->offset + p->size; j++) {
            double center = p->kind == PARAM_NORM ? 1 : 0;

            m->weights32[j] = (float)(center + 0.2 * rng_normal(rng_key(7, p->name), (uint64_t)j));
            m->weights[j] = (double)m->weights32[j];
            m->weights16[j] = bf16_from_float(m->weights32[j]);
        }
    }
}

static inline void
small_model_release(struct small_model *m)
{
    free(m->weights);
    free(m->weights32);
    free(m->weights16);
    params_release(&m->params);
    config_release(&m->config);
}

enum { SMALL_SEQUENCES = 3, SMALL_LENGTH = 17, SMALL_TOKENS = SMALL_SEQUENCES * SMALL_LENGTH };

struct small_batch {
    struct batch batch;
    uint32_t inputs[SMALL_TOKENS];
    int32_t targets[SMALL_TOKENS], first[SMALL_TOKENS];
};

/* Random ids; some targets not scored; documents beginning at places of their own in each sequence.
 */
static inline void
small_batch_init(struct small_batch *b, const struct config *c)
{
    uint64_t key = rng_key(3, "batch");

    for (int s = 0; s < SMALL_SEQUENCES; s++) {
        uint8_t begins[SMALL_LENGTH] = {0};

        for (int i = 0; i < SMALL_LENGTH; i++) {
            int at = s * SMALL_LENGTH + i;

            b->inputs[at] = (uint32_t)(rng_u64(key, (uint64_t)at) % (uint64_t)c->vocab_size);
            b->targets[at] = (int32_t)(rng_u64(key, 1000 + (uint64_t)at) % (uint64_t)c->vocab_size);
            begins[i] = (i + s) % 7 == 3;
            if (begins[i])
                b->targets[at] = -1;
        }
        batch_pieces(begins, SMALL_LENGTH, s != 2, b->first + s * SMALL_LENGTH);
    }
    b->batch = (struct batch){.sequences = SMALL_SEQUENCES,
                              .length = SMALL_LENGTH,
                              .inputs = b->inputs,
                              .targets = b->targets,
                              .first = b->first};
}

/* The tables whose results the tests compare; a CPU has some of them. */
static const char *const table_names[] = {"ref", "avx2", "avx512", "amx", "sve"};
enum { TABLE_NAMES = sizeof table_names / sizeof *table_names };

/* The table called name, or NULL when this CPU has none. */
static inline const struct kernels *
table_named(const char *name)
{
    const struct kernels *k;

    setenv("LLM_ISA", name, 1);
    k = kernels_pick(NULL);
    unsetenv("LLM_ISA");
    return k;
}

/* Coefficients of the routers' losses, large enough to show. */
#define SMALL_ROUTER_AUX 0.7
#define SMALL_ROUTER_Z 0.3

static inline struct decoder *
small_decoder(const struct small_model *m, const struct kernels *k, enum precision precision,
              struct threads *pool, enum recompute recompute, bool training)
{
    struct decoder_options o = {.kernels = k,
                                .precision = precision,
                                .pool = pool,
                                .micro_batch = SMALL_SEQUENCES,
                                .seq_length = SMALL_LENGTH,
                                .recompute = recompute,
                                .training = training,
                                .router_aux_loss = SMALL_ROUTER_AUX,
                                .router_z_loss = SMALL_ROUTER_Z};
    struct decoder *d = decoder_new(&m->config, &m->params, &o);

    if (!d) {
        diag("%s", err_text());
        abort();
    }
    switch (precision) {
    case PRECISION_FP64:
        decoder_set_weights(d, m->weights, m->weights);
        break;
    case PRECISION_BF16:
        decoder_set_weights(d, m->weights16, m->weights32);
        break;
    default:
        decoder_set_weights(d, m->weights32, m->weights32);
    }
    return d;
}

#endif
