# shellcheck shell=bash
# What the tests of llm-train share: a tokenizer, shards and configurations, made in the scratch directory.

# About 200 KB of text that a tiny model learns something from: this repository's own prose.
make_text() {
    for file in "$LLM_SRC"/man/*.[157] "$LLM_SRC"/common/*/*.h; do
        jq -Rs '{text: .}' -c <"$file"
    done >text.jsonl
}

make_shards() { # tok.json, train.shard, valid.shard
    make_text
    llm-tokenize --train bpe --vocab-size 400 -q -o tok.json --format jsonl text.jsonl &&
        llm-tokenize -t tok.json -q --source code --format jsonl -o all.shard text.jsonl &&
        llm-shuffle -q --seed 7 --split 0.1=valid.shard -o train.shard all.shard
}

make_configs() { # llama.json, gpt2.json
    cat >llama.json <<'JSON'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 400, "hidden_size": 32,
 "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
 "hidden_act": "silu", "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "initializer_range": 0.05, "tie_word_embeddings": true}
JSON
    cat >gpt2.json <<'JSON'
{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 400, "n_embd": 32, "n_layer": 2,
 "n_head": 4, "n_positions": 64, "activation_function": "gelu_new", "initializer_range": 0.05,
 "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
JSON
}

fixture() {
    if ! make_shards >fixture.log 2>&1; then
        diag "$(cat fixture.log)"
        exit 1
    fi
    make_configs
}

# A short run: train OUT [options]. Log in OUT.jsonl, checkpoints in OUT.
train() {
    local out=$1
    shift
    llm-train -q --tokenizer tok.json --save "$out" --log "$out.jsonl" --seq-length 64 --global-batch 8 \
        --lr 3e-3 --warmup 5 --save-every 0 --threads 1 "$@" train.shard
}

# Step, loss and gradient norm of a log: the shortest text that reads back, so that equal text is equal bits.
losses() {
    jq -r 'select(.event == "step") | [.step, .loss, .grad_norm] | @tsv' "$1"
}

# The state hash of the last checkpoint of a log.
state_hash() {
    jq -rs 'map(select(.event == "save")) | .[-1].state_hash' "$1"
}
