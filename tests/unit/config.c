/*
 * config.json: what is read, what is refused and how the refusal reads. Defaults and keys are those
 * of transformers 5 (LlamaConfig, MistralConfig, GPT2Config).
 */
#include <stdlib.h>

#include "base/err.h"
#include "model/config.h"
#include "model/params.h"
#include "tests/unit/tap.h"

static int
parse(struct config *c, const char *json)
{
    return config_parse(c, "config.json", json, strlen(json));
}

static void
refused(const char *json, const char *message)
{
    struct config c;

    if (parse(&c, json) == 0) {
        ok(false, "accepted: %s", json);
        config_release(&c);
        return;
    }
    is_str(err_text(), message, "refused: %s", message);
    is_int(err_status(), STATUS_INPUT, "as an input error");
}

static void
test_llama_defaults(void)
{
    struct config c;

    if (!ok(parse(&c, "{\"model_type\":\"llama\"}") == 0, "a config of nothing but its type"))
        return;
    is_int(c.vocab_size, 32000, "vocab_size");
    is_int(c.hidden_size, 4096, "hidden_size");
    is_int(c.intermediate_size, 11008, "intermediate_size");
    is_int(c.num_hidden_layers, 32, "num_hidden_layers");
    is_int(c.num_key_value_heads, 32, "num_key_value_heads");
    is_int(c.head_dim, 128, "head_dim");
    is_int(c.max_position_embeddings, 2048, "max_position_embeddings");
    is_near(c.norm_eps, 1e-6, 0, "rms_norm_eps");
    is_near(c.rope_theta, 10000, 0, "rope_theta");
    is_near(c.initializer_range, 0.02, 0, "initializer_range");
    is_int(c.bos_token_id, 1, "bos_token_id");
    is_int(c.eos_token_id, 2, "eos_token_id");
    is_int(c.pad_token_id, -1, "pad_token_id");
    ok(!c.tie_word_embeddings && !c.attention_bias && !c.mlp_bias && c.sliding_window == 0,
       "switches");
    is_str(c.json, "{\"model_type\":\"llama\"}", "the text is kept");
    config_release(&c);
}

/* MixtralConfig, Qwen2MoeConfig, Qwen3MoeConfig of nothing but their type. */
static void
test_experts(void)
{
    struct config c;

    if (ok(parse(&c, "{\"model_type\":\"mixtral\"}") == 0, "mixtral")) {
        is_int(c.num_experts, 8, "num_local_experts");
        is_int(c.num_experts_per_tok, 2, "num_experts_per_tok");
        is_int(c.moe_intermediate_size, 14336, "experts of intermediate_size");
        is_near(c.rope_theta, 1e6, 0, "rope_theta");
        is_near(c.norm_eps, 1e-5, 0, "rms_norm_eps");
        is_near(c.router_aux_loss_coef, 0.001, 0, "router_aux_loss_coef");
        is_int(config_sparse_layers(&c), 32, "experts in every layer");
        ok(c.norm_topk_prob && c.sliding_window == 0 && !c.qk_norm, "switches");
        config_release(&c);
    }
    if (ok(parse(&c, "{\"model_type\":\"qwen2_moe\",\"decoder_sparse_step\":2,"
                     "\"mlp_only_layers\":[1,4]}") == 0, "qwen2_moe")) {
        is_int(c.num_experts, 60, "num_experts");
        is_int(c.num_experts_per_tok, 4, "num_experts_per_tok");
        is_int(c.moe_intermediate_size, 1408, "moe_intermediate_size");
        is_int(c.shared_intermediate_size, 5632, "shared_expert_intermediate_size");
        is_int(c.bos_token_id, -1, "no bos_token_id");
        is_int(config_sparse_layers(&c), 11, "every other layer, but one");
        ok(!config_sparse(&c, 1) && config_sparse(&c, 3) && !config_sparse(&c, 4), "which");
        ok(!c.norm_topk_prob && c.attention_bias && !c.output_bias && !c.qk_norm, "switches");
        config_release(&c);
    }
    if (ok(parse(&c, "{\"model_type\":\"qwen3_moe\"}") == 0, "qwen3_moe")) {
        is_int(c.num_experts, 128, "num_experts");
        is_int(c.num_key_value_heads, 4, "num_key_value_heads");
        is_int(c.head_dim, 64, "head_dim");
        is_int(c.shared_intermediate_size, 0, "no shared expert");
        ok(c.qk_norm && !c.attention_bias, "switches");
        config_release(&c);
    }
}

