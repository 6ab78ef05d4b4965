#!/usr/bin/env bash
# --dpo: pairs from llm-tokenize --preference through llm-shuffle --pack, the same bits for every layout,
# resumption without the model the run began with, and what is refused.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture

# The preferred text goes on with the prompt's own words, the rejected one with others.
jq -c '.text | split(" ") | {prompt: (.[0:6] | join(" ")), chosen: (" " + (.[6:12] | join(" "))),
    rejected: (" " + (.[-8:] | join(" ")))}' text.jsonl | head -n 48 >pairs.jsonl
ok 'pairs' llm-tokenize -q --preference -t tok.json -o pairs.shard pairs.jsonl
ok 'are packed' llm-shuffle -q --pack 64 --log pack.jsonl -o packed.shard pairs.shard
is 'into two sequences each' "$(jq -c 'select(.event == "pack") | [.sequences, .dropped_pairs]' pack.jsonl)" '[96,0]'
like 'and verified' "$(llm-shuffle --verify packed.shard)" 'ok: .* 96 documents'

run=(--model llama.json --tokenizer tok.json --dpo --dpo-beta 0.2 --precision fp32 --seq-length 64 --lr 3e-3
    --global-batch 8 --micro-batch 2 --reduce-groups 2 --steps 14 --epochs 2)
dpo() { # NAME OPTIONS
    llm-train -q "${run[@]}" --save "$1" --log "$1.jsonl" "${@:2}" packed.shard
}
of() { jq -c "select(.event == \"step\" and .step == $2) | .$3" "$1.jsonl"; }

ok 'one process' dpo one --save-every 5 --keep-last 5
is 'begins at log 2' "$(jq -n "$(of one 1 loss) * 1e12 | round")" 693147180560
is 'with rewards of 0' "$(of one 1 reward_chosen) $(of one 1 reward_rejected)" '0 0'
ok 'learns the pairs' test "$(jq -n "$(of one 14 loss) < 0.5 and $(of one 14 reward_accuracy) > 0.85")" = true
ok 'two ranks' dpo two --ranks 2 --zero 1
ok 'two stages' dpo stages --ranks 2 --pipeline-parallel 2
ok 'zero-bubble, three threads' dpo bubble --ranks 2 --pipeline-parallel 2 --pipeline-schedule zero-bubble --threads 3
for name in two stages bubble; do
    is "$name: the same bits" "$(state_hash $name.jsonl)" "$(state_hash one.jsonl)"
    is "$name: the same losses" "$(jq -c 'select(.event == "step") | [.loss, .reward_chosen, .reward_rejected]' $name.jsonl)" \
        "$(jq -c 'select(.event == "step") | [.loss, .reward_chosen, .reward_rejected]' one.jsonl)"
done
ok 'tensor-parallel' dpo tensor --ranks 2 --tensor-parallel 2
ok 'comes as close as it may' test "$(jq -n "($(of tensor 14 loss) / $(of one 14 loss) - 1) | fabs < 1e-4")" = true

# The reference goes along in the checkpoints.
is 'a checkpoint has a loss for each text' "$(jq '.losses | length' one/step-00000005/reference.json)" 96
is 'the same in all' "$(md5sum <one/step-00000005/reference.json)" "$(md5sum <one/step-00000014/reference.json)"
mkdir cut && cp -r one/step-00000005 cut/
ok 'going on' llm-train -q --resume cut --log cut.jsonl packed.shard
is 'to the same bits' "$(state_hash cut.jsonl)" "$(state_hash one.jsonl)"
ok 'a model for others' llm-convert -q one hf
ok 'has no reference' test ! -e hf/reference.json
ok 'with adapters' dpo lora --lora 4 --lr 1e-2
ok 'learns as well' test "$(jq -n "$(of lora 14 loss) < 0.6")" = true

refused 'pairs without --dpo' 3 'which --dpo trains on' --model llama.json --tokenizer tok.json --global-batch 2 --lr 1 --steps 1 \
    --seq-length 64 packed.shard
refused 'pairs that are not packed' 3 'llm-shuffle --pack' "${run[@]}" pairs.shard
refused 'texts that are no pairs' 3 'needs packed pairs' "${run[@]}" train.shard
refused 'an odd micro-batch' 2 'even number' "${run[@]}" --micro-batch 1 packed.shard
refused 'z-loss' 2 'z-loss' "${run[@]}" --z-loss 1e-4 packed.shard
refused 'validation' 2 'llm-eval' "${run[@]}" --valid packed.shard packed.shard
ok 'a run of another kind' train plain --model llama.json --precision fp32 --steps 2 --save-every 1
refused 'its checkpoint' 3 'no reference.json' --resume plain --dpo --seq-length 64 --micro-batch 2 packed.shard
expect_code 3 llm-shuffle -q --no-shuffle -o joined.shard pairs.shard train.shard
expect_code 2 llm-shuffle -q --pack 64 --best-fit -o fit.shard pairs.shard
ok 'pairs with a text too long' llm-shuffle -q --pack 20 --log short.jsonl -o short.shard pairs.shard
ok 'are left out and counted' test "$(jq 'select(.event == "pack") | .dropped_pairs > 0 and .sequences + 2 * .dropped_pairs == 96' short.jsonl)" = true
