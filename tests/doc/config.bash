# shellcheck shell=bash
# A small model for the examples of the manual pages.
write_config() { # VOCAB
    cat >config.json <<JSON
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": $1, "hidden_size": 32,
 "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
 "hidden_act": "silu", "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "initializer_range": 0.05, "tie_word_embeddings": true}
JSON
}

write_text() { # text/*.txt
    local page
    mkdir -p text
    for page in "$LLM_SRC"/man/*.[157]; do
        cp "$page" "text/$(basename "$page").txt"
    done
}