static void
test_mistral(void)
{
    struct config c;

    if (ok(parse(&c, "{\"architectures\":[\"MistralForCausalLM\"]}") == 0,
           "found by its architecture")) {
        is_str(c.model_type, "mistral", "model_type");
        is_int(c.num_key_value_heads, 8, "num_key_value_heads");
        is_int(c.intermediate_size, 14336, "intermediate_size");
        is_int(c.sliding_window, 4096, "a missing window is 4096");
        config_release(&c);
    }
    if (ok(parse(&c,
                 "{\"model_type\":\"mistral\",\"sliding_window\":null,\"num_key_value_heads\":null,"
                 "\"head_dim\":64}") == 0,
           "nulls")) {
        is_int(c.sliding_window, 0, "null is no window");
        is_int(c.num_key_value_heads, 32, "null is as many as heads");
        is_int(c.head_dim, 64, "head_dim of its own");
        config_release(&c);
    }
}

static void
test_gpt2(void)
{
    struct config c;

    if (ok(parse(&c, "{\"model_type\":\"gpt2\",\"architectures\":[\"GPT2LMHeadModel\"]}") == 0,
           "gpt2")) {
        is_int(c.vocab_size, 50257, "vocab_size");
        is_int(c.hidden_size, 768, "n_embd");
        is_int(c.intermediate_size, 3072, "n_inner");
        is_int(c.head_dim, 64, "head_dim");
        is_int(c.max_position_embeddings, 1024, "n_positions");
        is_near(c.norm_eps, 1e-5, 0, "layer_norm_epsilon");
        is_int(c.eos_token_id, 50256, "eos_token_id");
        ok(c.tie_word_embeddings && c.attention_bias && c.output_bias && c.mlp_bias &&
               c.norm_bias && c.gelu == GELU_TANH && c.norm == NORM_LAYER &&
               c.position == POSITION_LEARNED,
           "switches");
        config_release(&c);
    }
    if (ok(parse(&c,
                 "{\"model_type\":\"gpt2\",\"vocab_size\":300,\"hidden_size\":96,\"num_hidden_"
                 "layers\":3,"
                 "\"num_attention_heads\":6,\"n_inner\":100,\"activation_function\":\"gelu\"}") ==
               0,
           "general names")) {
        is_int(c.hidden_size, 96, "hidden_size");
        is_int(c.num_hidden_layers, 3, "num_hidden_layers");
        is_int(c.head_dim, 16, "head_dim");
        is_int(c.intermediate_size, 100, "n_inner");
        is_int(c.gelu, GELU_ERF, "exact GELU");
        is_int(c.eos_token_id, -1, "a default id beyond the vocabulary is none");
        config_release(&c);
    }
}

static void
test_rope(void)
{
    static const char old_keys[] =
        "{\"model_type\":\"llama\",\"rope_theta\":500000,\"rope_scaling\":"
        "{\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4,\"original_max_position_"
        "embeddings\":8192,"
        "\"rope_type\":\"llama3\"},\"torch_dtype\":\"bfloat16\",\"eos_token_id\":[5,6],\"pad_token_"
        "id\":-1}";
    static const char new_keys[] =
        "{\"model_type\":\"llama\",\"dtype\":\"bfloat16\",\"rope_parameters\":"
        "{\"rope_theta\":500000,\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4,"
        "\"original_max_position_embeddings\":8192,\"rope_type\":\"llama3\"}}";
    const char *const texts[] = {old_keys, new_keys};
    struct config c;

    for (int i = 0; i < 2; i++) {
        if (!ok(parse(&c, texts[i]) == 0, "%s keys", i ? "new" : "old"))
            continue;
        is_near(c.rope_theta, 500000, 0, "rope_theta");
        ok(c.rope_scaling == ROPE_LLAMA3 && c.rope_factor == 8 && c.rope_low_freq_factor == 1 &&
               c.rope_high_freq_factor == 4 && c.rope_original_max_position == 8192,
           "llama3 scaling");
        is_int(c.eos_token_id, i ? 2 : 5, "eos_token_id");
        config_release(&c);
    }
    if (ok(parse(&c, "{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2."
                     "5}}") == 0,
           "linear scaling under its oldest key")) {
        ok(c.rope_scaling == ROPE_LINEAR && c.rope_factor == 2.5, "and its factor");
        config_release(&c);
    }
}

