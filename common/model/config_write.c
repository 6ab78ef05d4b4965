#include <string.h>

#include "json/write.h"
#include "model/config_read.h"

/* A config.json with the values of a struct config, for transformers 5. */

static void
write_token_ids(struct json_writer *w, const struct config *c)
{
    /* A missing key takes the family's default in transformers: null says that there is none. */
    const struct {
        const char *key;
        int64_t id;
    } ids[] = {{"bos_token_id", c->bos_token_id}, {"eos_token_id", c->eos_token_id}};

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        if (ids[i].id >= 0)
            json_put_int(w, ids[i].key, ids[i].id);
        else
            json_put_null(w, ids[i].key);
    }
    if (c->pad_token_id >= 0)
        json_put_int(w, "pad_token_id", c->pad_token_id);
}

static void
write_mlp_only(struct json_writer *w, const struct config *c)
{
    json_begin_array(w, "mlp_only_layers");
    for (int64_t i = 0; i < c->num_hidden_layers; i++)
        if (c->mlp_only[i / 64] >> (i % 64) & 1)
            json_put_int(w, NULL, i);
    json_end_array(w);
}

static void
write_experts(struct json_writer *w, const struct config *c)
{
    bool qwen2 = strcmp(c->model_type, "qwen2_moe") == 0;

    json_put_int(w, qwen2 ? "num_experts" : "num_local_experts", c->num_experts);
    json_put_int(w, "num_experts_per_tok", c->num_experts_per_tok);
    json_put_real(w, "router_aux_loss_coef", c->router_aux_loss_coef);
    json_put_bool(w, "output_router_logits", false);
    if (c->family == FAMILY_MIXTRAL) {
        json_put_real(w, "router_jitter_noise", 0);
        return;
    }
    json_put_int(w, "moe_intermediate_size", c->moe_intermediate_size);
    if (qwen2)
        json_put_int(w, "shared_expert_intermediate_size", c->shared_intermediate_size);
    json_put_bool(w, "norm_topk_prob", c->norm_topk_prob);
    json_put_int(w, "decoder_sparse_step", c->decoder_sparse_step);
    write_mlp_only(w, c);
}

/* max_window_layers for software that knows no layer_types: as far as it can say it. */
static void
write_qwen_window(struct json_writer *w, const struct config *c)
{
    json_put_bool(w, "use_sliding_window", c->sliding_window > 0);
    if (c->sliding_window == 0)
        return;
    json_put_int(w, "sliding_window", c->sliding_window);
    int64_t first = 0;
    while (!config_windowed(c, first))
        first++;
    json_put_int(w, "max_window_layers",
                 strcmp(c->model_type, "qwen2_moe") == 0 ? c->num_hidden_layers : first);
    json_begin_array(w, "layer_types");
    for (int64_t i = 0; i < c->num_hidden_layers; i++)
        json_put_string(w, NULL, config_windowed(c, i) ? "sliding_attention" : "full_attention");
    json_end_array(w);
}

static void
write_window(struct json_writer *w, const struct config *c)
{
    if (c->family == FAMILY_QWEN)
        write_qwen_window(w, c);
    else if (c->sliding_window > 0)
        json_put_int(w, "sliding_window", c->sliding_window);
    else if (strcmp(c->model_type, "llama") != 0)
        json_put_null(w, "sliding_window");
}

static void
write_llama(struct json_writer *w, const struct config *c)
{
    bool llama = strcmp(c->model_type, "llama") == 0;

    json_put_string(w, "hidden_act", "silu");
    json_put_int(w, "hidden_size", c->hidden_size);
    json_put_int(w, "intermediate_size", c->intermediate_size);
    json_put_int(w, "num_hidden_layers", c->num_hidden_layers);
    json_put_int(w, "num_attention_heads", c->num_attention_heads);
    json_put_int(w, "num_key_value_heads", c->num_key_value_heads);
    json_put_int(w, "head_dim", c->head_dim);
    json_put_int(w, "max_position_embeddings", c->max_position_embeddings);
    json_put_real(w, "rms_norm_eps", c->norm_eps);
    json_put_real(w, "attention_dropout", 0);
    config_write_rope(w, c);
    if (strcmp(c->model_type, "qwen2_moe") == 0)
        json_put_bool(w, "qkv_bias", c->attention_bias);
    if (llama || c->qk_norm)
        json_put_bool(w, "attention_bias", c->attention_bias);
    if (llama)
        json_put_bool(w, "mlp_bias", c->mlp_bias);
    write_window(w, c);
    if (c->num_experts > 0)
        write_experts(w, c);
}

static void
write_gpt2(struct json_writer *w, const struct config *c)
{
    json_put_string(w, "activation_function", c->gelu_name);
    json_put_int(w, "n_embd", c->hidden_size);
    json_put_int(w, "n_inner", c->intermediate_size);
    json_put_int(w, "n_layer", c->num_hidden_layers);
    json_put_int(w, "n_head", c->num_attention_heads);
    json_put_int(w, "n_positions", c->max_position_embeddings);
    json_put_int(w, "n_ctx", c->max_position_embeddings);
    json_put_real(w, "layer_norm_epsilon", c->norm_eps);
    json_put_real(w, "attn_pdrop", 0);
    json_put_real(w, "embd_pdrop", 0);
    json_put_real(w, "resid_pdrop", 0);
}

static void
write_neox(struct json_writer *w, const struct config *c)
{
    json_put_string(w, "hidden_act", c->gelu_name);
    json_put_int(w, "hidden_size", c->hidden_size);
    json_put_int(w, "intermediate_size", c->intermediate_size);
    json_put_int(w, "num_hidden_layers", c->num_hidden_layers);
    json_put_int(w, "num_attention_heads", c->num_attention_heads);
    json_put_int(w, "max_position_embeddings", c->max_position_embeddings);
    json_put_real(w, "layer_norm_eps", c->norm_eps);
    json_put_bool(w, "use_parallel_residual", c->parallel_residual);
    json_put_bool(w, "attention_bias", c->attention_bias);
    json_put_real(w, "attention_dropout", 0);
    json_put_real(w, "hidden_dropout", 0);
    config_write_rope(w, c);
}

void
config_write(const struct config *c, const char *dtype, struct str *out)
{
    struct json_writer w = {.out = out, .indent = 2};

    json_begin_object(&w, NULL);
    json_begin_array(&w, "architectures");
    json_put_string(&w, NULL, config_architecture(c));
    json_end_array(&w);
    json_put_string(&w, "model_type", c->model_type);
    json_put_string(&w, "dtype", dtype);
    json_put_string(&w, "torch_dtype", dtype); /* its name before transformers 5 */
    json_put_int(&w, "vocab_size", c->vocab_size);
    if (c->family == FAMILY_GPT2)
        write_gpt2(&w, c);
    else if (c->family == FAMILY_NEOX)
        write_neox(&w, c);
    else
        write_llama(&w, c);
    json_put_real(&w, "initializer_range", c->initializer_range);
    json_put_bool(&w, "tie_word_embeddings", c->tie_word_embeddings);
    json_put_bool(&w, "use_cache", true);
    write_token_ids(&w, c);
    json_end_object(&w);
    str_addc(out, '\n');
}
