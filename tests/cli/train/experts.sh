#!/usr/bin/env bash
# Models with experts: the same bits for any ranks, threads and recomputation, a resume, the log's
# figures of the routers, conversion, evaluation; options that do not go with a model.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

cat >moe.json <<'JSON'
{"architectures": ["Qwen2MoeForCausalLM"], "model_type": "qwen2_moe", "vocab_size": 400, "hidden_size": 32,
 "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
 "max_position_embeddings": 64, "initializer_range": 0.05, "tie_word_embeddings": true, "num_experts": 6,
 "num_experts_per_tok": 2, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 40,
 "mlp_only_layers": [1], "router_aux_loss_coef": 0.01}
JSON

steps=(--model moe.json --steps 12 --save-every 5 --reduce-groups 4 --moe-z-loss-coeff 0.001)
for precision in fp32 bf16; do
    ok "$precision: one rank, one thread" train "$precision" --precision "$precision" "${steps[@]}" --threads 1
    want=$(state_hash "$precision.jsonl")
    for mode in '--ranks 3' '--threads 3 --recompute selective' '--ranks 2 --pipeline-parallel 2 --recompute full' \
        '--ranks 2 --zero 2'; do
        read -ra options <<<"$mode"
        ok "$precision: $mode" train other --precision "$precision" "${steps[@]}" "${options[@]}"
        is "$precision: $mode: state" "$(state_hash other.jsonl)" "$want"
        same "$precision: $mode: losses" <(jq -c 'select(.event == "step") | [.loss, .aux_loss, .router_z_loss]' \
            "$precision.jsonl") <(jq -c 'select(.event == "step") | [.loss, .aux_loss, .router_z_loss]' other.jsonl)
        rm -rf other other.jsonl
    done
done

# With k experts of a token the auxiliary loss is k where the load is even, and more elsewhere.
even() { jq -es 'map(select(.event == "step")) | all(.[]; .aux_loss > 1.99 and .aux_loss < 3 and .router_z_loss > 0)' "$1"; }
ok 'figures of the routers' even fp32.jsonl
learns() { jq -es 'map(select(.event == "step") | .loss) | .[-1] < .[0] - 0.2' "$1"; }
ok 'the loss falls' learns fp32.jsonl
ok 'another coefficient' train heavy --precision fp32 "${steps[@]}" --moe-aux-loss-coeff 5
balanced() {
    jq -es '[.[] | select(.event == "step") | .aux_loss] | .[23] < .[11]' fp32.jsonl heavy.jsonl
}
ok 'a large one keeps the load more even' balanced

expect_code 75 train stopped --precision fp32 "${steps[@]}" --time-limit 0.01s
ok 'resume' llm-train -q --resume stopped --log stopped.jsonl --ranks 2 train.shard
is 'resume: state' "$(state_hash stopped.jsonl)" "$(state_hash fp32.jsonl)"
rm -rf stopped stopped.jsonl

# Experts on several ranks: the same within bounds, repeatable, and any other layout goes on from there.
near() { # FILE FILE
    jq -es '[map(select(.event == "step") | .loss, .aux_loss)] | .[0] as $x | ($x | length / 2) as $n |
        all(range($n); ($x[.] / $x[. + $n] - 1) | . < 1e-5 and . > -1e-5)' "$1" "$2"
}
for mode in '--ranks 2 --expert-parallel 2' '--ranks 4 --expert-parallel 2 --zero 3' \
    '--ranks 4 --expert-parallel 2 --pipeline-parallel 2'; do
    read -ra options <<<"$mode"
    ok "$mode" train other --precision fp32 "${steps[@]}" "${options[@]}"
    ok "$mode: losses" near fp32.jsonl other.jsonl
    ok "$mode: again" train again --precision fp32 "${steps[@]}" "${options[@]}"
    is "$mode: the same bits" "$(state_hash again.jsonl)" "$(state_hash other.jsonl)"
    rm -rf other other.jsonl again again.jsonl
done
expect_code 75 train stopped --precision fp32 "${steps[@]}" --time-limit 0.01s
ok 'resume with experts apart' llm-train -q --resume stopped --log stopped.jsonl --ranks 2 --expert-parallel 2 train.shard
ok 'resume with experts apart: losses' near fp32.jsonl stopped.jsonl
expect_code 2 train refused --precision fp32 "${steps[@]}" --ranks 4 --expert-parallel 4
err_like 'named' 'expert-parallel 4 does not divide'

ok 'conversion' llm-convert -q --verify fp32 hf
is 'its experts' "$(llm-convert --info --json hf | jq -c '[.model.num_experts, .model.parameters > .model.active_parameters]')" \
    '[6,true]'
printf 'the of\n' >prompts.txt
ok 'text from the checkpoint' llm-eval -q --prompts prompts.txt --max-new 8 --precision fp32 --json a.json fp32
ok 'text from what was converted' llm-eval -q --prompts prompts.txt --max-new 8 --precision fp32 --json b.json hf
same 'the same text' a.json b.json

expect_code 3 llm-train -q --model llama.json --tokenizer tok.json --seq-length 64 --global-batch 8 --lr 1e-3 \
    --moe-aux-loss-coeff 0.01 train.shard
err_like 'named' 'llama models have no experts'
expect_code 3 llm-train -q --model moe.json --tokenizer tok.json --seq-length 64 --global-batch 8 --lr 1e-3 \
    --precision fp8-hybrid train.shard
err_like 'fp8-hybrid' 'not supported for models with experts'