static void
test_refusals(void)
{
    refused("{}", "config.json: model_type: missing (known: llama, mistral, gpt2, gpt_neox, "
                  "mixtral, qwen2, qwen2_moe, qwen3, qwen3_moe)");
    refused("{\"model_type\":\"mamba\"}",
            "config.json: model_type: \"mamba\" is not supported (known: llama, mistral, gpt2, "
            "gpt_neox, mixtral, qwen2, qwen2_moe, qwen3, qwen3_moe)");
    refused("{\"model_type\":\"llama\",\"architectures\":[\"GPT2LMHeadModel\"]}",
            "config.json: architectures: \"GPT2LMHeadModel\" contradicts model_type \"llama\"");
    refused("{\"model_type\":\"llama\",\"num_attention_heads\":12,\"hidden_size\":1536,\"num_key_"
            "value_heads\":5}",
            "config.json: num_attention_heads (12) is not a multiple of num_key_value_heads (5)");
    refused("{\"model_type\":\"llama\",\"num_attention_heads\":12}",
            "config.json: hidden_size (4096) is not a multiple of num_attention_heads (12)");
    refused("{\"model_type\":\"llama\",\"hidden_size\":96,\"num_attention_heads\":32}",
            "config.json: head_dim (3) is odd, rotary positions need an even one");
    refused("{\"model_type\":\"gpt2\",\"n_embd\":100}",
            "config.json: n_embd (100) is not a multiple of n_head (12)");
    refused("{\"model_type\":\"llama\",\"hidden_act\":\"relu\"}",
            "config.json: hidden_act: \"relu\" is not supported (known: silu)");
    refused("{\"model_type\":\"gpt2\",\"activation_function\":\"relu\"}",
            "config.json: activation_function: \"relu\" is not supported (known: gelu_new, "
            "gelu_pytorch_tanh, "
            "gelu_fast, gelu)");
    refused("{\"model_type\":\"gpt2\",\"scale_attn_by_inverse_layer_idx\":true}",
            "config.json: scale_attn_by_inverse_layer_idx: true is not supported");
    refused("{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"mrope\",\"factor\":4}}",
            "config.json: rope_scaling.rope_type: \"mrope\" is not supported (known: default, "
            "linear, llama3, dynamic, yarn, longrope, proportional)");
    refused("{\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"yarn\"}}",
            "config.json: rope_scaling.factor: missing");
    refused("{\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"dynamic\"}}",
            "config.json: rope_scaling.factor: missing");
    refused("{\"model_type\":\"llama\",\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":2,"
            "\"rope_theta\":1}}",
            "config.json: rope_parameters.rope_theta: expected a number above 1 for yarn, found 1");
    refused("{\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"longrope\",\"factor\":4,"
            "\"short_factor\":[1,2]}}",
            "config.json: rope_scaling.short_factor: 2 numbers instead of 64, half of the rotary "
            "dimension");
    refused("{\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"longrope\",\"factor\":4}}",
            "config.json: rope_scaling.short_factor: missing, expected an array");
    refused("{\"model_type\":\"llama\",\"hidden_size\":8,\"num_attention_heads\":2,"
            "\"rope_scaling\":{\"rope_type\":\"longrope\",\"factor\":4,\"short_factor\":[1,2],"
            "\"long_factor\":[1,0]}}",
            "config.json: rope_scaling.long_factor[1]: expected a number above 0, found 0");
    refused("{\"model_type\":\"llama\",\"rope_parameters\":{\"rope_type\":\"proportional\","
            "\"partial_rotary_factor\":1.5}}",
            "config.json: rope_parameters.partial_rotary_factor: expected a number in (0, 1], "
            "found 1.5");
    refused("{\"model_type\":\"mistral\",\"rope_parameters\":{\"partial_rotary_factor\":0.5}}",
            "config.json: rope_parameters.partial_rotary_factor: 0.5 is not supported (only 1)");
    refused("{\"model_type\":\"llama\",\"rope_parameters\":{\"full_attention\":{}}}",
            "config.json: rope_parameters: parameters per layer type are not supported");
    refused("{\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"linear\"}}",
            "config.json: rope_scaling.factor: missing");
    refused("{\"model_type\":\"llama\",\"partial_rotary_factor\":0.5}",
            "config.json: partial_rotary_factor: 0.5 is not supported (only 1)");
    refused("{\"model_type\":\"mixtral\",\"router_jitter_noise\":0.1}",
            "config.json: router_jitter_noise: 0.1 is not supported (only 0)");
    refused("{\"model_type\":\"mixtral\",\"num_experts_per_tok\":9}",
            "config.json: num_experts_per_tok: 9 is above the number of experts (8)");
    refused("{\"model_type\":\"qwen3\",\"num_hidden_layers\":1,"
            "\"layer_types\":[\"sliding_attention\"]}",
            "config.json: layer_types[0]: a sliding window, but no use_sliding_window with a "
            "sliding_window");
    refused("{\"model_type\":\"qwen3_moe\",\"num_hidden_layers\":1,\"use_sliding_window\":true,"
            "\"layer_types\":[\"full_attention\"]}",
            "config.json: layer_types[0]: qwen3_moe has its sliding window in every layer");
    refused("{\"model_type\":\"qwen3\",\"num_hidden_layers\":1,"
            "\"layer_types\":[\"linear_attention\"]}",
            "config.json: layer_types[0]: \"linear_attention\" is not supported");
    refused("{\"model_type\":\"qwen3\",\"num_hidden_layers\":2,"
            "\"layer_types\":[\"full_attention\"]}",
            "config.json: layer_types: 1 layers instead of num_hidden_layers (2)");
    refused("{\"model_type\":\"gpt_neox\",\"hidden_act\":\"relu\"}",
            "config.json: hidden_act: \"relu\" is not supported (known: gelu_new, "
            "gelu_pytorch_tanh, gelu_fast, gelu)");
    refused("{\"model_type\":\"gpt_neox\",\"rotary_pct\":0.27}",
            "config.json: rotary_pct: 0.27 of head_dim 96 is 25 elements, not an even number of "
            "them in it");
    refused("{\"model_type\":\"gpt_neox\",\"rotary_pct\":1.5}",
            "config.json: rotary_pct: 1.5 of head_dim 96 is 144 elements, not an even number of "
            "them in it");
    refused("{\"model_type\":\"gpt_neox\",\"rotary_emb_base\":10000,\"rope_theta\":500}",
            "config.json: rope_theta: 500 is not what the model has otherwise (10000)");
    refused("{\"model_type\":\"gpt_neox\",\"num_attention_heads\":7}",
            "config.json: hidden_size (6144) is not a multiple of num_attention_heads (7)");
    refused("{\"model_type\":\"mistral\",\"attention_bias\":true}",
            "config.json: attention_bias: is not supported for mistral");
    refused("{\"model_type\":\"qwen3\",\"mlp_bias\":true}",
            "config.json: mlp_bias: is not supported for qwen3");
    refused("{\"model_type\":\"qwen2_moe\",\"mlp_only_layers\":[24]}",
            "config.json: mlp_only_layers[0]: expected an integer from 0 to 23");
    refused("{\"model_type\":\"llama\",\"num_local_experts\":8}",
            "config.json: num_local_experts: is not supported");
    refused("{\"model_type\":\"llama\",\"quantization_config\":{\"bits\":4}}",
            "config.json: quantization_config: is not supported");
    refused("{\"model_type\":\"mistral\",\"layer_types\":[\"full_attention\"]}",
            "config.json: layer_types[0]: \"full_attention\" is not supported here");
    refused("{\"model_type\":\"llama\",\"vocab_size\":100,\"eos_token_id\":100}",
            "config.json: eos_token_id (100) is not below vocab_size (100)");
    refused("{\"model_type\":\"llama\",\"rms_norm_eps\":0}",
            "config.json: rms_norm_eps: expected a number above 0, found 0");

    struct config c;
    static const char *const bad[] = {"",
                                      "[]",
                                      "{\"model_type\":5}",
                                      "{\"model_type\":\"llama\",\"hidden_size\":-1}",
                                      "{\"model_type\":\"llama\",\"hidden_size\":1.5}",
                                      "{\"model_type\":\"llama\",\"num_hidden_layers\":0}",
                                      "{\"model_type\":\"llama\",\"vocab_size\":99999999999999}",
                                      "{\"model_type\":\"llama\",\"head_dim\":0}",
                                      "{\"model_type\":\"llama\",\"model_type\":\"llama\"}",
                                      "{\"model_type\":\"mistral\",\"sliding_window\":0}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(parse(&c, bad[i]) < 0 && err_status() == STATUS_INPUT, "refused: %s: %s", bad[i],
           err_text());
    ok(config_load(&c, "missing.json") < 0 && err_status() == STATUS_FAILED, "a missing file");
}

