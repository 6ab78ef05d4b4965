#!/usr/bin/env bash
# Sequences shared by context ranks, beside other axes: losses of one process, the same bits whatever else is cut,
# checkpoints for one process. timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
. "$LLM_SRC/tests/cli/train/layouts.bash"
fixture
make_layout_models
steps=5

near() { # NAME LOG LOG
    local difference
    difference=$(loss_difference "$2" "$3")
    ok "$1: losses within 1e-5 ($difference)" within "$difference" 1e-5
}

ok 'one process' run_layout one --model llama-gqa.json --precision fp32 --steps $steps
ok '2 context ranks' run_layout two --model llama-gqa.json --precision fp32 --steps $steps --ranks 2 --context-parallel 2
near '2 context ranks' two.jsonl one.jsonl
bits_of two >two.bits
for layout in '--ranks 2 --zero 0' '--ranks 4 --zero 3' '--ranks 4 --pipeline-parallel 2 --pipeline-schedule zero-bubble'; do
    # shellcheck disable=SC2086 # several words
    ok "2 context ranks, $layout" \
        run_layout other --model llama-gqa.json --precision fp32 --steps $steps --context-parallel 2 $layout
    bits_of other >other.bits
    same "2 context ranks, $layout: the same bits" two.bits other.bits
    rm -rf other other.jsonl
done
ok 'with tensor ranks' run_layout tensor --model llama-gqa.json --precision fp32 --steps $steps --ranks 4 \
    --context-parallel 2 --tensor-parallel 2 --sequence-parallel
near 'with tensor ranks' tensor.jsonl one.jsonl
ok 'one process goes on' llm-train -q --resume two --log two.jsonl --threads 1 --ranks 1 --steps $((steps + 2)) train.shard
ok 'as its own run' llm-train -q --resume one --log one.jsonl --threads 1 --steps $((steps + 2)) train.shard
near 'one process goes on' two.jsonl one.jsonl

ok 'experts, one process' run_layout moe-one --model moe.json --precision fp32 --steps $steps
ok 'experts, 2 context ranks' run_layout moe-two --model moe.json --precision fp32 --steps $steps --ranks 2 --context-parallel 2
near 'experts, 2 context ranks' moe-two.jsonl moe-one.jsonl
jq -s '[.[] | select(.event == "step") | .aux_loss] | length, (.[0] * 1e5 | round)' moe-one.jsonl >one.aux
jq -s '[.[] | select(.event == "step") | .aux_loss] | length, (.[0] * 1e5 | round)' moe-two.jsonl >two.aux
same "experts: the routers' loss of all ranks" one.aux two.aux

expect_code 2 llm-train --ranks 2 --context-parallel 2 --seq-length 62 --global-batch 2 --tokenizer tok.json \
    --model llama-gqa.json train.shard
err_like "lengths that they cannot share are refused with the nearest" "nearest are 60 and 64"
