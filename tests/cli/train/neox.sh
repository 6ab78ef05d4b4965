#!/usr/bin/env bash
# GPT-NeoX (attention and MLP side by side, fused queries, keys and values): the same bits for any layout
# that promises them, tensor ranks within bounds, resume, conversion and evaluation.
# timeout: 180
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

cat >neox.json <<'JSON'
{"architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "vocab_size": 400, "hidden_size": 32,
 "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "rotary_pct": 0.5,
 "hidden_act": "gelu", "max_position_embeddings": 64, "initializer_range": 0.05,
 "bos_token_id": null, "eos_token_id": null}
JSON
steps=(--model neox.json --steps 8 --reduce-groups 2 --micro-batch 2)

for precision in fp32 bf16; do
    ok "$precision: one rank" train "$precision" --precision "$precision" "${steps[@]}"
    want=$(state_hash "$precision.jsonl")
    for mode in '--threads 2 --recompute full' '--ranks 2 --recompute selective' \
        '--ranks 2 --pipeline-parallel 2 --pipeline-schedule zero-bubble --recompute full' \
        '--ranks 2 --pipeline-parallel 2 --pipeline-schedule zero-bubble'; do
        read -ra options <<<"$mode"
        ok "$precision: $mode" train other --precision "$precision" "${steps[@]}" "${options[@]}"
        is "$precision: $mode: state" "$(state_hash other.jsonl)" "$want"
        rm -rf other other.jsonl
    done
done
learns() { jq -es 'map(select(.event == "step") | .loss) | .[-1] < .[0] - 0.2' "$1"; }
ok 'the loss falls' learns fp32.jsonl

near() { # FILE FILE
    jq -es '[map(select(.event == "step") | .loss)] | .[0] as $x | ($x | length / 2) as $n |
        $n == 8 and all(range($n); ($x[.] / $x[. + $n] - 1) | . < 1e-5 and . > -1e-5)' "$1" "$2"
}
for mode in '--ranks 2 --tensor-parallel 2' '--ranks 2 --tensor-parallel 2 --sequence-parallel --recompute full' \
    '--ranks 2 --context-parallel 2'; do
    read -ra options <<<"$mode"
    ok "$mode" train other --precision fp32 "${steps[@]}" "${options[@]}"
    ok "$mode: losses" near fp32.jsonl other.jsonl
    rm -rf other other.jsonl
done
ok 'fp8-hybrid' train fp8 --precision fp8-hybrid "${steps[@]}"
ok 'the loss falls' learns fp8.jsonl

expect_code 75 train stopped --precision fp32 "${steps[@]}" --time-limit 0.01s
ok 'resume' llm-train -q --resume stopped --log stopped.jsonl --ranks 2 train.shard
is 'resume: state' "$(state_hash stopped.jsonl)" "$(state_hash fp32.jsonl)"
ok 'conversion' llm-convert -q --verify fp32 hf
is 'its type' "$(jq -r .model_type hf/config.json)" gpt_neox
ok 'loss of the checkpoint' llm-eval -q --json a.json --precision fp32 fp32 valid.shard
ok 'loss of what was converted' llm-eval -q --json b.json --precision fp32 hf valid.shard
same 'the same loss' a.json b.json
ok 'training goes on from it' llm-train -q --init hf --tokenizer tok.json --seq-length 64 --global-batch 8 \
    --precision fp32 --lr 1e-3 --steps 1 --log on.jsonl train.shard
ok 'as it was' jq -es 'map(select(.event == "step") | .loss) | .[-1] < .[0]' fp32.jsonl on.jsonl