static bool
same_divisors(const struct config *a, const struct config *b)
{
    if (!a->rope_divisors || !b->rope_divisors)
        return a->rope_divisors == b->rope_divisors;
    return memcmp(a->rope_divisors, b->rope_divisors,
                  (size_t)a->rotary_dim * sizeof *a->rope_divisors) == 0;
}

/* GPTNeoXConfig of nothing but its type, and with the keys of older files. */
static void
test_neox(void)
{
    struct config c;

    if (ok(parse(&c, "{\"model_type\":\"gpt_neox\"}") == 0, "gpt_neox")) {
        is_int(c.vocab_size, 50432, "vocab_size");
        is_int(c.hidden_size, 6144, "hidden_size");
        is_int(c.intermediate_size, 24576, "intermediate_size");
        is_int(c.num_hidden_layers, 44, "num_hidden_layers");
        is_int(c.num_key_value_heads, 64, "as many key/value heads as heads");
        is_int(c.head_dim, 96, "head_dim");
        is_int(c.rotary_dim, 24, "a quarter of it turns");
        is_int(c.eos_token_id, 2, "eos_token_id");
        ok(c.parallel_residual && c.attention_bias && c.output_bias && c.mlp_bias && c.norm_bias &&
               !c.tie_word_embeddings && c.gelu == GELU_ERF && c.norm == NORM_LAYER &&
               c.position == POSITION_ROTARY && c.mlp == MLP_GELU,
           "switches");
        config_release(&c);
    }
    if (ok(parse(&c, "{\"architectures\":[\"GPTNeoXForCausalLM\"],\"rotary_pct\":1.0,"
                     "\"partial_rotary_factor\":1,\"rotary_emb_base\":25000,"
                     "\"rope_theta\":25000,\"use_parallel_residual\":false,"
                     "\"torch_dtype\":\"float16\",\"hidden_act\":\"gelu_fast\"}") == 0,
           "old keys")) {
        is_int(c.rotary_dim, 96, "rotary_pct");
        is_near(c.rope_theta, 25000, 0, "rotary_emb_base");
        ok(!c.parallel_residual && c.gelu == GELU_TANH, "switches");
        config_release(&c);
    }
}

