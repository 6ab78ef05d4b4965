#!/usr/bin/env bash
# --plan against what a run takes: arenas to the byte, the peak of what is resident within 5 %.
# timeout: 200
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
[ -z "${LLM_SANITIZE:-}" ] || skip_all 'sanitizers take memory of their own'
fixture

llama() { # HIDDEN LAYERS HEADS INTERMEDIATE: a tied Llama with 32,000 tokens
    cat <<JSON
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000, "hidden_size": $1,
 "intermediate_size": $4, "num_hidden_layers": $2, "num_attention_heads": $3, "num_key_value_heads": 2,
 "hidden_act": "silu", "max_position_embeddings": 1024, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "initializer_range": 0.02, "tie_word_embeddings": true}
JSON
}
llama 128 4 4 384 >small.json
llama 384 6 6 1024 >llama-20m.json
llama 768 12 12 2304 | sed 's/"num_key_value_heads": 2/"num_key_value_heads": 4/' >llama-107m.json
sed 's/"n_embd": 32/"n_embd": 192/; s/"n_positions": 64/"n_positions": 256/; s/400/32000/' gpt2.json >gpt2-small.json
cat >experts.json <<'JSON'
{"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "vocab_size": 32000, "hidden_size": 256,
 "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024,
 "intermediate_size": 768, "num_experts": 16, "num_experts_per_tok": 4, "moe_intermediate_size": 96,
 "norm_topk_prob": true, "decoder_sparse_step": 2}
JSON

mb() {
    awk "BEGIN { printf \"%.1f MB\", $1 / 1e6 }"
}

# predicted NAME OPTIONS…: plans, runs two steps, compares
predicted() {
    local name=$1 plan run
    shift
    rm -f plan.jsonl run.jsonl
    ok "$name: plan" llm-train -q --plan --log plan.jsonl "$@"
    ok "$name: run" llm-train -q --log run.jsonl --lr 1e-3 --steps 2 "$@" train.shard
    plan=$(jq -c 'select(.event == "plan")' plan.jsonl)
    run=$(jq -c 'select(.event == "memory")' run.jsonl)
    is "$name: the arenas are what was planned" "$(jq .arenas <<<"$run")" \
        "$(jq .memory_per_rank_bytes <<<"$plan")"
    diag "$name: $(mb "$(jq .resident_bytes <<<"$plan")") planned, $(mb "$(jq .measured <<<"$run")") measured"
    is "$name: within 5 %" "$(jq -n --argjson p "$plan" --argjson r "$run" \
        '($r.measured / $p.resident_bytes - 1) | . < 0.05 and . > -0.05')" true
}

predicted 'llama, fp32' --model small.json --threads 1 --seq-length 256 --global-batch 2 --precision fp32
predicted 'llama, bf16, tokenizer, selective' --model small.json --threads 1 --seq-length 512 --global-batch 2 \
    --precision bf16 --recompute selective --tokenizer tok.json
predicted 'llama 20M, bf16' --model llama-20m.json --threads 1 --seq-length 256 --global-batch 1 --precision bf16
predicted 'experts, bf16' --model experts.json --threads 2 --seq-length 256 --global-batch 2 --precision bf16
predicted 'gpt2, bf16, micro-batch 2, full' --model gpt2-small.json --threads 1 --seq-length 256 \
    --global-batch 2 --micro-batch 2 --precision bf16 --recompute full
predicted 'gpt2, fp32, two threads, two groups' --model gpt2-small.json --threads 2 --seq-length 256 \
    --global-batch 4 --micro-batch 2 --reduce-groups 2 --precision fp32
predicted 'llama, fp32, two ranks' --model small.json --ranks 2 --threads 1 --seq-length 128 --global-batch 2 \
    --precision fp32
if [ -n "${LLM_LONG:-}" ]; then
    predicted 'llama 107M, bf16' --model llama-107m.json --threads 1 --seq-length 1024 --global-batch 1 \
        --precision bf16
    predicted 'llama 107M, fp32' --model llama-107m.json --threads 1 --seq-length 512 --global-batch 1 \
        --precision fp32
else
    skip 'llama 107M' 'LLM_LONG=1 runs it'
fi

# Nothing is allocated within a step but the first, and what lies between them goes back.
settled() { # NAME OPTIONS…
    local name=$1
    shift
    rm -f run.jsonl
    ok "$name: 12 steps" llm-train -q --log run.jsonl --lr 1e-3 --steps 12 --seq-length 64 --global-batch 4 "$@" train.shard
    is "$name: allocations within them" "$(jq 'select(.event == "memory") | .step_allocations' run.jsonl)" 0
    is "$name: the heap does not grow" "$(jq --argjson most "$most" 'select(.event == "memory") | .heap_growth < $most' run.jsonl)" true
}
valid=(--valid valid.shard --valid-every 3)
most=32768 # bytes: a block of shard, a line of log
settled 'fp32, two threads, accumulation' --model llama.json --precision fp32 --threads 2 --micro-batch 2 \
    --reduce-groups 1 "${valid[@]}"
settled 'bf16, two groups, full' --model gpt2.json --precision bf16 --threads 2 --reduce-groups 2 \
    --recompute full "${valid[@]}"
most=1048576 # MPI's own pools of messages grow by a piece as they are first used
settled 'bf16, two ranks' --model llama.json --precision bf16 --ranks 2 --threads 1 "${valid[@]}"
most=32768
settled 'fp8, two threads' --model llama.json --precision fp8-hybrid --threads 2 "${valid[@]}"
