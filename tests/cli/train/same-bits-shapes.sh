#!/usr/bin/env bash
# The same bits for 1, 2, 3 and 5 threads and 1 and 2 ranks where nothing divides evenly: vocabulary 32,003,
# head dims 144 and 80, a width that no block divides, long sequences, several micro-batches.
# timeout: 300
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

# llama HIDDEN HEADS KV HEAD_DIM INNER VOCAB TIED: a config.json
llama() {
    cat <<JSON
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": $6, "hidden_size": $1,
 "intermediate_size": $5, "num_hidden_layers": 2, "num_attention_heads": $2, "num_key_value_heads": $3, "head_dim": $4,
 "hidden_act": "silu", "max_position_embeddings": 1024, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "initializer_range": 0.05, "tie_word_embeddings": $7}
JSON
}
llama 80 3 1 144 131 32003 true >odd.json
llama 168 4 2 80 200 403 false >wide.json
cat >gpt2.json <<'JSON'
{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 403, "n_embd": 120, "n_layer": 2,
 "n_head": 3, "n_positions": 1024, "activation_function": "gelu_new", "initializer_range": 0.05,
 "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
JSON

# run OUT OPTIONS…: two steps; the losses and the hash of the whole state in OUT.bits
run() {
    local out=$1
    shift
    llm-train -q --tokenizer tok.json --save "$out" --log "$out.jsonl" --lr 3e-3 --save-every 0 --steps 2 \
        --reduce-groups 2 "$@" train.shard || return
    losses "$out.jsonl" >"$out.bits"
    state_hash "$out.jsonl" >>"$out.bits"
    rm -rf "$out"
}

# every LAYOUT of NAME has the bits of one thread: layouts NAME OPTIONS…
layouts() {
    local name=$1 layout ranks threads
    shift
    ok "$name: one thread" run "$name" --threads 1 "$@"
    is "$name: two steps and a state" "$(grep -c . "$name.bits")" 3
    for layout in '1 2' '1 3' '1 5' '2 1' '2 3'; do
        read -r ranks threads <<<"$layout"
        ok "$name: $ranks ranks, $threads threads" run "$name-$ranks-$threads" --ranks "$ranks" --threads "$threads" "$@"
        same "$name: $ranks ranks, $threads threads: bits" "$name.bits" "$name-$ranks-$threads.bits"
    done
}

for precision in fp32 bf16; do
    layouts "vocabulary-32003-head-144-$precision" --model odd.json --precision $precision --seq-length 67 --global-batch 4
    layouts "head-80-long-$precision" --model wide.json --precision $precision --seq-length 517 --global-batch 4 \
        --micro-batch 2
    layouts "gpt2-micro-batch-3-$precision" --model gpt2.json --precision $precision --seq-length 101 --global-batch 6 \
        --micro-batch 3
done