/* Qwen2Config, Qwen2MoeConfig, Qwen3Config: which layers have the window. */
static void
test_windows(void)
{
    static const struct {
        const char *json, *windowed;
    } cases[] = {
        {"{\"model_type\":\"qwen2\",\"use_sliding_window\":true,\"num_hidden_layers\":5,"
         "\"max_window_layers\":3}", "...ww"},
        {"{\"model_type\":\"qwen2\",\"use_sliding_window\":true,\"num_hidden_layers\":5}", "....."},
        {"{\"model_type\":\"qwen2\",\"num_hidden_layers\":3,\"max_window_layers\":0}", "..."},
        {"{\"model_type\":\"qwen2\",\"use_sliding_window\":true,\"sliding_window\":null,"
         "\"num_hidden_layers\":3,\"max_window_layers\":0}", "..."},
        {"{\"model_type\":\"qwen2_moe\",\"use_sliding_window\":true,\"num_hidden_layers\":6,"
         "\"max_window_layers\":4}", "w.w..."},
        {"{\"model_type\":\"qwen3_moe\",\"use_sliding_window\":true,\"num_hidden_layers\":3}", "www"},
        {"{\"model_type\":\"qwen3\",\"use_sliding_window\":true,\"num_hidden_layers\":3,"
         "\"layer_types\":[\"sliding_attention\",\"full_attention\",\"sliding_attention\"]}", "w.w"},
        {"{\"model_type\":\"mistral\",\"num_hidden_layers\":2}", "ww"},
        {"{\"model_type\":\"llama\",\"num_hidden_layers\":2,\"sliding_window\":7}", ".."},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config c;
        char got[16] = {0};

        if (!ok(parse(&c, cases[i].json) == 0, "windows %zu", i))
            continue;
        for (int64_t k = 0; k < c.num_hidden_layers; k++)
            got[k] = config_windowed(&c, k) ? 'w' : '.';
        is_str(got, cases[i].windowed, "windows %zu: which layers", i);
        ok(config_mixed_windows(&c) == (strchr(got, 'w') && strchr(got, '.')), "windows %zu: mixed", i);
        config_release(&c);
    }
}

