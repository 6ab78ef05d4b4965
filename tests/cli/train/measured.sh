#!/usr/bin/env bash
# A run's plan beside what it measured: the keys, the sums, memory. How long a step takes is for `make bench-plan`.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture
cat >small.json <<'JSON'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 8000, "hidden_size": 128,
 "intermediate_size": 384, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
 "hidden_act": "silu", "max_position_embeddings": 1024, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
 "tie_word_embeddings": true}
JSON
sed 's/Llama/Mixtral/; s/"llama"/"mixtral"/; s/}$/, "num_local_experts": 4, "num_experts_per_tok": 2}/' small.json >experts.json
components='["attention","context","elementwise","expert","gradients","other","pipeline","products","tensor","total","update","weights"]'

# Are the components of a column all there, none below 0, and do they add up to its total?
adds_up() { # COLUMN
    is "$name: $1 add up" "$(jq -c --argjson keys "$components" \
        ".$1 | (keys == \$keys) and (map(select(. < -1e-6)) == []) and
         ((del(.total) | add) / .total | . > 0.999 and . < 1.001)" measured.json)" true
}

run() { # NAME OPTIONS…
    name=$1
    shift
    rm -f run.jsonl
    ok "$name" llm-train -q --log run.jsonl --lr 1e-3 --steps 5 --seq-length 64 --global-batch 4 --threads 1 "$@" train.shard
    jq -c 'select(.event == "plan")' run.jsonl >plan.json
    jq -c 'select(.event == "measured")' run.jsonl >measured.json
    is "$name: steps behind the first" "$(jq .steps measured.json)" 4
    is "$name: the plan at the start is the one at the end" "$(jq -c '[.step_seconds, .seconds]' plan.json)" \
        "$(jq -c '[.planned_step_seconds, .planned_seconds]' measured.json)"
    is "$name: it takes time" "$(jq '.step_seconds > 0 and .planned_step_seconds > 0' measured.json)" true
    adds_up planned_seconds
    adds_up seconds
    adds_up least_seconds
    is "$name: the fastest step is not slower than the mean" \
        "$(jq '.least_seconds.total <= .seconds.total' measured.json)" true
    is "$name: the arenas are what was planned" "$(jq .bytes.arenas measured.json)" "$(jq .planned_bytes.arenas measured.json)"
    is "$name: each of their kinds, too" "$(jq '.bytes | .state + .gradients + .activations == .arenas' measured.json)" true
    [ -n "${LLM_SANITIZE:-}" ] || is "$name: resident within 5 %" \
        "$(jq '.bytes.resident / .planned_bytes.resident | . > 0.95 and . < 1.05' measured.json)" true
}

run 'llama, fp32' --model small.json --precision fp32
run 'llama, bf16, two threads' --model small.json --threads 2 --micro-batch 2
run 'experts' --model experts.json
run 'gpt2, fp8' --model gpt2.json --precision fp8-hybrid
run 'two stages' --model small.json --ranks 2 --pipeline-parallel 2
is 'two stages: waits are counted' "$(jq '.seconds.pipeline > 0 and .planned_seconds.pipeline > 0' measured.json)" true
run 'two halves of heads' --model small.json --ranks 2 --tensor-parallel 2
is 'two halves of heads: the plan has their sums' "$(jq '.planned_seconds.tensor > 0' measured.json)" true
run 'two replicas, ZeRO 1' --model small.json --ranks 2 --zero 1

# The machine measured for a plan alone.
ok '--machine local' eval 'llm-train --plan --machine local --model small.json --lr 1e-3 --seq-length 64 --global-batch 4 --threads 1 >plan'
like 'is named' "$(cat plan)" '^machine +local, 1 node'
ok '--machine local for two ranks' eval 'llm-train --plan --machine local --model small.json --lr 1e-3 --seq-length 64 \
    --global-batch 4 --threads 1 --ranks 2 --tensor-parallel 2 >plan'
is 'is said once' "$(grep -c '^machine' plan)" 1
