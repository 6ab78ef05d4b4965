/* What a GGUF file says of a model, in llama.cpp's words; and what it cannot say. */
#include "cmd/llm-convert/gguf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "cmd/llm-convert/convert.h"

struct target {
    struct gguf_build *b;
    const struct config *c;
    const char *path, *architecture;
    char key[96];
};

static const char *
key_of(struct target *t, const char *name)
{
    snprintf(t->key, sizeof t->key, "%s.%s", t->architecture, name);
    return t->key;
}

static void
put_size(struct target *t, const char *name, int64_t value)
{
    gguf_put_u32(t->b, key_of(t, name), (uint32_t)value);
}

static void
put_real(struct target *t, const char *name, double value)
{
    gguf_put_f32(t->b, key_of(t, name), value);
}

static void
put_text(struct gguf_build *b, const char *key, const char *text)
{
    gguf_put_string(b, key, text, strlen(text));
}

static int
refuse(const struct target *t, const char *what)
{
    return err_set(STATUS_INPUT, "%s: GGUF cannot say %s", t->path, what);
}

/* llama.cpp's graphs have these choices built in. */
static int
check(const struct target *t)
{
    const struct config *c = t->c;
    bool qwen2 = strcmp(c->model_type, "qwen2_moe") == 0;
    if (!t->architecture)
        return refuse(t, "what kind of a model this is");
    if (c->family == FAMILY_GPT2 && c->gelu != GELU_TANH)
        return refuse(t, "that GPT-2's activation is the exact gelu (it is gelu_new)");
    if (c->family == FAMILY_NEOX && c->gelu != GELU_ERF)
        return refuse(t, "another activation of GPT-NeoX than the exact gelu");
    if (c->family == FAMILY_NEOX && !c->attention_bias)
        return refuse(t, "that GPT-NeoX's attention has no biases");
    if (c->family == FAMILY_QWEN && c->sliding_window > 0)
        return refuse(t, "that a Qwen model has a sliding window");
    for (int64_t i = 0; c->num_experts > 0 && i < c->num_hidden_layers; i++)
        if (!config_sparse(c, i))
            return refuse(t, "which layers have no experts (decoder_sparse_step, mlp_only_layers)");
    if (c->num_experts > 0 && c->norm_topk_prob == qwen2)
        return refuse(t, qwen2 ? "that norm_topk_prob is true" : "that norm_topk_prob is false");
    if (c->sliding_window > 0 && c->family == FAMILY_QWEN)
        return refuse(t, "a sliding window of this architecture");
    if (c->position == POSITION_LEARNED)
        return 0;
    switch (c->rope_scaling) {
    case ROPE_DEFAULT:
    case ROPE_LINEAR:
    case ROPE_LLAMA3: return 0;
    case ROPE_YARN: return c->rope_truncate ? 0 : refuse(t, "yarn without truncate");
    case ROPE_DYNAMIC: return refuse(t, "dynamic rotary scaling");
    case ROPE_LONGROPE: return refuse(t, "longrope, for this architecture");
    case ROPE_PROPORTIONAL: return refuse(t, "proportional rotary scaling");
    }
    return 0;
}

static void
put_yarn(struct target *t)
{
    const struct config *c = t->c;
    double rule = c->rope_factor > 1 ? 0.1 * log(c->rope_factor) + 1 : 1;
    double factor = c->rope_attention_factor > 0 ? c->rope_attention_factor / rule : 1;
    put_text(t->b, key_of(t, "rope.scaling.type"), "yarn");
    put_real(t, "rope.scaling.factor", c->rope_factor);
    put_size(t, "rope.scaling.original_context_length", c->rope_original_max_position);
    if (fabs(factor - 1) > 1e-6)
        put_real(t, "rope.scaling.attn_factor", factor);
    put_real(t, "rope.scaling.yarn_beta_fast", c->rope_beta_fast);
    put_real(t, "rope.scaling.yarn_beta_slow", c->rope_beta_slow);
}

static void
put_rope(struct target *t)
{
    const struct config *c = t->c;
    if (c->position != POSITION_ROTARY)
        return;
    put_size(t, "rope.dimension_count", c->rotary_dim);
    put_real(t, "rope.freq_base", c->rope_theta);
    if (c->rope_scaling == ROPE_LINEAR) {
        put_text(t->b, key_of(t, "rope.scaling.type"), "linear");
        put_real(t, "rope.scaling.factor", c->rope_factor);
    } else if (c->rope_scaling == ROPE_LLAMA3) {
        put_size(t, "rope.scaling.original_context_length", c->rope_original_max_position);
    } else if (c->rope_scaling == ROPE_YARN) {
        put_yarn(t);
    }
}

static void
put_experts(struct target *t)
{
    const struct config *c = t->c;
    put_size(t, "expert_count", c->num_experts);
    put_size(t, "expert_used_count", c->num_experts_per_tok);
    if (c->family != FAMILY_QWEN)
        return;
    put_size(t, "expert_feed_forward_length", c->moe_intermediate_size);
    if (c->shared_intermediate_size > 0)
        put_size(t, "expert_shared_feed_forward_length", c->shared_intermediate_size);
}

static void
put_architecture(struct target *t)
{
    const struct config *c = t->c;
    bool rms = c->norm == NORM_RMS;
    put_size(t, "block_count", c->num_hidden_layers);
    put_size(t, "context_length", c->max_position_embeddings);
    put_size(t, "embedding_length", c->hidden_size);
    put_size(t, "feed_forward_length", c->intermediate_size);
    put_size(t, "attention.head_count", c->num_attention_heads);
    put_size(t, "attention.head_count_kv", c->num_key_value_heads);
    if (rms) {
        put_size(t, "attention.key_length", c->head_dim);
        put_size(t, "attention.value_length", c->head_dim);
    }
    if (c->sliding_window > 0)
        put_size(t, "attention.sliding_window", c->sliding_window);
    put_real(t, rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
             c->norm_eps);
    put_size(t, "vocab_size", c->vocab_size);
    if (c->family == FAMILY_NEOX)
        gguf_put_bool(t->b, key_of(t, "use_parallel_residual"), c->parallel_residual);
    put_rope(t);
    if (c->num_experts > 0)
        put_experts(t);
}

int
gguf_put_model(struct gguf_build *b, const struct model_source *m, const char *name, int type)
{
    /* llama.cpp's enum llama_ftype */
    static const uint32_t file_types[] = {
        [TYPE_FP32] = 0, [TYPE_FP16] = 1, [TYPE_Q8_0] = 7, [TYPE_BF16] = 32};
    struct target t = {b, &m->config, m->path, gguf_architecture(&m->config), ""};
    if (check(&t) < 0)
        return -1;
    if (t.c->sliding_window > 0 && t.c->sliding_window < t.c->max_position_embeddings)
        warn("%s: llama.cpp does not know the sliding window: beyond %lld tokens it computes "
             "something else",
             m->path, (long long)t.c->sliding_window);
    put_text(b, "general.architecture", t.architecture);
    put_text(b, "general.type", "model");
    put_text(b, "general.name", name);
    gguf_put_u32(b, "general.file_type", file_types[type]);
    gguf_put_u32(b, "general.quantization_version", 2);
    put_architecture(&t);
    return 0;
}