/* Where the frequencies would depend on the length. */
static void
test_lengths(void)
{
    struct config c;

    if (ok(parse(&c, "{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"dynamic\","
                     "\"factor\":2}}") == 0, "dynamic")) {
        is_int(config_check_length(&c, 2048), 0, "up to max_position_embeddings");
        is_int(config_check_length(&c, 2049), -1, "not beyond");
        is_str(err_text(),
               "2049 tokens: beyond max_position_embeddings (2048) the frequencies of rope_type "
               "dynamic depend on the text's length so far, which is not supported", "says why");
        config_release(&c);
    }
    if (ok(parse(&c, "{\"model_type\":\"llama\",\"hidden_size\":8,\"num_attention_heads\":2,"
                     "\"original_max_position_embeddings\":100,"
                     "\"rope_scaling\":{\"rope_type\":\"longrope\",\"short_factor\":[1,2.5],"
                     "\"long_factor\":[3,4]}}") == 0, "longrope")) {
        is_near(c.rope_factor, 20.48, 1e-15, "its factor is the ratio of the lengths");
        is_near(c.rope_attention_factor, 1.2867265, 1e-7, "sqrt(1 + ln 20.48 / ln 100)");
        is_int(config_check_length(&c, 100), 0, "up to original_max_position_embeddings");
        is_int(config_check_length(&c, 101), -1, "not beyond");
        config_release(&c);
    }
    if (ok(parse(&c, "{\"model_type\":\"llama\"}") == 0, "no scaling")) {
        is_int(config_check_length(&c, 1 << 20), 0, "any length");
        config_release(&c);
    }
}

