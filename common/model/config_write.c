#include <string.h>

#include "json/write.h"
#include "model/config.h"

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
write_rope(struct json_writer *w, const struct config *c)
{
    static const char *const names[] = {"default", "linear", "llama3"};

    json_begin_object(w, "rope_parameters");
    json_put_real(w, "rope_theta", c->rope_theta);
    json_put_string(w, "rope_type", names[c->rope_scaling]);
    if (c->rope_scaling != ROPE_DEFAULT)
        json_put_real(w, "factor", c->rope_factor);
    if (c->rope_scaling == ROPE_LLAMA3) {
        json_put_real(w, "low_freq_factor", c->rope_low_freq_factor);
        json_put_real(w, "high_freq_factor", c->rope_high_freq_factor);
        json_put_int(w, "original_max_position_embeddings", c->rope_original_max_position);
    }
    json_end_object(w);
}

static void
write_llama(struct json_writer *w, const struct config *c)
{
    bool mistral = strcmp(c->model_type, "mistral") == 0;

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
    write_rope(w, c);
    if (!mistral) {
        json_put_bool(w, "attention_bias", c->attention_bias);
        json_put_bool(w, "mlp_bias", c->mlp_bias);
    } else if (c->sliding_window > 0) {
        json_put_int(w, "sliding_window", c->sliding_window);
    } else {
        json_put_null(w, "sliding_window");
    }
}

static void
write_gpt2(struct json_writer *w, const struct config *c)
{
    json_put_string(w, "activation_function", c->gelu == GELU_TANH ? "gelu_new" : "gelu");
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

void
config_write(const struct config *c, const char *dtype, struct str *out)
{
    struct json_writer w = {.out = out, .indent = 2};
    const char *architecture = "LlamaForCausalLM";

    if (c->family == FAMILY_GPT2)
        architecture = "GPT2LMHeadModel";
    else if (strcmp(c->model_type, "mistral") == 0)
        architecture = "MistralForCausalLM";

    json_begin_object(&w, NULL);
    json_begin_array(&w, "architectures");
    json_put_string(&w, NULL, architecture);
    json_end_array(&w);
    json_put_string(&w, "model_type", c->model_type);
    json_put_string(&w, "dtype", dtype);
    json_put_int(&w, "vocab_size", c->vocab_size);
    if (c->family == FAMILY_GPT2)
        write_gpt2(&w, c);
    else
        write_llama(&w, c);
    json_put_real(&w, "initializer_range", c->initializer_range);
    json_put_bool(&w, "tie_word_embeddings", c->tie_word_embeddings);
    json_put_bool(&w, "use_cache", true);
    write_token_ids(&w, c);
    json_end_object(&w);
    str_addc(out, '\n');
}
