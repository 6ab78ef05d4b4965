#!/usr/bin/env bash
# Warm-up, stable, decay, and branches that decay from a trunk: rates by the formulas of the manual, bits
# by the same run in one piece.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

rates() { jq -c 'select(.event == "step") | .lr' "$1"; }
wsd=(--model llama.json --precision fp32 --steps 30 --schedule wsd --decay 10 --min-lr 3e-4)

ok 'wsd' train whole "${wsd[@]}"
is 'is stable behind the warm-up' "$(rates whole.jsonl | sed -n '5,20p' | sort -u)" 0.003
is 'decays in line' "$(rates whole.jsonl | awk 'NR > 20 { w = 0.003 - (NR - 20) / 10 * 0.0027; if ((w - $1) ^ 2 > 1e-20) print NR, $1, w }')" ''
for style in cosine 1-sqrt; do
    ok "$style" train $style "${wsd[@]}" --wsd-decay-style $style
    is "decays as $style" "$(rates $style.jsonl | awk -v style=$style 'NR > 20 {
        x = (NR - 20) / 10; left = style == "cosine" ? (1 + cos(atan2(0, -1) * x)) / 2 : 1 - sqrt(x)
        w = 0.0003 + 0.0027 * left; if ((w - $1) ^ 2 > 1e-20) print NR, $1, w }')" ''
done
ok 'lengths in tokens' train tokens "${wsd[@]}" --decay 5120tok
is 'are the same' "$(state_hash tokens.jsonl)" "$(state_hash whole.jsonl)"

# A trunk goes on at its rate; what leaves it is what the run in one piece was.
ok 'a trunk' train trunk --model llama.json --precision fp32 --steps 40 --schedule constant --save-every 10 --keep-every 10
branch=(llm-train -q --branch trunk/step-00000020 --decay 10 --min-lr 3e-4)
ok 'a branch of its step 20' "${branch[@]}" --save branch --log branch.jsonl train.shard
is 'has the bits of the whole' "$(state_hash branch.jsonl)" "$(state_hash whole.jsonl)"
is 'and its rates' "$(rates branch.jsonl | xargs)" "$(rates whole.jsonl | tail -n 10 | xargs)"
ok 'the trunk is as it was' test "$(ls trunk | wc -l)" = 4
expect_code 75 "${branch[@]}" --save cut --log cut.jsonl --time-limit 0.05s train.shard
ok 'a branch that was stopped goes on by the same command' "${branch[@]}" --save cut --log cut.jsonl train.shard
is 'to the same bits' "$(state_hash cut.jsonl)" "$(state_hash whole.jsonl)"
ok 'a branch of the newest checkpoint' bash -c 'set -e
    llm-train -q --branch trunk --decay 10 --save late --log late.jsonl train.shard
    [ "$(jq -r "select(.event == \"end\").step" late.jsonl)" = 50 ]'

refused() { # DESC STATUS REGEX ARGUMENTS
    local desc=$1 status=$2 regex=$3
    shift 3
    ok "$desc: status $status" expect_code "$status" llm-train -q "$@" train.shard
    err_like "$desc: message" "$regex"
}
refused 'a trunk whose rate falls' 2 'step 30 is within the trunk.s own decay' --branch whole --decay 5 --save x
refused 'no directory of its own' 2 'a directory of its own' --branch trunk --decay 5 --save trunk
refused 'no length' 2 '--branch needs --decay' --branch trunk --save x
refused 'a branch and a resume' 2 '--branch and --resume exclude' --branch trunk --resume trunk --decay 5 --save x
refused 'wsd without a length' 2 'give the length of its last phase' --model llama.json --tokenizer tok.json --global-batch 8 \
    --seq-length 64 --lr 1e-3 --steps 10 --schedule wsd
refused 'a decay longer than the run' 2 'are more than the run' --model llama.json --tokenizer tok.json --global-batch 8 \
    --seq-length 64 --lr 1e-3 --steps 10 --schedule wsd --decay 11
