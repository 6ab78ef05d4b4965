# shellcheck shell=bash
# What the tests of llm-eval and llm-convert share: a tokenizer, a shard of two
# sources and random checkpoints, made in the scratch directory.

mkcheckpoint=$LLM_BIN/tests/tools/mkcheckpoint

write_config() { # FILE VOCAB [FURTHER MEMBERS]
    cat >"$1" <<JSON
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": $2, "hidden_size": 32,
 "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
 "hidden_act": "silu", "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "bos_token_id": null, "eos_token_id": null${3:+, $3}}
JSON
}

write_gpt2() { # FILE VOCAB
    cat >"$1" <<JSON
{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": $2, "n_embd": 32, "n_layer": 2,
 "n_head": 4, "n_positions": 64, "activation_function": "gelu_new", "bos_token_id": null, "eos_token_id": null}
JSON
}

# tok/tokenizer.json of 400 pieces, text.shard of the sources pages and headers.
make_text() {
    local name
    mkdir -p tok
    jq -Rs '{text: .[:3000]}' -c "$LLM_SRC"/man/*.[157] >pages.jsonl
    jq -Rs '{text: .[:2000]}' -c "$LLM_SRC"/common/base/[a-f]*.h >headers.jsonl
    llm-tokenize -q --train bpe --vocab-size 400 -o tok/tokenizer.json pages.jsonl headers.jsonl || return
    for name in pages headers; do
        llm-tokenize -q -t tok/tokenizer.json --source $name -o $name.shard $name.jsonl || return
    done
    cat pages.shard headers.shard >text.shard
}

make_checkpoint() { # DIRECTORY CONFIG [OPTIONS]
    local out=$1 config=$2
    shift 2
    "$mkcheckpoint" --std 0.1 --tokenizer tok "$@" "$config" "$out"
}

fixture() {
    if ! { make_text && write_config config.json 400 && make_checkpoint run config.json --step 5; } >fixture.log 2>&1; then
        diag "$(cat fixture.log)"
        exit 1
    fi
}
