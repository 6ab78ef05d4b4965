#!/usr/bin/env bash
# The three tools as one pipe into a trainer on two ranks; a failure of any stage ends it with a message.
# timeout: 240
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture
set -o pipefail

whole() { # OUT FORMAT-OF-INPUT INPUT
    llm-tokenize -q -t tok.json --format jsonl "$3" | llm-shuffle -q --seed 3 |
        llm-train -q --ranks 2 --model "$2" --tokenizer tok.json --save "$1" --log "$1.jsonl" --seq-length 64 \
            --global-batch 8 --lr 1e-3 --steps 5 --precision fp32 -
}

# More than any pipe holds, and a trainer that takes little of it: upstream ends quietly.
size=${LLM_LONG:+300}
for _ in $(seq $((${size:-20} * 5))); do cat text.jsonl; done >big.jsonl
whole run llama.json big.jsonl
status=$(echo "${PIPESTATUS[@]}")
like 'a big pipe' "$status" '^0|141'
is 'trained' "$(jq -rs '.[-1].status' run.jsonl)" 0
ok 'a checkpoint' test -f run/step-00000005/manifest.json

expect_code 1 whole a llama.json missing.jsonl
like 'llm-tokenize fails: it is told' "$(cat err)" 'missing.jsonl'
not_ok 'llm-tokenize fails: no checkpoint' ls a/step-*/manifest.json
sed 's/"vocab_size": 400/"vocab_size": 300/' llama.json >small.json
expect_code 3 whole c small.json text.jsonl
not_ok 'llm-train refuses: no checkpoint' ls c/step-*/manifest.json
head -c 30000 train.shard | expect_code 3 llm-train -q --ranks 2 --model llama.json --tokenizer tok.json --save d --seq-length 64 \
    --global-batch 8 --lr 1e-3 --steps 50000 --precision fp32 -