/* What is written reads back the same. */
static void
test_write(void)
{
    static const char *const texts[] = {
        "{\"model_type\":\"llama\",\"vocab_size\":500,\"hidden_size\":96,\"intermediate_size\":200,"
        "\"num_hidden_layers\":3,\"num_attention_heads\":6,\"num_key_value_heads\":2,\"head_dim\":"
        "24,"
        "\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":1234.5,\"factor\":8,\"low_"
        "freq_factor\":1,"
        "\"high_freq_factor\":4,\"original_max_position_embeddings\":77},\"tie_word_embeddings\":"
        "true,"
        "\"attention_bias\":true,\"mlp_bias\":true,\"rms_norm_eps\":1e-5,\"initializer_range\":0."
        "013,"
        "\"bos_token_id\":null,\"eos_token_id\":7,\"pad_token_id\":9}",
        "{\"model_type\":\"mistral\",\"sliding_window\":33}",
        "{\"model_type\":\"mistral\",\"sliding_window\":null}",
        "{\"model_type\":\"mixtral\",\"num_local_experts\":6,\"num_experts_per_tok\":3}",
        "{\"model_type\":\"qwen2\"}",
        "{\"model_type\":\"qwen2_moe\",\"num_experts\":6,\"mlp_only_layers\":[0,7],"
        "\"decoder_sparse_step\":2,\"norm_topk_prob\":true,\"qkv_bias\":false,"
        "\"moe_intermediate_size\":77,\"shared_expert_intermediate_size\":55,"
        "\"router_aux_loss_coef\":0.25}",
        "{\"model_type\":\"qwen3\",\"attention_bias\":true}",
        "{\"model_type\":\"qwen3_moe\",\"num_local_experts\":16,\"head_dim\":32}",
        "{\"model_type\":\"gpt2\",\"n_embd\":96,\"n_head\":4,\"n_inner\":333,\"tie_word_"
        "embeddings\":false,"
        "\"activation_function\":\"gelu\",\"n_positions\":55}",
        "{\"model_type\":\"gpt_neox\",\"use_parallel_residual\":false,\"hidden_act\":\"gelu_new\","
        "\"rotary_pct\":0.5,\"rotary_emb_base\":500,\"attention_bias\":false,"
        "\"tie_word_embeddings\":true,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}}",
        "{\"model_type\":\"gpt_neox\"}",
        "{\"model_type\":\"qwen2\",\"use_sliding_window\":true,\"max_window_layers\":0,"
        "\"sliding_window\":55}",
        "{\"model_type\":\"qwen3_moe\",\"use_sliding_window\":true,\"sliding_window\":55}",
        "{\"model_type\":\"qwen2\",\"use_sliding_window\":true,\"max_window_layers\":20}",
        "{\"model_type\":\"qwen2_moe\",\"use_sliding_window\":true,\"max_window_layers\":20}",
        "{\"model_type\":\"qwen3\",\"use_sliding_window\":true,\"max_window_layers\":40}",
        "{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2.5}}",
        "{\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4,"
        "\"original_max_position_embeddings\":512,\"beta_fast\":20,\"beta_slow\":2,"
        "\"truncate\":false,\"mscale\":0.7,\"mscale_all_dim\":0.9}}",
        "{\"model_type\":\"llama\",\"hidden_size\":8,\"num_attention_heads\":2,"
        "\"original_max_position_embeddings\":100,"
        "\"rope_scaling\":{\"rope_type\":\"longrope\",\"short_factor\":[1,2.5],"
        "\"long_factor\":[3,4]}}",
        "{\"model_type\":\"llama\",\"rope_parameters\":{\"rope_type\":\"proportional\","
        "\"factor\":3,\"partial_rotary_factor\":0.25}}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct config a, b;
        struct str out = {0}, why = {0};

        if (parse(&a, texts[i]) < 0 ||
            (config_write(&a, "float32", &out), parse(&b, out.data) < 0)) {
            ok(false, "config %zu: %s", i, err_text());
            continue;
        }
        ok(config_same_shape(&a, &b, &why), "config %zu comes back in shape", i);
        ok(a.rope_theta == b.rope_theta && a.rope_scaling == b.rope_scaling &&
               a.rope_factor == b.rope_factor &&
               a.rope_original_max_position == b.rope_original_max_position &&
               a.norm_eps == b.norm_eps && a.sliding_window == b.sliding_window &&
               memcmp(a.full_attention, b.full_attention, sizeof a.full_attention) == 0 &&
               a.initializer_range == b.initializer_range && a.gelu == b.gelu &&
               a.bos_token_id == b.bos_token_id && a.eos_token_id == b.eos_token_id &&
               a.pad_token_id == b.pad_token_id &&
               a.max_position_embeddings == b.max_position_embeddings &&
               a.num_experts_per_tok == b.num_experts_per_tok &&
               a.norm_topk_prob == b.norm_topk_prob &&
               a.router_aux_loss_coef == b.router_aux_loss_coef &&
               a.decoder_sparse_step == b.decoder_sparse_step &&
               a.rotary_dim == b.rotary_dim && a.rope_partial == b.rope_partial &&
               a.rope_attention_factor == b.rope_attention_factor &&
               a.rope_beta_fast == b.rope_beta_fast && a.rope_beta_slow == b.rope_beta_slow &&
               a.rope_truncate == b.rope_truncate && same_divisors(&a, &b),
           "config %zu: and in its figures", i);
        str_release(&out);
        str_release(&why);
        config_release(&a);
        config_release(&b);
    }
}

