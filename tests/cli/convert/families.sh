#!/usr/bin/env bash
# Configurations: what of a family's keys is refused, each by its name; what is taken with old and new keys.
. "$LLM_SRC/tests/lib.sh"

sizes='"vocab_size":100,"hidden_size":32,"intermediate_size":48,"num_hidden_layers":2,"num_attention_heads":4,"bos_token_id":null,"eos_token_id":null'

model() { # MEMBERS
    rm -rf made
    printf '{%s,%s}\n' "$sizes" "$1" >config.json
    "$LLM_BIN/tests/tools/mkcheckpoint" config.json made
}

refused() { # MEMBERS REGEX
    ok "refused: $1" expect_code 3 model "$1"
    like "says: $2" "$(head -n 1 err)" "^mkcheckpoint: config.json: $2"
}

# shellcheck disable=SC2016
while IFS='|' read -r members regex; do
    refused "$members" "$regex"
done <<'T'
"model_type":"falcon"|model_type: "falcon" is not supported \(known: llama, mistral, gpt2, gpt_neox, mixtral, qwen2, qwen2_moe, qwen3, qwen3_moe\)
"architectures":["BertModel"]|architectures: "BertModel" is not supported
"model_type":"llama","architectures":["GPTNeoXForCausalLM"]|architectures: "GPTNeoXForCausalLM" contradicts model_type "llama"
"model_type":"llama","quantization_config":{"quant_method":"gptq"}|quantization_config: is not supported
"model_type":"llama","hidden_act":"gelu"|hidden_act: "gelu" is not supported \(known: silu\)
"model_type":"llama","num_local_experts":4|num_local_experts: is not supported
"model_type":"llama","partial_rotary_factor":0.5|partial_rotary_factor: 0.5 is not supported
"model_type":"llama","rope_scaling":{"type":"su","factor":4}|rope_scaling.rope_type: "su" is not supported
"model_type":"llama","rope_parameters":{"rope_type":"yarn"}|rope_parameters.factor: missing
"model_type":"llama","rope_parameters":{"rope_type":"longrope","factor":2,"short_factor":[1]}|rope_parameters.short_factor: 1 numbers instead of 4
"model_type":"llama","logit_scale":0.5|logit_scale: is not supported
"model_type":"mistral","attention_bias":true|attention_bias: is not supported for mistral
"model_type":"mistral","sliding_window":8,"layer_types":["full_attention","sliding_attention"]|layer_types.0.: "full_attention" is not supported here
"model_type":"mixtral","mlp_bias":true|mlp_bias: is not supported for mixtral
"model_type":"mixtral","router_jitter_noise":0.1|router_jitter_noise: 0.1 is not supported
"model_type":"qwen2","layer_types":["full_attention","sliding_attention"]|layer_types.1.: a sliding window, but no use_sliding_window with a sliding_window
"model_type":"qwen3_moe","use_sliding_window":true,"layer_types":["full_attention","full_attention"]|layer_types.0.: qwen3_moe has its sliding window in every layer
"model_type":"qwen3","layer_types":["full_attention","linear_attention"]|layer_types.1.: "linear_attention" is not supported
"model_type":"gpt2","scale_attn_by_inverse_layer_idx":true|scale_attn_by_inverse_layer_idx: true is not supported
"model_type":"gpt2","scale_attn_weights":false|scale_attn_weights: false is not supported
"model_type":"gpt2","add_cross_attention":true|add_cross_attention: true is not supported
"model_type":"gpt2","activation_function":"relu"|activation_function: "relu" is not supported
"model_type":"gpt_neox","hidden_act":"relu"|hidden_act: "relu" is not supported
"model_type":"gpt_neox","rotary_pct":0.4|rotary_pct: 0.4 of head_dim 8 is 3 elements
"model_type":"gpt_neox","rotary_emb_base":10000,"rope_theta":500|rope_theta: 500 is not what the model has otherwise
T

# Old keys and new ones say the same: what we write of both is equal.
same_model() { # DESC MEMBERS MEMBERS
    local i=0 members
    for members in "$2" "$3"; do
        i=$((i + 1))
        rm -rf "hf$i"
        ok "$1: form $i" model "$members"
        ok "$1: form $i converts" llm-convert -q --to hf made "hf$i"
    done
    # Members that we do not write are kept: num_experts, where its other name is written.
    same "$1: one configuration" <(jq -S 'del(.num_experts)' hf1/config.json) \
        <(jq -S 'del(.num_experts)' hf2/config.json)
}
mkdir tok
llm-tokenize -q --train bpe --vocab-size 260 -o tok/tokenizer.json "$LLM_SRC/README.md" 2>/dev/null
same_model 'theta and dtype' '"model_type":"llama","rope_theta":500,"torch_dtype":"float32"' \
    '"model_type":"llama","rope_parameters":{"rope_theta":500},"dtype":"float32","head_dim":null,"num_key_value_heads":null'
same_model 'scaling' '"model_type":"qwen2","num_key_value_heads":null,"rope_theta":500,"rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":64}' \
    '"model_type":"qwen2","num_key_value_heads":null,"rope_parameters":{"rope_theta":500,"rope_type":"yarn","factor":4,"original_max_position_embeddings":64}'
same_model 'GPT-NeoX' '"model_type":"gpt_neox","rotary_emb_base":500,"rotary_pct":0.5' \
    '"model_type":"gpt_neox","rope_parameters":{"rope_theta":500,"partial_rotary_factor":0.5,"rope_type":"default"}'
same_model 'experts' '"model_type":"qwen3_moe","head_dim":8,"num_experts":4,"num_experts_per_tok":2' \
    '"model_type":"qwen3_moe","head_dim":8,"num_local_experts":4,"num_experts_per_tok":2'

# Where frequencies would depend on the text's length.
ok 'dynamic' model '"model_type":"llama","max_position_embeddings":16,"rope_scaling":{"type":"dynamic","factor":2}'
ids() { seq -s ' ' "$1"; }
# shellcheck disable=SC2046
ok 'up to max_position_embeddings' "$LLM_BIN/tests/tools/modellogits" made $(ids 16)
# shellcheck disable=SC2046
ok 'not beyond' expect_code 3 "$LLM_BIN/tests/tools/modellogits" made $(ids 17)
err_like 'says why' '17 tokens: beyond max_position_embeddings \(16\) the frequencies of rope_type dynamic'