static void
test_same_shape(void)
{
    struct config a, b;
    struct str why = {0};

    parse(&a, "{\"model_type\":\"llama\"}");
    parse(&b, "{\"model_type\":\"llama\",\"vocab_size\":500,\"tie_word_embeddings\":true,\"rope_"
              "theta\":5}");
    ok(!config_same_shape(&a, &b, &why), "different shapes");
    is_str(why.data, "vocab_size 32000 instead of 500, tie_word_embeddings 0 instead of 1",
           "are told apart");
    str_release(&why);
    config_release(&a);
    config_release(&b);
}

static void
test_params(void)
{
    struct config c;
    struct params p;

    /* 124,439,808: the GPT-2 paper's smallest model as Hugging Face counts it. */
    parse(&c, "{\"model_type\":\"gpt2\"}");
    params_init(&p, &c);
    is_int(p.parameters, 124439808, "parameters of GPT-2");
    is_int(p.count, 2 + 12 * 12 + 2, "its tensors");
    ok(p.head == p.embedding && p.tied_offset == p.elements, "its head is its embedding");
    is_int(p.grad_elements, p.elements + 50257 * 768, "its gradients");
    bool aligned = true, inside = true;
    for (int i = 0; i < p.count; i++) {
        aligned = aligned && p.param[i].offset % 16 == 0;
        inside = inside && p.param[i].offset + p.param[i].size <=
                               (i + 1 < p.count ? p.param[i + 1].offset : p.elements);
    }
    ok(aligned && inside, "tensors are aligned and apart");
    is_int(params_find(&p, "layers.3.mlp.up.bias"), p.layer[3].up_bias, "found by name");
    is_int(params_find(&p, "head.weight"), -1, "or not");
    params_release(&p);
    config_release(&c);

    /* 6,738,415,616: Llama 2 7B. */
    parse(&c, "{\"model_type\":\"llama\"}");
    params_init(&p, &c);
    is_int(p.parameters, 6738415616, "parameters of Llama 2 7B");
    ok(p.tied_offset == -1 && p.grad_elements == p.elements, "untied: one gradient");
    ok(p.param[p.layer[0].qkv].decay && !p.param[p.final_norm].decay, "norms do not decay");
    params_release(&p);
    config_release(&c);
}

static double
deviation(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum / (double)n;
}

static void
test_initialize(void)
{
    struct config c;
    struct params p;

    parse(&c,
          "{\"model_type\":\"gpt2\",\"vocab_size\":500,\"n_embd\":96,\"n_layer\":8,\"n_head\":4}");
    params_init(&p, &c);
    float *a = malloc((size_t)p.elements * sizeof *a), *b = malloc((size_t)p.elements * sizeof *b);
    params_initialize(NULL, &p, &c, 1, 0, a);
    struct threads *pool = threads_new(3);
    params_initialize(pool, &p, &c, 1, 0, b);
    threads_free(pool);
    ok(memcmp(a, b, (size_t)p.elements * sizeof *a) == 0, "the same seed, the same weights, for any number of threads");
    params_initialize(NULL, &p, &c, 2, 0.5, b);

    const struct param *e = &p.param[p.embedding], *o = &p.param[p.layer[2].output];
    is_near(deviation(a + e->offset, e->size), 0.0004, 5 * 0.0004 * 0.0065,
            "variance 0.02 squared");
    is_near(deviation(a + o->offset, o->size), 0.0004 / 16, 5 * 0.0004 / 16 * 0.015,
            "less at residual outputs");
    is_near(deviation(b + e->offset, e->size), 0.25, 5 * 0.25 * 0.0065,
            "a deviation that was asked for");
    is_near((double)a[p.param[p.final_norm].offset], 1, 0, "norms are 1");
    is_near((double)a[p.param[p.final_norm_bias].offset], 0, 0, "biases are 0");
    free(a);
    free(b);
    params_release(&p);
    config_release(&c);
}

int
main(void)
{
    test_llama_defaults();
    test_mistral();
    test_experts();
    test_gpt2();
    test_rope();
    test_neox();
    test_lengths();
    test_windows();
    test_refusals();
    test_write();
    test_same_shape();
    test_params();
    test_initialize();
    return done();
}
